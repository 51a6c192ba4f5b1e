/**
 * SQLite under soak: paused by another program that holds the lock.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import type { Lane } from "./lane.ts";
import { createTally } from "./tally.ts";

/** How many rows are read at once: this process is also the proxy, which should not wait for long. */
const READ = 2000;
/** The newest rows stay: a log is never empty between two lives of its writer. */
const KEEP = 20_000;

/** A database in `folder`, which must exist; its run must have been there once. */
export function sqliteLane(folder: string, sent: (seq: number) => string): Lane {
  const db = `${folder}/bskyingest.db`;
  const tally = createTally();
  let checked = 0, removed = 0;
  let paused = false;
  return {
    name: "sqlite",
    wire: "v1",
    folder,
    args: ["--db", db],
    tally,
    async check() {
      for (let found = READ; found === READ;) {
        const rows = read(db, checked);
        for (const { seq, json } of rows) tally.add(seq, () => json === sent(seq));
        checked += rows.length;
        found = rows.length;
        await delay(0);
      }
      // Whoever holds the lock in this process must not wait for it.
      if (paused || checked - KEEP < removed + KEEP) return;
      removed = checked - KEEP;
      remove(db, removed);
    },
    async pause(ms) {
      using other = new DatabaseSync(db, { timeout: 5000 });
      paused = true;
      try {
        other.exec("BEGIN IMMEDIATE");
        await delay(ms);
        other.exec("ROLLBACK");
      } finally {
        paused = false;
      }
    },
    position() {
      using reader = new DatabaseSync(db, { readOnly: true });
      const { cursor } = reader.prepare("SELECT cursor FROM cursors WHERE key = 'jetstream'").get() as {
        cursor: string;
      };
      return Promise.resolve(JSON.parse(cursor).seq);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** The rows behind a position, which has no holes. */
function read(path: string, behind: number): { readonly seq: number; readonly json: string }[] {
  using db = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  const sql = "SELECT position, seq, json FROM events WHERE position > ? ORDER BY position LIMIT ?";
  const rows = db.prepare(sql).all(behind, READ) as { position: number; seq: number; json: string }[];
  if (rows.some(({ position }, i) => position !== behind + 1 + i)) {
    throw new Error(`Cannot go on: no row ${behind + 1}`);
  }
  return rows;
}

function remove(path: string, upTo: number): void {
  using db = new DatabaseSync(path, { timeout: 5000 });
  db.prepare("DELETE FROM events WHERE position <= ?").run(upTo);
}
