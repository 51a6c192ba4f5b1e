import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { inFolder } from "../../../tests/support/temp.ts";
import { openDatabase, type SliceOptions } from "./database.ts";
import { BadFileError, type Row } from "./files.ts";
import { damage, databaseOf, makeDatabase, SCHEMA } from "./test_databases.ts";
import { postRow, rowOf } from "./test_rows.ts";

const ALL: SliceOptions = { rows: 1000, bytes: 1e9, inferences: true };

const numbered = (count: number, from = 1): Row[] =>
  Array.from({ length: count }, (_, i) => postRow({ row: { row: from + i } }));

/** What can be read, and the code of the failure at the end. */
function readAll(path: string, options = ALL): { rows: Row[]; code?: string } {
  using db = openDatabase(path);
  const rows: Row[] = [];
  try {
    for (const slice of db.slices(options)) rows.push(...slice.rows);
    return { rows };
  } catch (error) {
    if (!(error instanceof BadFileError)) throw error;
    return { rows, code: error.code };
  }
}

const inDatabase = (sql: string, fn: (path: string) => void) =>
  inFolder((folder) => {
    const path = join(folder, "test.db");
    makeDatabase(path, sql);
    fn(path);
    return Promise.resolve();
  });

/** Opening fails for its schema, and with these words. */
const refusesSchema = (sql: string, words: RegExp) =>
  inDatabase(sql, (path) =>
    throws(() => openDatabase(path), (error) => {
      ok(error instanceof BadFileError);
      equal(error.code, "schema");
      ok(words.test(error.message), error.message);
      return true;
    }));

Deno.test("Rows come as they are, those of a slice in one piece", () =>
  inFolder((folder) => {
    const path = join(folder, "x.db");
    const rows = [
      postRow({ row: { row: 1, inferences: "{}" } }),
      rowOf(null, { row: 2, at_uri: null, did: null, created_at: null }),
      rowOf(new Uint8Array([1, 2]), { row: 5 }),
    ];
    databaseOf(path, rows);
    deepEqual(readAll(path).rows, rows);
    deepEqual(readAll(path, { ...ALL, after: 2 }).rows, rows.slice(2));
    deepEqual(readAll(path, { ...ALL, after: 5 }).rows, []);
    deepEqual(
      readAll(path, { ...ALL, inferences: false }).rows,
      rows.map((row) => ({ ...row, inferences: undefined })),
    );
    using db = openDatabase(path);
    equal(db.last, 5);
    return Promise.resolve();
  }));

Deno.test("Slices are bounded in rows and in bytes", () =>
  inFolder((folder) => {
    const path = join(folder, "x.db");
    const rows = numbered(10);
    databaseOf(path, rows);
    const each = String(rows[0]!.raw_post).length;
    using db = openDatabase(path);
    const sizes = (options: Partial<SliceOptions>) =>
      Array.from(db.slices({ ...ALL, ...options }), (slice) => [slice.rows.length, slice.bytes / each]);
    deepEqual(sizes({ rows: 4 }), [[4, 4], [4, 4], [2, 2]]);
    deepEqual(sizes({ bytes: each * 2.5 }), [[3, 3], [3, 3], [3, 3], [1, 1]]);
    deepEqual(sizes({ bytes: 1, rows: 5 }), Array.from({ length: 10 }, () => [1, 1]));
    return Promise.resolve();
  }));

Deno.test("M42: a table posts is read", () =>
  inDatabase(SCHEMA.replaceAll("enriched_posts", "posts"), (path) => {
    using db = new DatabaseSync(path);
    db.exec("INSERT INTO posts (at_uri, did, raw_post) VALUES ('at://a', 'did:x', '{}')");
    deepEqual(readAll(path).rows, [
      { row: 1, at_uri: "at://a", did: "did:x", raw_post: "{}", inferences: null, created_at: null },
    ]);
  }));

Deno.test("M42: enriched_posts comes before posts, also where it is a view", async () => {
  await inDatabase("CREATE TABLE posts (at_uri, did, raw_post);" + SCHEMA, (path) => deepEqual(readAll(path).rows, []));
  await refusesSchema(
    "CREATE TABLE posts (at_uri, did, raw_post); CREATE VIEW enriched_posts AS SELECT * FROM posts",
    /enriched_posts is a view/,
  );
});

Deno.test("M40: what is no ordinary table with the needed columns is refused", async () => {
  await refusesSchema("CREATE TABLE other (a)", /neither a table enriched_posts nor posts/);
  await refusesSchema("CREATE TABLE posts (at_uri, did PRIMARY KEY, raw_post) WITHOUT ROWID", /without rowids/);
  await refusesSchema("CREATE VIRTUAL TABLE posts USING fts5 (at_uri, did, raw_post)", /is a virtual/);
  await refusesSchema("CREATE TABLE posts (id INTEGER PRIMARY KEY, did)", /has no column at_uri, raw_post/);
  await refusesSchema("CREATE TABLE posts (at_uri, did, raw_post, rowid, oid, _rowid_)", /hides its rowids/);
});

Deno.test("Optional columns may be missing, and a column may be called as the rowid is", () =>
  inDatabase(
    `CREATE TABLE Posts (At_URI, did, raw_post, rowid);
     INSERT INTO posts VALUES ('a', 'b', '{}', 99), (1, 2, 9007199254740993, 98)`,
    (path) =>
      deepEqual(readAll(path).rows, [
        { row: 1, at_uri: "a", did: "b", raw_post: "{}", inferences: null, created_at: null },
        { row: 2, at_uri: 1n, did: 2n, raw_post: 9007199254740993n, inferences: null, created_at: null },
      ]),
  ));

Deno.test("A rowid that no number is exact for ends the reading, behind the rows before it", () =>
  inDatabase(SCHEMA, (path) => {
    {
      using db = new DatabaseSync(path);
      db.exec("INSERT INTO enriched_posts (id, raw_post) VALUES (-3, '{}'), (9007199254740992, '{}')");
    }
    const { rows, code } = readAll(path);
    deepEqual(rows.map(({ row }) => row), [-3]);
    equal(code, "corrupt");
    using db = openDatabase(path);
    equal(db.last, undefined);
  }));

Deno.test("A text of more than 16 MiB is cut, so that it still is too long", () =>
  inDatabase("CREATE TABLE posts (at_uri, did, raw_post)", (path) => {
    {
      using db = new DatabaseSync(path);
      db.exec(
        "INSERT INTO posts VALUES ('a', 'b', printf('%.*c', 40000000, 'x')), ('a', 'b', printf('%.*c', 16777216, 'x'))",
      );
    }
    const lengths = readAll(path).rows.map(({ raw_post }) => String(raw_post).length);
    deepEqual(lengths, [16 * 1024 * 1024 + 1, 16 * 1024 * 1024]);
  }));

Deno.test("M43: of a database with a damaged page, the rows before it are read", () =>
  inFolder((folder) => {
    const path = join(folder, "x.db");
    databaseOf(path, numbered(200));
    damage(path);
    const { rows, code } = readAll(path);
    equal(code, "corrupt");
    ok(rows.length > 10 && rows.length < 190, String(rows.length));
    deepEqual(rows.map(({ row }) => row), rows.map((_, i) => i + 1));
    deepEqual(readAll(path, { ...ALL, after: rows.length }), { rows: [], code: "corrupt" });
    return Promise.resolve();
  }));

/** A page of branches begins so (https://sqlite.org/fileformat.html#b_tree_pages). */
const BRANCHES = 0x05;

Deno.test("A database whose tree leads in circles comes to an end (found by the fuzzer)", () =>
  inFolder((folder) => {
    const path = join(folder, "test.db");
    databaseOf(path, numbered(100));
    const bytes = Deno.readFileSync(path);
    const view = new DataView(bytes.buffer);
    const [root] = pagesOf(path, "SELECT rootpage FROM sqlite_master WHERE name = 'enriched_posts'");
    const at = (root! - 1) * 4096;
    equal(bytes[at], BRANCHES);
    // Every branch leads to the first leaf.
    const cells = Array.from({ length: view.getUint16(at + 3) }, (_, i) => at + view.getUint16(at + 12 + 2 * i));
    for (const cell of cells) view.setUint32(cell, view.getUint32(cells[0]!));
    Deno.writeFileSync(path, bytes);
    const { rows, code } = readAll(path);
    equal(code, "corrupt");
    deepEqual(rows.map(({ row }) => row), rows.map((_, i) => i + 1));
    ok(rows.length > 0 && rows.length < 100, `${rows.length} rows`);
    return Promise.resolve();
  }));

Deno.test("A database that ends in the midst of a page is corrupt: the disk is well (found by the fuzzer)", () =>
  inFolder((folder) => {
    const path = join(folder, "test.db");
    databaseOf(path, numbered(100));
    const bytes = Deno.readFileSync(path);
    new DataView(bytes.buffer).setUint32(28, 0); // an old program's, that does not tell the number of pages
    Deno.writeFileSync(path, bytes.subarray(0, bytes.length * 0.7));
    const { rows, code } = readAll(path);
    equal(code, "corrupt");
    ok(rows.length < 100, `${rows.length} rows`);
    return Promise.resolve();
  }));

function pagesOf(path: string, sql: string): number[] {
  using db = new DatabaseSync(path);
  return db.prepare(sql).all().map(({ rootpage }) => rootpage as number);
}

Deno.test("A database whose beginning is damaged is corrupt", () =>
  inFolder((folder) => {
    const path = join(folder, "x.db");
    const bytes = new Uint8Array(8192).fill(0xff);
    bytes.set(new TextEncoder().encode("SQLite format 3\0"));
    Deno.writeFileSync(path, bytes);
    throws(() => openDatabase(path), (error) => error instanceof BadFileError && error.code === "corrupt");
    return Promise.resolve();
  }));

Deno.test("A database in WAL mode is read without a trace", () =>
  inFolder((folder) => {
    const path = join(folder, "x.db");
    makeDatabase(path, "PRAGMA journal_mode = WAL;" + SCHEMA);
    const before = Deno.readFileSync(path);
    deepEqual(readAll(path), { rows: [] });
    deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["x.db"]);
    deepEqual(Deno.readFileSync(path), before);
    return Promise.resolve();
  }));

Deno.test("A reader that stops in the middle leaves nothing open", () =>
  inFolder((folder) => {
    const path = join(folder, "x.db");
    databaseOf(path, numbered(10));
    const db = openDatabase(path);
    for (const { rows } of db.slices({ ...ALL, rows: 2 })) {
      equal(rows.length, 2);
      break;
    }
    deepEqual(Array.from(db.slices({ ...ALL, after: 8 }), ({ rows }) => rows.length), [2]);
    db[Symbol.dispose]();
    return Promise.resolve();
  }));
