import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { TransientError } from "../../pipeline/errors.ts";
import { listCursors } from "../../state/cursors_table.ts";
import { captureLog } from "../../../tests/support/log_records.ts";
import { commitEvents, put, readBack, readBackTest } from "../../../tests/support/sqlite.ts";
import { tempFolder } from "../../../tests/support/temp.ts";
import { sqliteSink } from "../sqlite.ts";

Deno.test("S9: a write waits for another program's lock, with the event loop running", async () => {
  await using log = await captureLog();
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  await using sink = await sqliteSink({ path, busyTimeoutMs: 300 });
  using other = new DatabaseSync(path);
  other.exec("BEGIN EXCLUSIVE");
  let ticks = 0;
  const timer = setInterval(() => ticks++, 10);
  await assert.rejects(put(sink, commitEvents(3), { cursor: "3" }), (error) => {
    assert(error instanceof TransientError);
    assert.match(error.message, /^Cannot write to .*x\.db: another program has locked it for 0\.\d s$/);
    return true;
  });
  assert(ticks >= 5, `the event loop ran ${ticks} times`);
  const waiting = put(sink, commitEvents(3), { cursor: "3" });
  const unlock = setTimeout(() => other.exec("COMMIT"), 120);
  await waiting;
  clearTimeout(unlock);
  clearInterval(timer);
  assert.deepEqual(readBack(path, "SELECT count(*) AS n, (SELECT cursor FROM cursors) AS c FROM events"), [{
    n: 3,
    c: "3",
  }]);
  assert.deepEqual(log.lines, []);
});

Deno.test("S9: a start waits for another program's lock too", async () => {
  using folder = tempFolder();
  for (const path of [`${folder.path}/new.db`, `${folder.path}/old.db`]) {
    if (path.endsWith("old.db")) await (await sqliteSink({ path }))[Symbol.asyncDispose]();
    using other = new DatabaseSync(path);
    other.exec("BEGIN EXCLUSIVE");
    await assert.rejects(sqliteSink({ path, busyTimeoutMs: 100 }), TransientError);
    const opening = sqliteSink({ path });
    const unlock = setTimeout(() => other.exec("COMMIT"), 120);
    await using sink = await opening;
    clearTimeout(unlock);
    await put(sink, commitEvents(1));
  }
});

Deno.test("waiting for a lock ends when the run is aborted", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  await using sink = await sqliteSink({ path });
  using other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  const abort = new AbortController();
  const waiting = sink.write({ items: commitEvents(1), cursor: "1", key: "k" }, { signal: abort.signal });
  const reason = new Error("Second signal");
  abort.abort(reason);
  await assert.rejects(waiting, (error) => error === reason);
  other.exec("ROLLBACK");
});

readBackTest("S9: a reader that stays holds nobody up, and only the write-ahead log grows", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  await using sink = await sqliteSink({ path });
  await put(sink, commitEvents(10));
  using reader = new DatabaseSync(path, { readOnly: true });
  reader.exec("BEGIN");
  const count = () => reader.prepare("SELECT count(*) AS n FROM events").get()!.n;
  assert.equal(count(), 10);
  const before = Deno.statSync(path).size;
  for (let i = 0; i < 20; i++) await put(sink, commitEvents(500, 11 + i * 500));
  assert.equal(count(), 10);
  assert(Deno.statSync(path).size <= before + 4 * 2 ** 20);
  assert(Deno.statSync(`${path}-wal`).size > 4 * 2 ** 20);
  reader.exec("COMMIT");
  assert.equal(count(), 10_010);
});

Deno.test("S8: two sinks with two keys write into one file, made by both at once", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  const sinks = await Promise.all([sqliteSink({ path }), sqliteSink({ path })]);
  await Promise.all(sinks.map(async (sink, k) => {
    for (let i = 1; i <= 20; i++) {
      await put(sink, commitEvents(50, k * 10_000 + i * 50), { key: `key${k}`, cursor: String(i) });
    }
  }));
  for (const sink of sinks) await sink[Symbol.asyncDispose]();
  const sql = "SELECT count(*) AS n, count(DISTINCT rkey) AS rkeys, max(position) AS last FROM events";
  assert.deepEqual(readBack(path, sql), [{ n: 2_000, rkeys: 2_000, last: 2_000 }]);
  assert.deepEqual(listCursors(path).map((row) => [row.key, row.cursor]), [["key0", "20"], ["key1", "20"]]);
});
