/**
 * Opening the file of the SQLite sink: everything is checked before anything is written.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { dirname, resolve } from "node:path";
import { getLogger } from "@logtape/logtape";
import { ConfigError } from "../../pipeline/errors.ts";
import { refuseSharedSymlink } from "../../state/files.ts";
import { openingError } from "../../state/sqlite_faults.ts";
import { fileExists } from "../../state/sqlite_file.ts";
import { BUSY_TIMEOUT_MS, inTransaction, type LockWaiter } from "../../state/sqlite_transaction.ts";
import { APPLICATION_ID, checkIntact, findMissing, SCHEMA_VERSION } from "./check.ts";
import { indexName } from "./names.ts";
import { schemaOf, type SqliteIndex } from "./schema.ts";

const log = getLogger(["bskyingest", "sqlite"]);

/** What {@link openDatabase} needs to know. */
export interface OpenDatabaseOptions {
  readonly path: string;
  readonly table: string;
  readonly indexes: readonly SqliteIndex[];
  readonly patiently: LockWaiter;
}

/**
 * Opens the file, and makes it or what it lacks of our tables.
 *
 * @throws {ConfigError} Where it cannot be used: nothing was written then.
 * @throws {TransientError} Where another program keeps it locked.
 */
export async function openDatabase(options: OpenDatabaseOptions): Promise<DatabaseSync> {
  const { path, table } = options;
  let db: DatabaseSync | undefined;
  try {
    checkFolder(path);
    refuseSharedSymlink(path);
    // An absolute path, because SQLite gives ":memory:", "" and "file:" a meaning of their own.
    db = new DatabaseSync(resolve(path), { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: false });
    await prepare(db, options);
    if (!hasIndex(db, table, "changed")) {
      log.info('Table "{table}" has no index "changed": its views take a time that grows with the square of its rows', {
        table,
      });
    }
    return db;
  } catch (error) {
    db?.close();
    throw openingError(path, error);
  }
}

/** Whether the log has the index `index` under the name that this sink gives it. */
export function hasIndex(db: DatabaseSync, table: string, index: SqliteIndex): boolean {
  return db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'index' AND lower(name) = lower(?)")
    .get(indexName(table, index)) !== undefined;
}

/** SQLite would only say "unable to open database file". */
function checkFolder(path: string): void {
  const folder = dirname(resolve(path));
  if (!fileExists(folder)) throw new ConfigError(`Cannot open ${path}: there is no folder ${folder}`);
  if (fileExists(path) && Deno.statSync(path).isDirectory) throw new ConfigError(`Cannot open ${path}: it is a folder`);
}

async function prepare(db: DatabaseSync, { path, table, indexes, patiently }: OpenDatabaseOptions): Promise<void> {
  const schema = schemaOf(table, indexes);
  await patiently(() => {
    findMissing(db, path, schema);
    checkIntact(db, path, table);
  });
  await patiently(() => useWal(db, path));
  db.exec("PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA journal_size_limit = 67108864");
  // Looked up again inside the transaction, because another process may be making the same file. An empty transaction also
  // finds out that the file is read-only.
  await patiently(() =>
    inTransaction(db, () => {
      const { blank, objects } = findMissing(db, path, schema);
      if (blank) db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`);
      for (const { sql } of objects) db.exec(sql);
    })
  );
}

/** A write-ahead log lets readers read while we write; some network file systems cannot have one. */
export function useWal(db: DatabaseSync, path: string): void {
  const { journal_mode } = db.prepare("PRAGMA journal_mode = WAL").get()!;
  if (journal_mode === "wal") return;
  db.exec("PRAGMA journal_mode = DELETE");
  log.warn("{path} cannot have a write-ahead log there, so readers and the run will wait for each other", { path });
}
