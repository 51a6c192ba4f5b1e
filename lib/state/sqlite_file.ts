/**
 * Opening SQLite files that exist already, for the commands that show or mend what a run keeps in them.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { refuseSharedSymlink } from "./files.ts";
import { openingError } from "./sqlite_faults.ts";
import { BUSY_TIMEOUT_MS, inTransaction, lockWaiter } from "./sqlite_transaction.ts";

/** Whether there is something at `path`. Throws what the system says when it cannot tell. */
export function fileExists(path: string): boolean {
  return sizeOf(path) !== undefined;
}

/** Size in bytes, `undefined` for a file that is not there. */
export function sizeOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whether `db` has a table of this name. */
export function hasTable(db: DatabaseSync, table: string): boolean {
  return db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(table) !== undefined;
}

/**
 * Reads from the database at `path` without a trace: no file is made, and none is left beside it.
 *
 * @returns What `read` gives, `undefined` where there is no file.
 * @throws {ConfigError} Where it cannot be read, or is no database.
 */
export function readDatabase<T>(path: string, read: (db: DatabaseSync) => T): T | undefined {
  let db: DatabaseSync | undefined;
  try {
    if (!fileExists(path)) return undefined;
    db = isAtRest(path) ? openImmutable(path) : new DatabaseSync(resolve(path), READ_ONLY);
    return read(db);
  } catch (error) {
    throw openingError(path, error);
  } finally {
    db?.close();
  }
}

const READ_ONLY = { readOnly: true, timeout: 5_000 } as const;

/**
 * Deno takes URLs for relative paths unless everything is permitted. By its path the file can be read all the same; SQLite then
 * leaves an empty log beside it.
 */
function openImmutable(path: string): DatabaseSync {
  try {
    return new DatabaseSync(new URL(`${pathToFileURL(path)}?immutable=1`), READ_ONLY);
  } catch {
    return new DatabaseSync(resolve(path), READ_ONLY);
  }
}

/**
 * A file in WAL mode that nobody writes to at the moment. SQLite would make the `-wal` and `-shm` files even for a reader and
 * leave them behind; to one that is declared immutable it does not.
 */
function isAtRest(path: string): boolean {
  if (sizeOf(`${path}-wal`)) return false;
  using file = Deno.openSync(path);
  const header = new Uint8Array(20);
  file.readSync(header);
  return header[18] === 2 && header[19] === 2; // https://sqlite.org/fileformat.html#file_format_version_numbers
}

/**
 * Changes an existing database in one transaction. No file is made.
 *
 * @returns What `change` gives, `undefined` where there is no file.
 * @throws {ConfigError} Where it cannot be opened, or is no database.
 * @throws {TransientError} Where another program keeps it locked.
 */
export async function changeDatabase<T>(path: string, change: (db: DatabaseSync) => T): Promise<T | undefined> {
  let db: DatabaseSync | undefined;
  try {
    if (!fileExists(path)) return undefined;
    refuseSharedSymlink(path);
    const opened = db = new DatabaseSync(resolve(path), { timeout: BUSY_TIMEOUT_MS });
    return await lockWaiter(path)(() => inTransaction(opened, () => change(opened)));
  } catch (error) {
    throw openingError(path, error);
  } finally {
    db?.close();
  }
}
