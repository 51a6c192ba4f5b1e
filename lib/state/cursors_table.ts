/**
 * The table `cursors`, in which SQLite files keep positions: the default sink's file, queue files.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import type { Cursor } from "../pipeline/batch.ts";
import { ConfigError } from "../pipeline/errors.ts";
import { damaged } from "./sqlite_faults.ts";
import { changeDatabase, hasTable, readDatabase } from "./sqlite_file.ts";

/** Makes the table. */
export const CURSORS_SQL =
  `CREATE TABLE cursors (key TEXT PRIMARY KEY, cursor TEXT NOT NULL, state TEXT NOT NULL, -- state: running | done
  updated_at TEXT NOT NULL) STRICT`;

/** One saved position. */
export interface CursorRow {
  /** The state key, or a source's own key. */
  readonly key: string;
  /** The text that only the source understands. */
  readonly cursor: Cursor;
  /** `done`: the source, or the run, had come to its end. */
  readonly state: "running" | "done";
  /** RFC 3339, UTC. */
  readonly updated_at: string;
}

/** Reads and writes positions in an open database; transactions are the caller's. */
export interface CursorsTable {
  /** The position of `key`. */
  load(key: string): Cursor | undefined;
  /** Whether its state is `done`. */
  ended(key: string): boolean;
  /** Puts a position in place of the former one. `now`: milliseconds since 1970. */
  save(key: string, cursor: Cursor, state: CursorRow["state"], now: number): void;
}

/**
 * Looks whether the table holds together: of one that does not, SQLite may just not find a position, and a run would begin anew.
 *
 * @throws {ConfigError} Where it does not.
 */
export function checkCursors(db: DatabaseSync, path: string): void {
  const [found] = db.prepare("PRAGMA integrity_check(cursors)").all();
  if (found?.integrity_check !== "ok") throw damaged(path, `its positions are damaged (${found?.integrity_check})`);
}

/** The table `cursors` of `db`, which must be there. */
export function cursorsTable(db: DatabaseSync): CursorsTable {
  const select = db.prepare("SELECT cursor, state FROM cursors WHERE key = ?");
  const upsert = db.prepare("INSERT OR REPLACE INTO cursors (key, cursor, state, updated_at) VALUES (?, ?, ?, ?)");
  return {
    load(key) {
      const row = select.get(key);
      return row && String(row.cursor); // in a file of another program's, numbers may be kept as such
    },
    ended: (key) => select.get(key)?.state === "done",
    save: (key, cursor, state, now) => void upsert.run(key, cursor, state, new Date(now).toISOString()),
  };
}

/** All rows of an open database, by key; none where it has no such table. */
export function cursorRows(db: DatabaseSync): CursorRow[] {
  if (!hasTable(db, "cursors")) return [];
  const found = db.prepare("SELECT key, cursor, state, updated_at FROM cursors ORDER BY key").all();
  return found.map((row) => ({ ...row }) as unknown as CursorRow);
}

/**
 * Every position that the file at `path` holds, by key; it is opened for reading only and never made.
 *
 * @throws {ConfigError} Where the file cannot be read, or is no database.
 */
export function listCursors(path: string): CursorRow[] {
  return readDatabase(path, cursorRows) ?? [];
}

/**
 * The position of `key` in the file at `path`, which is opened for reading only and never made: for a dry run.
 *
 * @throws {ConfigError} Where the file cannot be read, or is no database.
 */
export function readSqlitePosition(path: string, key: string): Cursor | undefined {
  return listCursors(path).find((row) => row.key === key)?.cursor;
}

/**
 * Sets the position of `key`, durably; its state becomes `running`.
 *
 * @returns The row as it was before.
 * @throws {ConfigError} Where the file is missing, cannot be written, or holds no positions.
 * @throws {TransientError} Where another program keeps it locked.
 */
export async function setCursor(
  path: string,
  key: string,
  cursor: Cursor,
  now: number = Date.now(),
): Promise<CursorRow | undefined> {
  const found = await changeDatabase(path, (db) => {
    if (!hasTable(db, "cursors")) return undefined;
    const before = cursorRows(db).find((row) => row.key === key);
    cursorsTable(db).save(key, cursor, "running", now);
    return { before };
  });
  if (!found) throw new ConfigError(`Cannot set cursor "${key}" in ${path}: there is no table of cursors`);
  return found.before;
}

/**
 * Forgets the positions of `keys`; keys that are not there are passed over.
 *
 * @returns The rows that are gone.
 * @throws {ConfigError} Where the file cannot be written, or is no database.
 * @throws {TransientError} Where another program keeps it locked.
 */
export async function clearCursors(path: string, keys: readonly string[]): Promise<CursorRow[]> {
  const cleared = await changeDatabase(path, (db) => {
    const gone = cursorRows(db).filter((row) => keys.includes(row.key));
    for (const { key } of gone) db.prepare("DELETE FROM cursors WHERE key = ?").run(key);
    return gone;
  });
  return cleared ?? [];
}
