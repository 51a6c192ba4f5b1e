#!/usr/bin/env python3
"""Takes the rows of a queue that bskyingest writes, with nothing but Python's own sqlite3.

    python3 consume_queue.py queue/jetstream_sync.db

Any number of these programs can run at a time, also while the queue is being written. A row that is done is deleted. One that
a consumer has left behind because it was killed stays in "processing": move it back with

    bskyingest queue requeue jetstream_sync --status processing --older-than 1h
"""

import json
import sqlite3
import sys

TAKE = """
UPDATE queue SET status = 'processing'
WHERE id = (SELECT id FROM queue WHERE status = 'pending' ORDER BY id LIMIT 1)
RETURNING id, payload
"""


def take(db):
    """The oldest row that nobody has, as (id, records); None if there is none."""
    rows = db.execute(TAKE).fetchall()
    return (rows[0][0], json.loads(rows[0][1])) if rows else None


def main(path):
    # autocommit: each statement is a transaction of its own; 30 s is how long it waits for another program's
    db = sqlite3.connect(path, timeout=30, isolation_level=None)
    counts = {}
    while (row := take(db)) is not None:
        row_id, records = row
        for record in records:  # your work goes here
            counts[record["collection"]] = counts.get(record["collection"], 0) + 1
        db.execute("DELETE FROM queue WHERE id = ?", (row_id,))
    for collection, count in sorted(counts.items()):
        print(f"{count:8} {collection or '(no collection)'}")


if __name__ == "__main__":
    main(sys.argv[1])
