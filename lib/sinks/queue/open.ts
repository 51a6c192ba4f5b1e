/**
 * Opening the file of a queue: looked at before anything is written.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { dirname, resolve } from "node:path";
import { ConfigError } from "../../pipeline/errors.ts";
import { fileError, openPrivate, refuseSharedSymlink } from "../../state/files.ts";
import { openingError } from "../../state/sqlite_faults.ts";
import { fileExists, hasTable, readDatabase } from "../../state/sqlite_file.ts";
import { BUSY_TIMEOUT_MS, inTransaction, type LockWaiter } from "../../state/sqlite_transaction.ts";
import { useWal } from "../sqlite/open.ts";
import { queueFile, queueOf } from "./names.ts";
import { isComplete, makeTables } from "./schema.ts";
import { fileBytes } from "./size.ts";

/**
 * Opens a queue, and adds what the file of an older tool lacks.
 *
 * @param create Whether a file that is missing is made, readable for its owner only; its folder must be there.
 * @throws {ConfigError} Where it cannot be used: nothing was written then.
 * @throws {TransientError} Where another program keeps it locked.
 */
export async function openQueueFile(path: string, create: boolean, patiently: LockWaiter): Promise<DatabaseSync> {
  let db: DatabaseSync | undefined;
  try {
    if (!fileExists(path)) {
      if (!create) throw await unknownQueue(path);
      (await openPrivate(path, { create: true, write: true })).close();
    }
    refuseSharedSymlink(path);
    const opened = db = new DatabaseSync(resolve(path), { timeout: BUSY_TIMEOUT_MS });
    // An empty transaction finds out that the file is read-only.
    const complete = await patiently(() => inTransaction(opened, () => isComplete(opened, path, create)));
    await patiently(() => useWal(opened, path));
    opened.exec("PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA journal_size_limit = 67108864");
    // Looked at again inside the transaction, because another process may be making the same file.
    if (!complete) {
      await patiently(() =>
        inTransaction(opened, () => {
          if (!isComplete(opened, path, create)) makeTables(opened);
        })
      );
    }
    return opened;
  } catch (error) {
    db?.close();
    throw openingError(path, error);
  }
}

/**
 * Reads from a queue without a trace, also from one of an older tool, which stays as it is.
 *
 * @throws {ConfigError} Where there is none, or it cannot be used.
 */
export async function readQueue<T>(path: string, read: (db: DatabaseSync) => T): Promise<T> {
  if (!fileExists(path)) throw await unknownQueue(path);
  return readDatabase(path, (db) => {
    isComplete(db, path, false);
    return read(db);
  })!;
}

/** A row as it lies in the file. */
export interface PendingRow {
  /** Its number. */
  readonly id: number;
  /** JSON text of an array of records, unless another program wrote something else. */
  readonly payload: string | null;
}

/**
 * The first rows behind the row `after` that are pending. They are only looked at, and the file stays as it is.
 *
 * @throws {ConfigError} Where there is no such queue, or it cannot be used.
 */
export function pendingRows(path: string, after: number, count: number): Promise<PendingRow[]> {
  const select = "SELECT id, payload FROM queue WHERE status = 'pending' AND id > ? ORDER BY id LIMIT ?";
  return readQueue(
    path,
    (db) => db.prepare(select).all(after, count).map((row) => ({ ...row }) as unknown as PendingRow),
  );
}

/** Names the queues that there are. */
async function unknownQueue(path: string): Promise<ConfigError> {
  const names = (await queueNames(dirname(path)).catch(() => [])).slice(0, 20);
  const hint = names.length === 0 ? "There is no queue in that folder" : `There are ${names.join(", ")}`;
  return new ConfigError(`Cannot open queue ${path}: there is no such file`, { hint });
}

/** A queue in a folder. */
export interface FoundQueue {
  /** Its name. */
  readonly queue: string;
  /** Its file. */
  readonly file: string;
  /** Of file and write-ahead log. */
  readonly bytes: number;
  /** Rows of every status. */
  readonly rows: number;
}

/**
 * The queues of a folder by name, also those of an older tool; they are only read. Databases of other kinds are passed over.
 *
 * @throws {ConfigError} Where the folder or a database in it cannot be read.
 */
export async function queuesIn(folder: string): Promise<FoundQueue[]> {
  const names = await queueNames(folder).catch((error) => {
    throw fileError("read the folder", folder, error);
  });
  return names.flatMap((queue) => {
    const file = queueFile(folder, queue);
    const count = (db: DatabaseSync) => db.prepare("SELECT count(*) AS rows FROM queue").get()!.rows as number;
    const rows = readDatabase(file, (db) => hasTable(db, "queue") ? count(db) : undefined);
    return rows === undefined ? [] : [{ queue, file, bytes: fileBytes(file), rows }];
  });
}

/** The names of files in `folder` that can be queues, sorted. Throws what the system says where it cannot be read. */
async function queueNames(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const queue = isDirectory ? undefined : queueOf(name);
    if (queue !== undefined) names.push(queue);
  }
  return names.sort();
}
