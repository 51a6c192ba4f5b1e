import assert from "node:assert/strict";
import { inFolder } from "../../../tests/support/temp.ts";
import { OLD_TAKE, queueWith, sql } from "../../../tests/support/queue.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import type { Queue, TakeOptions } from "../queue.ts";

/** A test with a queue of so many rows, and a clock that it moves. */
function leaseTest(name: string, rows: number, fn: (queue: Queue, clock: { now: number }) => Promise<void>): void {
  Deno.test(name, () =>
    inFolder(async (folder) => {
      const clock = { now: Date.UTC(2026, 0, 1) };
      await using queue = await queueWith(`${folder}/q.db`, rows, { now: () => clock.now });
      await fn(queue, clock);
    }));
}

const receiptsOf = async (queue: Queue, options?: TakeOptions) =>
  (await queue.take(options)).map(({ receipt }) => receipt);
const statusOf = async (queue: Queue) => (await queue.list()).map(({ status }) => status);

leaseTest("C20: take twice gives different rows, the oldest first", 3, async (queue, clock) => {
  const [first] = await queue.take({ leaseMs: 1000, consumer: "c" });
  assert.deepEqual([first!.id, first!.receipt, first!.attempts, first!.leased_until], [1, "1.1", 1, clock.now + 1000]);
  assert.equal(JSON.parse(first!.payload!).length, 1);
  assert.equal(JSON.parse(first!.metadata!).actual_batch_size, 1);
  assert.deepEqual(await receiptsOf(queue), ["2.1"]);
  assert.deepEqual(await statusOf(queue), ["processing", "processing", "pending"]);
  assert.deepEqual(await receiptsOf(queue, { count: 10 }), ["3.1"]);
  assert.deepEqual(await queue.take(), []);
});

leaseTest("C21: a row whose lease has ended comes again, and the first receipt is stale", 1, async (queue, clock) => {
  assert.deepEqual(await receiptsOf(queue, { leaseMs: 1000 }), ["1.1"]);
  clock.now += 999;
  assert.deepEqual(await receiptsOf(queue), []);
  clock.now += 1001;
  assert.deepEqual(await receiptsOf(queue, { leaseMs: 1000 }), ["1.2"]);
  assert.deepEqual(await queue.ack(["1.1"]), { done: [], stale: ["1.1"] });
  assert.deepEqual(await statusOf(queue), ["processing"]);
  assert.deepEqual(await queue.ack(["1.2"]), { done: ["1.2"], stale: [] });
  assert.deepEqual(await queue.ack(["1.2"]), { done: [], stale: ["1.2"] });
  assert.deepEqual(await statusOf(queue), ["completed"]);
});

leaseTest("an ack after the lease's end counts as long as no take has put the row back", 2, async (queue, clock) => {
  await queue.take({ count: 2, leaseMs: 1000 });
  clock.now += 60_000;
  assert.deepEqual(await queue.ack(["1.1"]), { done: ["1.1"], stale: [] });
  assert.deepEqual(await queue.extend(["2.1"], 5000), { done: ["2.1"], stale: [] });
  assert.deepEqual(await receiptsOf(queue), []);
  clock.now += 5000;
  assert.deepEqual(await receiptsOf(queue), ["2.2"]);
  assert.deepEqual(await queue.extend(["2.1", "1.1"]), { done: [], stale: ["2.1", "1.1"] });
});

leaseTest("C22: after so many leases a row has failed; requeue gives it a fresh start", 1, async (queue, clock) => {
  for (let i = 1; i <= 3; i++) {
    const [row] = await queue.take({ leaseMs: 1000, maxAttempts: 3 });
    assert.deepEqual([row!.receipt, row!.attempts], [`1.${i}`, i]);
    clock.now += 1000;
  }
  assert.deepEqual(await queue.take({ maxAttempts: 3 }), []);
  const [failed] = await queue.list();
  assert.deepEqual([failed!.status, failed!.last_error, failed!.leased_until], ["failed", "lease expired", null]);
  assert.equal(await queue.requeue({ statuses: ["failed"] }), 1);
  const [pending] = await queue.list();
  assert.deepEqual([pending!.status, pending!.attempts], ["pending", 0]);
  assert.deepEqual((await queue.ack(["1.1", "1.2", "1.3"])).done, []);
  assert.deepEqual(await receiptsOf(queue), ["1.4"]);
});

leaseTest("rows are given back at once, later, or for good", 3, async (queue, clock) => {
  await queue.take({ count: 3 });
  await queue.release(["1.1"], { error: "busy" });
  await queue.release(["2.1"], { delayMs: 5000 });
  await queue.fail(["3.1"], "broken");
  assert.deepEqual((await queue.list()).map(({ status, last_error }) => [status, last_error]), [
    ["pending", "busy"],
    ["pending", null],
    ["failed", "broken"],
  ]);
  assert.equal((await queue.stats()).delayed, 1);
  assert.deepEqual(await receiptsOf(queue, { count: 3 }), ["1.2"]);
  clock.now += 5000;
  assert.deepEqual(await receiptsOf(queue, { count: 3 }), ["2.2"]);
  assert.deepEqual((await queue.release(["1.1", "3.1"])).stale, ["1.1", "3.1"]);
});

leaseTest(
  "C24: what the old consumer has taken is foreign, and never given back by itself",
  3,
  async (queue, clock) => {
    const [row] = sql(queue.file, OLD_TAKE);
    assert.deepEqual([row!.id, row!.status], [1, "processing"]);
    assert.deepEqual(await receiptsOf(queue), ["2.1"]);
    clock.now += 86_400_000;
    const { foreign, expired, rows } = await queue.stats();
    assert.deepEqual([foreign, expired, rows.processing], [1, 1, 2]);
    assert.deepEqual(await receiptsOf(queue, { count: 9 }), ["2.2", "3.1"]);
    assert.equal(await queue.requeue({ statuses: ["processing"], olderThanMs: 2 * 86_400_000 }), 0);
    assert.equal(await queue.requeue({ statuses: ["processing"], olderThanMs: 3_600_000 }), 3);
    assert.deepEqual((await queue.ack(["2.2", "3.1"])).done, []);
    assert.deepEqual(await receiptsOf(queue, { count: 9 }), ["1.1", "2.3", "3.2"]);
  },
);

leaseTest("a receipt does not count for a row that the old consumer has got meanwhile", 1, async (queue, clock) => {
  await queue.take({ leaseMs: 1000 });
  clock.now += 1000;
  await queue.take({ count: 0 }); // notices that the lease has ended
  assert.deepEqual(sql(queue.file, OLD_TAKE).length, 1);
  assert.deepEqual((await queue.ack(["1.1"])).stale, ["1.1"]);
});

leaseTest(
  "a row that the old consumer has deleted makes its receipt stale, and leaves nothing",
  2,
  async (queue, clock) => {
    await queue.take({ count: 2, leaseMs: 1000 });
    sql(queue.file, "DELETE FROM queue WHERE id IN (1, 2)");
    assert.deepEqual(await queue.ack(["1.1"]), { done: [], stale: ["1.1"] });
    assert.deepEqual(sql(queue.file, "SELECT id FROM queue_leases"), [{ id: 2 }]);
    clock.now += 1000;
    assert.deepEqual(await queue.take(), []);
    assert.deepEqual(sql(queue.file, "SELECT id FROM queue_leases"), []);
  },
);

leaseTest("ack can delete rows", 2, async (queue) => {
  await queue.take({ count: 2 });
  assert.deepEqual(await queue.ack(["1.1", "1.2", "1.1"], { remove: true }), { done: ["1.1"], stale: ["1.2"] });
  assert.deepEqual((await queue.list()).map(({ id }) => id), [2]);
  assert.deepEqual(sql(queue.file, "SELECT id FROM queue_leases"), [{ id: 2 }]);
});

leaseTest("what cannot be a receipt changes nothing", 1, async (queue) => {
  await queue.take();
  for (const text of ["", "1", "1.1.1", "-1.1", "1.x", "1.1 "]) {
    await assert.rejects(queue.ack(["1.1", text]), ConfigError, text);
  }
  assert.deepEqual(await statusOf(queue), ["processing"]);
});

Deno.test("take waits for the first row, or until it is told to stop", () =>
  inFolder(async (folder) => {
    await using queue = await queueWith(`${folder}/q.db`, 1);
    await queue.take({ leaseMs: 150 });
    assert.deepEqual((await queue.take({ waitMs: 10_000 })).map(({ receipt }) => receipt), ["1.2"]);
    assert.deepEqual(await queue.take({ waitMs: 20 }), []);
    const stop = AbortSignal.timeout(50);
    await assert.rejects(queue.take({ waitMs: 10_000, signal: stop }), { name: "TimeoutError" });
  }));
