import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { ConfigError } from "../../pipeline/errors.ts";
import { captureLog } from "../../../tests/support/log_records.ts";
import { commitEvents, put, readBack, readBackTest } from "../../../tests/support/sqlite.ts";
import { tempFolder } from "../../../tests/support/temp.ts";
import { sqliteSink, type SqliteSinkOptions } from "../sqlite.ts";
import { useWal } from "./open.ts";

/** Opens and writes; what goes wrong must be a ConfigError before the file changed. */
async function refusal(options: SqliteSinkOptions): Promise<ConfigError> {
  const before = bytesOf(options.path);
  let caught: unknown;
  try {
    await using sink = await sqliteSink(options);
    await put(sink, commitEvents(5));
  } catch (error) {
    caught = error;
  }
  assert(caught instanceof ConfigError, `expected a ConfigError, not ${caught}`);
  assert.deepEqual(bytesOf(options.path), before, "the file has changed");
  return caught;
}

function bytesOf(path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(path);
  } catch {
    return undefined;
  }
}

function make(path: string, sql: string): void {
  using db = new DatabaseSync(path);
  db.exec(sql);
}

Deno.test("S11: a missing folder, a folder and a text file are refused", async () => {
  using folder = tempFolder();
  const missing = await refusal({ path: `${folder.path}/no/x.db` });
  assert.equal(missing.message, `Cannot open ${folder.path}/no/x.db: there is no folder ${folder.path}/no`);
  assert.match((await refusal({ path: folder.path })).message, /it is a folder$/);
  const text = `${folder.path}/notes.txt`;
  Deno.writeTextFileSync(text, "not a database\n".repeat(500));
  const { message, hint } = await refusal({ path: text });
  assert.equal(message, `Cannot use ${text}: file is not a database`);
  assert.match(hint!, /\.recover$/);
});

Deno.test("S11: a table of ours with other columns is refused by table and column", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  make(path, "CREATE TABLE events (id INTEGER PRIMARY KEY, what TEXT)");
  const { message } = await refusal({ path });
  assert.equal(message, `Cannot use ${path}: column "position" of its table "events" is missing`);
  const typed = `${folder.path}/y.db`;
  make(
    typed,
    "CREATE TABLE cursors (key TEXT PRIMARY KEY, cursor INTEGER NOT NULL, state TEXT NOT NULL, updated_at TEXT NOT NULL)",
  );
  const wrongType = await refusal({ path: typed });
  assert.equal(
    wrongType.message,
    `Cannot use ${typed}: column "cursor" of its table "cursors" is INTEGER NOT NULL, not TEXT NOT NULL`,
  );
  const wider = `${folder.path}/z.db`;
  make(
    wider,
    "CREATE TABLE origins (id INTEGER PRIMARY KEY, source TEXT NOT NULL, wire TEXT NOT NULL, host TEXT NOT NULL, port)",
  );
  assert.match((await refusal({ path: wider })).message, /column "port" of its table "origins" is not one of/);
});

Deno.test("a table of somebody else under the name of one of our views is refused", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  make(path, "CREATE TABLE posts (title TEXT)");
  const { message } = await refusal({ path });
  assert.equal(message, `Cannot use ${path}: its table "posts" stands where a view has to be`);
  await using sink = await sqliteSink({ path, table: "log" });
  await put(sink, commitEvents(1));
});

Deno.test("S11: a file that a newer version made is refused", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  await (await sqliteSink({ path }))[Symbol.asyncDispose]();
  make(path, "PRAGMA user_version = 2");
  assert.match((await refusal({ path })).message, /made by a newer bskyingest/);
});

readOnlyTest("S11: a file that can only be read is refused", async (folder, path) => {
  const before = [...Deno.readDirSync(folder)].map((entry) => entry.name);
  const { message } = await refusal({ path });
  assert.match(message, new RegExp(`^Cannot open ${path}: .*(readonly|unable to open|read-only)`));
  assert.deepEqual([...Deno.readDirSync(folder)].map((entry) => entry.name), before);
});

/** Permissions do not stop root, so as root the file is put on a file system that is mounted for reading only. */
function readOnlyTest(name: string, fn: (folder: string, path: string) => Promise<void>): void {
  const root = Deno.uid() === 0;
  const mount = (...args: string[]) => new Deno.Command("mount", { args, stderr: "null" }).outputSync().success;
  const unmount = (path: string) => new Deno.Command("umount", { args: [path] }).outputSync();
  const able = !root || canMount();
  function canMount(): boolean {
    using folder = tempFolder();
    const done = mount("-t", "tmpfs", "tmpfs", folder.path);
    if (done) unmount(folder.path);
    return done;
  }
  Deno.test({
    name: able ? name : `${name} (skipped: root may not mount here)`,
    ignore: !able,
    async fn() {
      using folder = tempFolder();
      const path = `${folder.path}/x.db`;
      if (root) mount("-t", "tmpfs", "tmpfs", folder.path);
      try {
        await (await sqliteSink({ path }))[Symbol.asyncDispose]();
        if (root) mount("-o", "remount,ro", folder.path);
        else Deno.chmodSync(path, 0o444);
        await fn(folder.path, path);
      } finally {
        if (root) unmount(folder.path);
      }
    },
  });
}

readBackTest("S12: ours stands beside a table of somebody else, whose numbers stay", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/mine.db`;
  make(
    path,
    "PRAGMA user_version = 7; PRAGMA application_id = 99; CREATE TABLE notes (n TEXT); INSERT INTO notes VALUES ('keep')",
  );
  {
    await using sink = await sqliteSink({ path });
    await put(sink, commitEvents(3), { cursor: "3" });
  }
  const [row] = readBack(
    path,
    "SELECT (SELECT user_version FROM pragma_user_version) AS v, (SELECT application_id FROM pragma_application_id) AS a, " +
      "(SELECT n FROM notes) AS note, (SELECT count(*) FROM likes) AS likes, (SELECT cursor FROM cursors) AS cursor",
  );
  assert.deepEqual(row, { v: 7, a: 99, note: "keep", likes: 3, cursor: "3" });
});

readBackTest("a file of our own is marked, also one that was empty before", async () => {
  using folder = tempFolder();
  for (const name of ["new.db", "empty.db"]) {
    const path = `${folder.path}/${name}`;
    if (name === "empty.db") Deno.createSync(path).close();
    await (await sqliteSink({ path }))[Symbol.asyncDispose]();
    const [row] = readBack(
      path,
      "SELECT (SELECT user_version FROM pragma_user_version) AS v, (SELECT application_id FROM pragma_application_id) AS a",
    );
    assert.deepEqual(row, { v: 1, a: 0x62736b79 });
  }
});

readBackTest("S13: another table name prefixes views and indices", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  {
    await using sink = await sqliteSink({ path, table: "likes2" });
    await put(sink, commitEvents(2));
  }
  const names = readBack<{ name: string }>(path, "SELECT name FROM sqlite_master").map((row) => row.name);
  for (const name of ["likes2", "likes2_posts", "likes2_records", "likes2_time", "likes2_changed"]) {
    assert(names.includes(name), `${name} is missing`);
  }
  assert(!names.some((name) => name.includes("events") || name === "posts"));
  assert.deepEqual(readBack(path, "SELECT count(*) AS n FROM likes2_likes"), [{ n: 2 }]);
  await using keyword = await sqliteSink({ path, table: "order" });
  await put(keyword, commitEvents(2));
  assert.deepEqual(readBack(path, "SELECT count(*) AS n FROM order_likes"), [{ n: 2 }]);
});

Deno.test("S13: what is no table name is refused", async () => {
  using folder = tempFolder();
  for (const table of ["x;y", "", "1a", "a b", "sqlite_x", "SQLite_x", "x".repeat(65), "cursors", 'a"b']) {
    const { message } = await refusal({ path: `${folder.path}/x.db`, table });
    assert(message.startsWith(`Cannot use table name ${JSON.stringify(table)}: `));
  }
});

readBackTest("S14: indices are as named when the table is made, and stay so", async () => {
  using folder = tempFolder();
  await using log = await captureLog();
  const indexesOf = (path: string) =>
    readBack<{ name: string }>(
      path,
      "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1",
    )
      .map((row) => row.name);
  const [none, two, usual] = ["none", "two", "usual"].map((name) => `${folder.path}/${name}.db`) as [
    string,
    string,
    string,
  ];
  await (await sqliteSink({ path: none, indexes: [] }))[Symbol.asyncDispose]();
  assert.equal(log.lines.filter((line) => line.startsWith('info: Table "events" has no index "changed"')).length, 1);
  await (await sqliteSink({ path: none }))[Symbol.asyncDispose]();
  assert.deepEqual(indexesOf(none), []);
  log.lines.length = 0;
  await (await sqliteSink({ path: two, indexes: ["changed", "collection"] }))[Symbol.asyncDispose]();
  assert.deepEqual(indexesOf(two), ["events_changed", "events_collection"]);
  await (await sqliteSink({ path: usual }))[Symbol.asyncDispose]();
  assert.deepEqual(indexesOf(usual), ["events_changed", "events_time"]);
  assert.deepEqual(log.lines, []);
  const { message } = await refusal({ path: `${folder.path}/x.db`, indexes: ["foo"] as unknown as [] });
  assert.equal(message, 'Cannot make index "foo": it must be one of time, changed, collection');
});

Deno.test("S19: a page of zeros is found, at start or on the way, and the file is left alone", async (t) => {
  using folder = tempFolder();
  const whole = `${folder.path}/whole.db`;
  {
    await using sink = await sqliteSink({ path: whole });
    await put(sink, commitEvents(2_000), { cursor: "2000" });
  }
  const bytes = Deno.readFileSync(whole);
  const pages = bytes.length / 4096;
  assert(pages > 100);
  for (const page of [1, 2, 3, Math.floor(pages / 2), pages]) {
    await t.step(`page ${page} of ${pages}`, async () => {
      const path = `${folder.path}/page${page}.db`;
      Deno.writeFileSync(path, bytes.with(0, bytes[0]!).fill(0, (page - 1) * 4096, page * 4096));
      const { message, hint } = await refusal({ path });
      assert.match(message, /^Cannot use .*: (it is damaged|database disk image is malformed|file is not a database)/);
      assert.match(hint!, /sqlite3 .* \.recover$/);
    });
  }
});

Deno.test("where no write-ahead log can be had, the file goes without, with a warning", async () => {
  await using log = await captureLog();
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  // This way of access to files has no shared memory, like a network file system.
  using db = new DatabaseSync(new URL(`file://${path}?vfs=unix-none`));
  useWal(db, path);
  assert.deepEqual({ ...db.prepare("PRAGMA journal_mode").get() }, { journal_mode: "delete" });
  assert.match(log.lines.join(), /^warning: .*x\.db cannot have a write-ahead log/);
});
