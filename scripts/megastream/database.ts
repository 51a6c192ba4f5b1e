/**
 * Databases as Megastream writes them, and some that it would not.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";

/** What a column may hold. */
export type Value = string | number | bigint | Uint8Array | null;

/** The columns of a row that are read. */
export interface Columns {
  readonly at_uri: Value;
  readonly did: Value;
  readonly raw_post: Value;
  readonly inferences: Value;
  readonly created_at: Value;
  /** Default: the next number. */
  readonly id?: bigint;
}

/** The checks let NULL through; they are off while rows are inserted that no check would let through. */
export function tableSql(table: string): string {
  return `CREATE TABLE ${table} (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at_uri TEXT CHECK (length(at_uri) <= 300),
  did TEXT CHECK (length(did) <= 100),
  time_us INTEGER,
  raw_post TEXT CHECK (json_valid(raw_post)),
  inferences TEXT CHECK (json_valid(inferences)),
  enriched_metadata TEXT CHECK (json_valid(enriched_metadata)),
  created_at TIMESTAMP
);
CREATE INDEX idx_${table}_at_uri ON ${table} (at_uri);
CREATE INDEX idx_${table}_did ON ${table} (did);
CREATE INDEX idx_${table}_time_us ON ${table} (time_us);
CREATE INDEX idx_${table}_created_at ON ${table} (created_at);`;
}

/** A database with a table of rows, at most some thousands. */
export function databaseOf(rows: readonly Columns[], table = "enriched_posts"): Uint8Array<ArrayBuffer> {
  return madeDatabase((database) => {
    database.exec(tableSql(table));
    insertRows(database, rows, table);
  });
}

/** A database that `fill` fills. */
export function madeDatabase(fill: (database: DatabaseSync) => void): Uint8Array<ArrayBuffer> {
  const folder = Deno.makeTempDirSync();
  try {
    const path = `${folder}/made.db`;
    writeDatabase(path, fill);
    return Deno.readFileSync(path);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Writes a new database into a file. Its bytes depend on what `fill` does and on nothing else. */
export function writeDatabase(path: string, fill: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF");
    database.exec("PRAGMA ignore_check_constraints=ON; BEGIN");
    fill(database);
    database.exec("COMMIT");
  } finally {
    database.close();
  }
  setVersion(path);
}

/** Inserts rows. */
export function insertRows(database: DatabaseSync, rows: Iterable<Columns>, table = "enriched_posts"): void {
  const insert = database.prepare(
    `INSERT INTO ${table} (id, at_uri, did, raw_post, inferences, created_at) VALUES (?, ?, ?, ?, ?, ?)`,
  );
  for (const { id, at_uri, did, raw_post, inferences, created_at } of rows) {
    insert.run(id ?? null, at_uri, did, raw_post, inferences, created_at);
  }
}

/** A database's header says which SQLite wrote it last: here always the same one. */
function setVersion(path: string): void {
  using file = Deno.openSync(path, { write: true });
  file.seekSync(96, Deno.SeekMode.Start);
  const version = new DataView(new ArrayBuffer(4));
  version.setUint32(0, 3_050_004);
  file.writeSync(new Uint8Array(version.buffer));
}
