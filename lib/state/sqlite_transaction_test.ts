import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { TransientError } from "../pipeline/errors.ts";
import { captureLog } from "../../tests/support/log_records.ts";
import { tempFolder } from "../../tests/support/temp.ts";
import { inTransaction, lockWaiter } from "./sqlite_transaction.ts";

/** An error as `node:sqlite` throws it. */
const sqlite = (message: string) => Object.assign(new Error(message), { code: "ERR_SQLITE_ERROR" });

Deno.test("warnings of a locked file go on over calls that gave up, and start anew after a success", async () => {
  await using log = await captureLog();
  const patiently = lockWaiter("x.db", { timeoutMs: 0, warnAfterMs: 150, warnEveryMs: 60_000 });
  let locked = true;
  const attempt = () => {
    if (locked) throw sqlite("database is locked");
    return "done";
  };
  const until = performance.now() + 400;
  let calls = 0;
  while (performance.now() < until) {
    await assert.rejects(patiently(attempt), TransientError);
    await new Promise((resolve) => setTimeout(resolve, 20));
    calls++;
  }
  assert(calls > 5);
  assert.deepEqual(log.lines.map((line) => line.replace(/\d+ s/, "N s")), [
    "warning: x.db has been locked by another program for N s, waiting",
  ]);
  locked = false;
  assert.equal(await patiently(attempt), "done");
  locked = true;
  await assert.rejects(patiently(attempt), TransientError);
  assert.equal(log.lines.length, 1);
});

Deno.test("an error that is no lock is thrown at once", async () => {
  const failure = sqlite("disk I/O error");
  let calls = 0;
  const attempt = () => {
    calls++;
    throw failure;
  };
  await assert.rejects(lockWaiter("x.db")(attempt), (error) => error === failure);
  assert.equal(calls, 1);
});

Deno.test("a transaction that throws leaves nothing behind", () => {
  using folder = tempFolder();
  using db = new DatabaseSync(`${folder.path}/x.db`);
  db.exec("CREATE TABLE t (n)");
  const failure = new Error("No");
  assert.throws(() =>
    inTransaction(db, () => {
      db.exec("INSERT INTO t VALUES (1)");
      throw failure;
    }), (error) => error === failure);
  assert(!db.isTransaction);
  assert.equal(inTransaction(db, () => db.exec("INSERT INTO t VALUES (2)") ?? 7), 7);
  assert.deepEqual(db.prepare("SELECT n FROM t").all().map((row) => row.n), [2]);
});
