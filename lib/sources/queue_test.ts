import assert from "node:assert/strict";
import { OLD_TAKE, queueWith, sql } from "../../tests/support/queue.ts";
import { commitEvents } from "../../tests/support/sqlite.ts";
import { inFolder } from "../../tests/support/temp.ts";
import type { AnyEvent } from "../atproto/event.ts";
import type { Batch } from "../pipeline/batch.ts";
import { TransientError } from "../pipeline/errors.ts";
import type { Queue } from "../sinks/queue.ts";
import { queuePreview, queueSource, type QueueSourceOptions } from "./queue.ts";

/** A test with a queue of rows of one event each. */
function sourceTest(name: string, rows: number, fn: (queue: Queue) => Promise<void>): void {
  Deno.test(name, () =>
    inFolder(async (folder) => {
      await using queue = await queueWith(`${folder}/q.db`, rows);
      await fn(queue);
    }));
}

const sourceOf = (queue: Queue, options: Partial<QueueSourceOptions> = {}) =>
  queueSource({ queue, name: "q", once: true, ...options });
const all = (batches: ReadableStream<Batch<AnyEvent>>) => Array.fromAsync(batches);
const rkeys = (batches: readonly Batch<AnyEvent>[]) =>
  batches.flatMap(({ items }) => items).map((item) => item.kind === "commit" && item.commit.rkey);
const expected = (count: number, from = 1) => commitEvents(count, from).map(({ commit }) => commit.rkey);
const statuses = async (queue: Queue) => (await queue.list()).map(({ status }) => status);

sourceTest("a row is acknowledged with the position of its batch, and with any later one", 5, async (queue) => {
  await using source = sourceOf(queue, { count: 2 });
  const batches = await all(source.open());
  assert.deepEqual(rkeys(batches), expected(5));
  assert.deepEqual(await statuses(queue), Array(5).fill("processing"));
  await source.checkpoints.save(source.key, batches[0]!.cursor!);
  assert.deepEqual(await statuses(queue), ["completed", ...Array(4).fill("processing")]);
  await source.checkpoints.save(source.key, batches[3]!.cursor!);
  assert.deepEqual(await statuses(queue), [...Array(4).fill("completed"), "processing"]);
  assert.deepEqual(source.figures(), { read: 5, redelivered: 0, acknowledged: 4, stale: 0 });
});

Deno.test("there is a position behind the last event of a row, but not before its poison is safe", () =>
  inFolder(async (folder) => {
    await using queue = await queueWith(`${folder}/q.db`, 3, { batchSize: 3 });
    sql(queue.file, "UPDATE queue SET payload = json_insert(payload, '$[#]', 'bad') WHERE id = 1");
    sql(queue.file, "INSERT INTO queue (payload) SELECT json_remove(payload, '$[3]') FROM queue");
    await using source = sourceOf(queue);
    const batches = await all(source.open());
    const positions = batches.map((batch) => batch.items.map((item) => batch.cursorAfter!(item)));
    assert.deepEqual(positions, [[undefined, undefined, undefined], [undefined, undefined, "2"]]);
    assert.deepEqual(batches.map(({ cursor, poison = [] }) => [cursor, poison.length]), [["1", 1], ["2", 0]]);
  }));

sourceTest("what was not acknowledged is given back at the end, and the queue stays open", 3, async (queue) => {
  {
    await using source = sourceOf(queue);
    const [first] = await all(source.open());
    await source.checkpoints.save(source.key, first!.cursor!);
  }
  assert.deepEqual(await statuses(queue), ["completed", "pending", "pending"]);
});

sourceTest("opened again, it gives again what was not acknowledged", 4, async (queue) => {
  await using source = sourceOf(queue);
  const reader = source.open().getReader();
  const { value: first } = await reader.read();
  await reader.read();
  await source.checkpoints.save(source.key, first!.cursor!);
  await reader.cancel();
  const again = await all(source.open());
  assert.deepEqual(rkeys(again), expected(3, 2));
  await source.checkpoints.save(source.key, again.at(-1)!.cursor!);
  assert.deepEqual(await statuses(queue), Array(4).fill("completed"));
});

sourceTest("a signal gives back at once what was not handed on", 10, async (queue) => {
  const stop = new AbortController();
  await using source = sourceOf(queue, { once: false, count: 6 });
  const reader = source.open({ stop: stop.signal }).getReader();
  await reader.read();
  await reader.read();
  stop.abort();
  assert.equal((await reader.read()).done, true);
  assert.deepEqual((await queue.stats()).rows, { pending: 8, processing: 2, completed: 0, failed: 0 });
});

sourceTest("a row that somebody else has in the end is not acknowledged", 2, async (queue) => {
  await using source = sourceOf(queue);
  const batches = await all(source.open());
  await queue.release(["1.1"]);
  assert.equal(sql(queue.file, OLD_TAKE)[0]!.id, 1);
  await source.checkpoints.save(source.key, batches[1]!.cursor!);
  assert.deepEqual(await statuses(queue), ["processing", "completed"]);
  assert.deepEqual([source.figures().acknowledged, source.figures().stale], [1, 1]);
});

sourceTest(
  "what the sink holds of rows that come again is left out; it is not asked about others",
  4,
  async (queue) => {
    await queue.take({ count: 2 });
    await queue.release(["1.1", "2.1"]);
    await using source = sourceOf(queue);
    const asked: number[] = [];
    const events = commitEvents(4);
    const recall = (since: number) => {
      asked.push(since);
      return Promise.resolve({ items: events.slice(1), since: since - 1 });
    };
    const batches = await all(source.open({ recall }));
    assert.deepEqual(asked, [events[0]!.time_us]);
    assert.deepEqual(rkeys(batches), [...expected(1), ...expected(2, 3)]);
    assert.deepEqual(batches.map(({ duplicates }) => duplicates), [0, 1, 0, 0]);
    assert.equal(source.figures().redelivered, 2);
  },
);

sourceTest("a row that fails when its lease ends once more is alone in work", 5, async (queue) => {
  for (const takes of [1, 2]) {
    await queue.take({ count: 3 });
    await queue.release([1, 2, 3].map((id) => `${id}.${takes}`));
  }
  await using source = sourceOf(queue, { maxAttempts: 3 });
  const reader = source.open().getReader();
  const { value: first } = await reader.read();
  assert.deepEqual([rkeys([first!]), first!.urgent], [expected(1), true]);
  const second = reader.read();
  assert.equal(await Promise.race([second, new Promise((resolve) => setTimeout(resolve, 50))]), undefined);
  assert.deepEqual(await statuses(queue), ["processing", ...Array(4).fill("pending")]);
  await source.checkpoints.save(source.key, first!.cursor!);
  const next = (await second).value!;
  assert.deepEqual(rkeys([next]), expected(1, 2));
  await source.checkpoints.save(source.key, next.cursor!);
  const third = (await reader.read()).value!;
  await source.checkpoints.save(source.key, third.cursor!);
  const [fourth, fifth] = [await reader.read(), await reader.read()].map(({ value }) => value!);
  assert.deepEqual(rkeys([third, fourth!, fifth!]), expected(3, 3));
  assert.deepEqual([third.urgent, fourth!.urgent, fifth!.urgent], [true, false, false]);
  await source.checkpoints.save(source.key, fifth!.cursor!);
  assert.deepEqual(await statuses(queue), Array(5).fill("completed"));
  await reader.cancel();
});

sourceTest("a file that another program keeps locked is tried again", 1, async (queue) => {
  let failures = 0;
  const take: Queue["take"] = (options) =>
    failures++ < 2 ? Promise.reject(new TransientError("Cannot write: it is locked")) : queue.take(options);
  await using source = sourceOf({ ...queue, take });
  assert.deepEqual(rkeys(await all(source.open())), expected(1));
});

sourceTest("it waits for rows, and takes those that come", 0, async (queue) => {
  await using source = sourceOf(queue, { once: false });
  const reader = source.open().getReader();
  const first = reader.read();
  await queue.put(commitEvents(1));
  assert.deepEqual(rkeys([(await first).value!]), expected(1));
  await reader.cancel();
});

Deno.test("a preview goes through all rows, and waits for more unless it is to end", async () => {
  const rows = (after: number) => Promise.resolve(after < 3 ? [{ id: after + 1, payload: "[5]" }] : []);
  const batches = await all(queuePreview({ name: "q", rows, once: true }).open());
  assert.deepEqual(batches.map(({ poison }) => poison![0]!.detail!.row), [1, 2, 3]);
  const stop = new AbortController();
  const reader = queuePreview({ name: "q", rows }).open({ stop: stop.signal }).getReader();
  for (const _ of batches) await reader.read();
  const next = reader.read();
  stop.abort();
  assert.equal((await next).done, true);
});
