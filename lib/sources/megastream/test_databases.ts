/**
 * Databases for tests, in the form that Megastream files have.
 *
 * @module
 */
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import type { LocalFile, Row } from "./files.ts";

/** The table as it is in real files; none of the indices is unique. */
export const SCHEMA = `
  CREATE TABLE enriched_posts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_uri TEXT CHECK (length(at_uri) <= 300),
    did TEXT CHECK (length(did) <= 100),
    time_us INTEGER,
    raw_post TEXT CHECK (json_valid(raw_post)),
    inferences TEXT CHECK (json_valid(inferences)),
    enriched_metadata TEXT CHECK (json_valid(enriched_metadata)),
    created_at TIMESTAMP
  );
  CREATE INDEX idx_at_uri ON enriched_posts (at_uri);`;

/** Makes a database by SQL. */
export function makeDatabase(path: string, sql: string = SCHEMA): void {
  using db = new DatabaseSync(path);
  db.exec(sql);
}

/** Makes a database with these rows; what is wrong with one is not looked at. */
export function databaseOf(path: string, rows: readonly Row[]): void {
  makeDatabase(path);
  using db = new DatabaseSync(path);
  db.exec("PRAGMA ignore_check_constraints = ON; BEGIN");
  const insert = db.prepare(
    "INSERT INTO enriched_posts (id, at_uri, did, raw_post, inferences, created_at) VALUES (?, ?, ?, ?, ?, ?)",
  );
  for (const { row, at_uri, did, raw_post, inferences, created_at } of rows) {
    insert.run(row, ...[at_uri, did, raw_post, inferences, created_at].map((value) => value as SQLInputValue));
  }
  db.exec("COMMIT");
}

/** The bytes of a database with these rows. */
export function databaseBytes(rows: readonly Row[]): Uint8Array<ArrayBuffer> {
  const path = Deno.makeTempFileSync({ suffix: ".db" });
  try {
    databaseOf(path, rows);
    return Deno.readFileSync(path);
  } finally {
    Deno.removeSync(path);
  }
}

/** Pages of a database are this large where nobody says otherwise. */
const PAGE_BYTES = 4096;
/** The first byte of a page with rows (https://sqlite.org/fileformat.html#b_tree_pages). */
const TABLE_LEAF = 0x0d;

/** Overwrites a page of rows in the middle of a database. */
export function damage(path: string): void {
  const bytes = Deno.readFileSync(path);
  const leaves = Array.from({ length: bytes.length / PAGE_BYTES }, (_, page) => page * PAGE_BYTES)
    .filter((at) => bytes[at] === TABLE_LEAF);
  const at = leaves[Math.floor(leaves.length / 2)]!;
  bytes.fill(0xff, at, at + PAGE_BYTES);
  Deno.writeFileSync(path, bytes);
}

/** A file as a store gives it, with what became of it. */
export interface TestFile extends LocalFile {
  /** How often it was disposed of. */
  readonly disposed: number;
}

/** A file that is not removed when it is disposed of. */
export function localFile(path: string): TestFile {
  let disposed = 0;
  return {
    path,
    get disposed() {
      return disposed;
    },
    [Symbol.asyncDispose]() {
      disposed++;
      return Promise.resolve();
    },
  };
}
