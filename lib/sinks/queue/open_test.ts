import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { OLD_INSERT, OLD_TAKE, oldQueue, queueWith, sql } from "../../../tests/support/queue.ts";
import { diskTest, makeReadOnly } from "../../../tests/support/small_disk.ts";
import { readBack, readBackTest } from "../../../tests/support/sqlite.ts";
import { inFolder } from "../../../tests/support/temp.ts";
import { openQueue, queueFile, queuesIn } from "../queue.ts";

Deno.test("C9: a queue's name cannot lead out of its folder", () => {
  assert.equal(queueFile("q", "custom_queue"), "q/custom_queue.db");
  assert.equal(queueFile("q", "a".repeat(128)), `q/${"a".repeat(128)}.db`);
  for (const name of ["../x", "a/b", "", ".x", "a b", "a\0", "é", "a".repeat(129), "-x"]) {
    assert.throws(() => queueFile("q", name), /^ConfigError: Cannot use queue name /, name);
  }
});

readBackTest("C24: the old consumer's statements and SELECT * work on our file", () =>
  inFolder(async (folder) => {
    const file = `${folder}/q.db`;
    await using queue = await queueWith(file, 3);
    assert.deepEqual(Object.keys(readBack(file, "SELECT * FROM queue LIMIT 1")[0]!), [
      "id",
      "payload",
      "metadata",
      "created_at",
      "status",
    ]);
    const [taken] = sql(file, OLD_TAKE);
    assert.deepEqual([taken!.id, taken!.status], [1, "processing"]);
    sql(file, OLD_INSERT, "[]", "{}", "2026-01-01-00:00:00", "pending");
    assert.deepEqual(readBack(file, "SELECT COUNT(*) AS n FROM queue"), [{ n: 4 }]);
    sql(file, "DELETE FROM queue WHERE id IN (1)");
    assert.equal(queue.length(), 3);
    assert.equal((await queue.take({ count: 9 })).length, 3);
  }));

Deno.test("C25: a file of the older tool is extended in place, its rows intact", () =>
  inFolder(async (folder) => {
    const file = `${folder}/q.db`;
    oldQueue(file, 3);
    const before = sql(file, "SELECT * FROM queue");
    {
      await using queue = await openQueue(file);
      assert.deepEqual(sql(file, "SELECT * FROM queue"), before);
      assert.deepEqual((await queue.take()).map(({ receipt }) => receipt), ["1.1"]);
      await queue.put([], { key: "k", cursor: "1" });
    }
    assert.deepEqual(sql(file, "PRAGMA user_version"), [{ user_version: 1 }]);
    await using again = await openQueue(file, { create: true });
    assert.equal(again.position("k"), "1");
    assert.equal(again.length(), 3);
  }));

Deno.test("C26: what is no queue is refused, and stays as it is", () =>
  inFolder(async (folder) => {
    const made: Record<string, string> = {
      "other.db": "CREATE TABLE x (a)",
      "columns.db": "CREATE TABLE queue (id INTEGER PRIMARY KEY, payload TEXT)",
      "beside.db":
        "CREATE TABLE queue (id INTEGER PRIMARY KEY, payload, metadata, created_at, status); CREATE TABLE cursors (a)",
      "newer.db":
        "CREATE TABLE queue (id INTEGER PRIMARY KEY, payload, metadata, created_at, status); PRAGMA user_version = 2",
    };
    for (const [name, text] of Object.entries(made)) {
      const file = `${folder}/${name}`;
      using db = new DatabaseSync(file);
      db.exec(text);
      db.close();
      const before = Deno.readFileSync(file);
      for (const create of [true, false]) {
        await assert.rejects(openQueue(file, { create }), { name: "ConfigError", message: /^Cannot use .*: / }, name);
      }
      assert.deepEqual(Deno.readFileSync(file), before, name);
    }
    await Deno.writeTextFile(`${folder}/text.db`, "this is no database at all, but a text of some length".repeat(20));
    await assert.rejects(openQueue(`${folder}/text.db`, { create: true }), { name: "ConfigError" });
    await assert.rejects(openQueue(`${folder}/missing.db`), {
      name: "ConfigError",
      message: /^Cannot open queue .*missing\.db: there is no such file$/,
      hint: "There are beside, columns, newer, other, text",
    });
    await assert.rejects(openQueue(`${folder}/no/folder.db`, { create: true }), { name: "ConfigError" });
    assert.throws(() => Deno.statSync(`${folder}/missing.db`), Deno.errors.NotFound);
  }));

diskTest("C26: a queue that cannot be written is refused", 4, async (disk) => {
  const file = `${disk}/q.db`;
  await (await queueWith(file, 1))[Symbol.asyncDispose]();
  makeReadOnly(disk);
  await assert.rejects(openQueue(file), { name: "ConfigError", message: /^Cannot open .*q\.db: / });
  await assert.rejects(openQueue(`${disk}/new.db`, { create: true }), { name: "ConfigError" });
});

Deno.test("C26: a queue whose leases have no key is refused, and not left open (found by the fuzzer)", () =>
  inFolder(async (folder) => {
    const file = `${folder}/q.db`;
    await (await queueWith(file, 1))[Symbol.asyncDispose]();
    sql(file, "CREATE TABLE other AS SELECT * FROM queue_leases");
    sql(file, "DROP TABLE queue_leases");
    sql(file, "ALTER TABLE other RENAME TO queue_leases");
    await assert.rejects(openQueue(file), /^ConfigError: Cannot open .*: ON CONFLICT clause/);
  }));

Deno.test("C26: a damaged queue ends the run with words, not as a bug (found by the fuzzer)", () =>
  inFolder(async (folder) => {
    const file = `${folder}/q.db`;
    await (await queueWith(file, 3))[Symbol.asyncDispose]();
    sql(file, "INSERT INTO queue_leases (id, leased_until, updated_at) VALUES (2, 9000000000000000, 0)");
    lastOfIndex(file, "queue_pending", 7);
    await using queue = await openQueue(file);
    assert.deepEqual((await queue.list()).map(({ leased_until }) => leased_until), [null, null, null]);
    await assert.rejects(queue.take({ count: 9 }), /^FatalError: Cannot read row 7 of .*: it is damaged.*\.recover$/);
  }));

/** Makes the last entry of an index that has one page a row that is not there. https://sqlite.org/fileformat.html#b_tree_pages */
function lastOfIndex(file: string, index: string, row: number): void {
  const [{ rootpage, page_size } = {}] = sql(
    file,
    "SELECT rootpage, page_size FROM sqlite_master, pragma_page_size WHERE name = ?",
    index,
  );
  const bytes = Deno.readFileSync(file);
  const page = bytes.subarray((Number(rootpage) - 1) * Number(page_size));
  const view = new DataView(page.buffer, page.byteOffset);
  const cell = view.getUint16(8 + 2 * (view.getUint16(3) - 1));
  const [length, head] = [page[cell]!, page[cell + 1]!];
  page.fill(row, cell + 1 + head, cell + 1 + length);
  Deno.writeFileSync(file, bytes);
}

Deno.test("C26: a queue that another program has locked is waited for, but not for ever", () =>
  inFolder(async (folder) => {
    const file = `${folder}/q.db`;
    await using queue = await queueWith(file, 1, { busyTimeoutMs: 300 });
    using other = new DatabaseSync(file);
    other.exec("BEGIN IMMEDIATE");
    await assert.rejects(queue.take(), { name: "TransientError", message: /another program has locked it/ });
    await assert.rejects(openQueue(file, { busyTimeoutMs: 100 }), { name: "TransientError" });
    setTimeout(() => other.exec("COMMIT"), 100);
    assert.equal((await queue.take()).length, 1);
  }));

Deno.test("a new queue is for its owner only, and leaves one file", () =>
  inFolder(async (folder) => {
    const file = `${folder}/q.db`;
    {
      await using _queue = await queueWith(file, 3);
      assert.equal(Deno.statSync(file).mode! & 0o777, 0o600);
    }
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["q.db"]);
  }));

Deno.test("queuesIn: queues by name, ours and the older tool's, and nothing else", () =>
  inFolder(async (folder) => {
    await (await queueWith(`${folder}/b.db`, 3))[Symbol.asyncDispose]();
    oldQueue(`${folder}/a.db`, 2);
    using other = new DatabaseSync(`${folder}/c.db`);
    other.exec("CREATE TABLE x (a)");
    Deno.writeTextFileSync(`${folder}/b.db.lock`, "");
    Deno.mkdirSync(`${folder}/d.db`);
    assert.deepEqual((await queuesIn(folder)).map(({ queue, rows }) => [queue, rows]), [["a", 2], ["b", 3]]);
    await assert.rejects(queuesIn(`${folder}/none`), { name: "ConfigError" });
    assert.deepEqual(sql(`${folder}/a.db`, "SELECT name FROM sqlite_master WHERE name LIKE 'queue_%'"), []);
  }));
