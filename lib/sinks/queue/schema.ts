/**
 * The tables of a queue file. The first one is exactly that of the MET connector, whose consumers read it; what is ours lies
 * beside it.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { ConfigError } from "../../pipeline/errors.ts";

/** The version of what is ours, kept as `user_version`; 0: the file of an older tool. */
const VERSION = 1;

const TABLES: Readonly<Record<string, readonly string[]>> = {
  queue: ["id", "payload", "metadata", "created_at", "status"],
  queue_leases: [
    "id",
    "takes",
    "attempts",
    "consumer",
    "leased_until",
    "not_before",
    "last_error",
    "updated_at",
  ],
  cursors: ["key", "cursor", "state", "updated_at"],
};

const SCHEMA = `CREATE TABLE IF NOT EXISTS queue (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  payload TEXT,                                  -- JSON array of records
  metadata TEXT,                                 -- JSON object
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,-- UTC 'YYYY-MM-DD-HH:MM:SS'
  status TEXT DEFAULT 'pending'                  -- pending | processing | completed | failed
);
CREATE INDEX IF NOT EXISTS queue_pending ON queue(id) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS queue_pending_created ON queue(created_at) WHERE status = 'pending';
CREATE TABLE IF NOT EXISTS queue_leases (
  id INTEGER PRIMARY KEY,                        -- queue.id; a row exists once an item was taken or delayed by us
  takes INTEGER NOT NULL DEFAULT 0,              -- how often taken; never reset: second half of the receipt
  attempts INTEGER NOT NULL DEFAULT 0,           -- how often taken since the last requeue --status
  consumer TEXT,
  leased_until INTEGER,                          -- unix ms; NULL = no lease
  not_before INTEGER,                            -- unix ms; delayed requeue
  last_error TEXT,
  updated_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS queue_leases_until ON queue_leases(leased_until) WHERE leased_until IS NOT NULL;
CREATE TABLE IF NOT EXISTS cursors (
  key TEXT PRIMARY KEY, cursor TEXT NOT NULL, state TEXT NOT NULL, updated_at TEXT NOT NULL -- state: running | done
);
PRAGMA user_version = ${VERSION}`;

/** Columns of a table, in their order; none where there is no such table. */
function columnsOf(db: DatabaseSync, table: string): string[] {
  return db.prepare("SELECT name FROM pragma_table_info(?)").all(table).map((row) => row.name as string);
}

/**
 * Whether everything is there; reads only.
 *
 * @param mayBeNew Whether a file without any table is to become a queue.
 * @throws {ConfigError} Where the file is another thing than a queue, or was made by a newer version.
 */
export function isComplete(db: DatabaseSync, path: string, mayBeNew: boolean): boolean {
  const version = db.prepare("PRAGMA user_version").get()!.user_version as number;
  if (version > VERSION) {
    throw new ConfigError(`Cannot use ${path}: it was made by a newer bskyingest (version ${version} of its tables)`, {
      hint: "Update bskyingest, or choose another queue",
    });
  }
  const isNew = mayBeNew && version === 0 && db.prepare("SELECT 1 FROM sqlite_master").get() === undefined;
  let complete = version === VERSION;
  for (const [table, wanted] of Object.entries(TABLES)) {
    const found = columnsOf(db, table);
    complete &&= found.length > 0;
    if (found.length === 0 && (isNew || table !== "queue")) continue;
    if (found.length === 0) throw notAQueue(path, 'it has no table "queue"');
    if (found.join() !== wanted.join()) throw notAQueue(path, `its table "${table}" has other columns`);
  }
  return complete;
}

function notAQueue(path: string, state: string): ConfigError {
  return new ConfigError(`Cannot use ${path} as a queue: ${state}`, { hint: "Choose another queue" });
}

/** Makes what is missing; to be called in a transaction. */
export function makeTables(db: DatabaseSync): void {
  db.exec(SCHEMA);
}
