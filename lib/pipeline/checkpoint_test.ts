import { deepEqual, equal, rejects } from "node:assert/strict";
import { captureLog } from "../../tests/support/log_records.ts";
import { memoryStore, type Saved, turns, until } from "../../tests/support/pipeline_ends.ts";
import { Checkpointer } from "./checkpoint.ts";

/** So long that within a test only `close` saves. */
const NEVER_MS = 600_000;

/** A checkpointer on a store in memory, and what it told. */
function open(intervalMs: number, before?: (save: Saved) => void | Promise<void>) {
  const store = memoryStore(before);
  const told: [string, string][] = [];
  const failures: unknown[] = [];
  const checkpointer = new Checkpointer({
    store,
    intervalMs,
    onSaved: (...saved) => told.push(saved),
    onFailure: (error) => failures.push(error),
  });
  return { store, told, failures, checkpointer };
}

Deno.test("only the newest position of an interval is saved", async () => {
  const { store, told, checkpointer } = open(1);
  for (let i = 0; i < 100; i++) checkpointer.advance("k", String(i), false);
  await until(() => store.saves.length > 0);
  deepEqual(store.saves, [{ key: "k", cursor: "99", end: false }]);
  deepEqual(told, [["k", "99"]]);
  await checkpointer.close();
  equal(store.saves.length, 1, "nothing new, nothing saved");
});

Deno.test("nothing is saved before the interval is over, and the rest at the end", async () => {
  const { store, checkpointer } = open(NEVER_MS);
  checkpointer.advance("a", "1", false);
  checkpointer.advance("b", "7", true);
  await turns();
  equal(store.saves.length, 0);
  await checkpointer.close();
  deepEqual(store.saves, [{ key: "a", cursor: "1", end: false }, { key: "b", cursor: "7", end: true }]);
});

Deno.test("one save at a time: what comes meanwhile is saved after it", async () => {
  let running = 0, most = 0;
  const gate = Promise.withResolvers<void>();
  const { store, checkpointer } = open(0, async () => {
    most = Math.max(most, ++running);
    await gate.promise;
    running--;
  });
  checkpointer.advance("k", "1", false);
  await until(() => running === 1);
  checkpointer.advance("k", "2", false);
  await turns();
  equal(store.saves.length, 0);
  gate.resolve();
  await until(() => store.saves.length === 2);
  deepEqual([store.saves.map((s) => s.cursor), most], [["1", "2"], 1]);
  await checkpointer.close();
});

Deno.test("close waits for a running save, so that the last position is saved last", async () => {
  let started = false;
  const gate = Promise.withResolvers<void>();
  const { store, checkpointer } = open(0, async ({ cursor }) => {
    started = true;
    if (cursor === "1") await gate.promise;
  });
  checkpointer.advance("k", "1", false);
  await until(() => started);
  checkpointer.advance("k", "2", true);
  const closing = checkpointer.close();
  await turns();
  equal(store.saves.length, 0);
  gate.resolve();
  await closing;
  deepEqual(store.saves.map((s) => s.cursor), ["1", "2"]);
});

Deno.test("a failed save is tried again, with a warning and the newest position", async () => {
  await using logged = await captureLog();
  let left = 3;
  const { store, told, failures, checkpointer } = open(0, () => {
    if (left-- > 0) throw new Error("Disk full");
  });
  checkpointer.advance("k", "1", false);
  await until(() => left < 3);
  checkpointer.advance("k", "2", false);
  await until(() => store.saves.length === 1);
  deepEqual([store.saves[0]!.cursor, told, failures], ["2", [["k", "2"]], []]);
  equal(logged.lines.filter((line) => line.startsWith("warning: Cannot save the position")).length, 3);
  await checkpointer.close();
});

Deno.test("five failures in a row are fatal, four are not", async () => {
  let count = 0;
  const good = new Set([5]); // four failures, one success, then failures for ever
  const { store, failures, checkpointer } = open(0, () => {
    if (!good.has(++count)) throw new Error("Disk full");
  });
  checkpointer.advance("k", "1", false);
  await until(() => store.saves.length === 1);
  equal(failures.length, 0);
  checkpointer.advance("k", "2", false);
  await until(() => failures.length > 0);
  deepEqual([count, failures.length], [10, 1]);
  equal((failures[0] as Error).message, "Cannot go on: positions cannot be saved");
  await turns();
  equal(count, 10, "after that nothing is tried until the end");
  await rejects(checkpointer.close(), /Disk full/);
});

Deno.test("what is not true any more is not saved at the end", async () => {
  const { store, checkpointer } = open(NEVER_MS);
  checkpointer.advance("k", "1", false);
  await checkpointer.close(false);
  deepEqual(store.saves, []);
});

Deno.test("close throws when the last save fails", async () => {
  const { checkpointer, told } = open(NEVER_MS, () => Promise.reject(new Error("Disk full")));
  checkpointer.advance("k", "1", false);
  await rejects(checkpointer.close(), /Disk full/);
  deepEqual(told, []);
});
