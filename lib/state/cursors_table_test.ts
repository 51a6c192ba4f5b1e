import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { ConfigError } from "../pipeline/errors.ts";
import { sqliteSink } from "../sinks/sqlite.ts";
import { tempFolder } from "../../tests/support/temp.ts";
import {
  clearCursors,
  CURSORS_SQL,
  cursorsTable,
  listCursors,
  readSqlitePosition,
  setCursor,
} from "./cursors_table.ts";

const T = Date.parse("2026-01-01T00:00:00Z");

function make(path: string): void {
  using db = new DatabaseSync(path);
  db.exec(CURSORS_SQL);
  const cursors = cursorsTable(db);
  cursors.save("b", "2", "done", T);
  cursors.save("a", "1", "running", T);
}

Deno.test("positions are listed, set and cleared", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  make(path);
  const at = "2026-01-01T00:00:00.000Z";
  const a = { key: "a", cursor: "1", state: "running", updated_at: at };
  const b = { key: "b", cursor: "2", state: "done", updated_at: at };
  assert.deepEqual(listCursors(path), [a, b]);
  assert.equal(readSqlitePosition(path, "b"), "2");
  assert.equal(readSqlitePosition(path, "c"), undefined);
  assert.deepEqual(await setCursor(path, "b", "22", T + 1_000), b);
  assert.deepEqual(listCursors(path)[1], {
    key: "b",
    cursor: "22",
    state: "running",
    updated_at: "2026-01-01T00:00:01.000Z",
  });
  assert.equal(await setCursor(path, "c", "3", T), undefined);
  assert.deepEqual((await clearCursors(path, ["a", "c", "nobody"])).map((row) => row.key), ["a", "c"]);
  assert.deepEqual(listCursors(path).map((row) => row.key), ["b"]);
});

Deno.test("a missing file holds no positions and is not made; one without the table is left as it is", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  assert.deepEqual(listCursors(path), []);
  assert.deepEqual(await clearCursors(path, ["a"]), []);
  await assert.rejects(setCursor(path, "a", "1"), ConfigError);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
  {
    using db = new DatabaseSync(path);
    db.exec("CREATE TABLE notes (n)");
  }
  const before = Deno.readFileSync(path);
  assert.deepEqual(listCursors(path), []);
  assert.deepEqual(await clearCursors(path, ["a"]), []);
  await assert.rejects(
    setCursor(path, "a", "1"),
    /^ConfigError: Cannot set cursor "a" in .*: there is no table of cursors$/,
  );
  assert.deepEqual(Deno.readFileSync(path), before);
});

Deno.test("a damaged file is never read as one without positions", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  make(path);
  Deno.writeFileSync(path, Deno.readFileSync(path).fill(0, 4096));
  assert.throws(() => listCursors(path), ConfigError);
  assert.throws(() => readSqlitePosition(path, "a"), ConfigError);
  await assert.rejects(clearCursors(path, ["a"]), ConfigError);
  assert.throws(() => listCursors(folder.path), ConfigError);
});

/** What a page of an index without branches begins with (https://sqlite.org/fileformat.html#b_tree_pages). */
const INDEX_LEAF = 0x0a;
const PAGE_BYTES = 4096;

Deno.test("a position that a damaged index hides is no missing one: the run would begin anew (found by the fuzzer)", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  {
    await using sink = await sqliteSink({ path });
    await sink.checkpoints.save("jetstream", "42");
  }
  const bytes = Deno.readFileSync(path);
  const pages = Array.from({ length: bytes.length / PAGE_BYTES }, (_, i) => bytes.subarray(i * PAGE_BYTES));
  const at = (page: Uint8Array) => new TextDecoder("latin1").decode(page.subarray(0, PAGE_BYTES)).indexOf("jetstream");
  const page = pages.find((page) => page[0] === INDEX_LEAF && at(page) > 0)!;
  page[at(page)] = "k".charCodeAt(0);
  Deno.writeFileSync(path, bytes);
  await assert.rejects(sqliteSink({ path }), /^ConfigError: Cannot use .*: its positions are damaged/);
  assert.deepEqual(Deno.readFileSync(path), bytes);
});

Deno.test("a position that is kept as a number is a text all the same (found by the fuzzer)", () => {
  using db = new DatabaseSync(":memory:");
  db.exec("CREATE TABLE cursors (key TEXT PRIMARY KEY, cursor, state, updated_at)");
  db.exec("INSERT INTO cursors VALUES ('jetstream', 42, 'running', '')");
  assert.equal(cursorsTable(db).load("jetstream"), "42");
  assert.equal(cursorsTable(db).load("another"), undefined);
});

Deno.test("reading leaves no trace beside a file in WAL mode, and sees what its log holds", () => {
  using folder = tempFolder();
  const path = `${folder.path}/x y?#%.db`;
  make(path);
  const writer = new DatabaseSync(path);
  writer.exec("PRAGMA journal_mode = WAL");
  cursorsTable(writer).save("late", "9", "running", T);
  assert.equal(readSqlitePosition(path, "late"), "9");
  writer.close();
  const before = Deno.readFileSync(path);
  assert.equal(readSqlitePosition(path, "late"), "9");
  assert.deepEqual([...Deno.readDirSync(folder.path)].map((entry) => entry.name), ["x y?#%.db"]);
  assert.deepEqual(Deno.readFileSync(path), before);
});

Deno.test("setting a position waits for another program", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  make(path);
  using other = new DatabaseSync(path);
  other.exec("BEGIN EXCLUSIVE");
  const waiting = setCursor(path, "a", "5");
  const timer = setTimeout(() => other.exec("COMMIT"), 150);
  assert.equal((await waiting)?.cursor, "1");
  clearTimeout(timer);
  assert.equal(readSqlitePosition(path, "a"), "5");
});
