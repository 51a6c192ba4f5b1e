import assert from "node:assert/strict";
import { realTest } from "../../tests/support/real_data.ts";
import { recordsIn, rowSizes, sql } from "../../tests/support/queue.ts";
import { diskTest } from "../../tests/support/small_disk.ts";
import { commitEvent, commitEvents, put, v1Event } from "../../tests/support/sqlite.ts";
import { inFolder } from "../../tests/support/temp.ts";
import { TransientError } from "../pipeline/errors.ts";
import { runPipeline } from "../pipeline/pipeline.ts";
import type { Source } from "../pipeline/source.ts";
import type { AnyEvent } from "../atproto/event.ts";
import { openQueue, queueSink, type QueueSinkOptions } from "./queue.ts";

/** Events one by one or some at a time, each batch with a position. */
function sourceOf(events: readonly AnyEvent[], batch: number): Source<AnyEvent> {
  const batches = Array.from({ length: Math.ceil(events.length / batch) }, (_, i) => {
    const items = events.slice(i * batch, (i + 1) * batch);
    const cursorAfter = (item: unknown) => String(events.indexOf(item as AnyEvent) + 1);
    return { items, cursor: cursorAfter(items.at(-1)), cursorAfter };
  });
  return { key: "test", open: () => ReadableStream.from(batches) };
}

realTest("C10: the real events make rows of 100 and 52", ["expected_v1.jsonl"], ([path]) =>
  inFolder(async (folder) => {
    const file = `${folder}/q.db`;
    const events = Deno.readTextFileSync(path!).trimEnd().split("\n").map((line) => v1Event(line));
    for (const [i, batch] of [1, 152].entries()) {
      await using sink = await queueSink({ file });
      await runPipeline({
        source: sourceOf(events, batch),
        sink,
        batchSize: 100,
        batchesPerWrite: 25,
        batchMs: 3_600_000,
      });
      assert.deepEqual(rowSizes(file), Array(i + 1).fill([100, 52]).flat());
    }
    assert.deepEqual(
      recordsIn(file).map(({ time_us }) => Number(time_us)),
      [...events, ...events].map((e) => e.time_us),
    );
  }));

Deno.test("rows that are there at once go into one transaction, 25 at most", () =>
  inFolder(async (folder) => {
    await using sink = await queueSink({ file: `${folder}/q.db`, batchSize: 10 });
    const events = commitEvents(605);
    const { counters } = await runPipeline({
      source: sourceOf(events, 605),
      sink,
      batchSize: 10,
      batchesPerWrite: 25,
    });
    assert.deepEqual([counters.batches, counters.written], [4, 605]); // 250, 250, 100, 5
    assert.deepEqual(rowSizes(`${folder}/q.db`), [...Array(60).fill(10), 5]);
    assert.deepEqual(sink.figures(), { rows: 61, length: 61, backpressure: null });
  }));

Deno.test("the position is committed with the rows, and its end is remembered", () =>
  inFolder(async (folder) => {
    const file = `${folder}/q.db`;
    await using sink = await queueSink({ file });
    await put(sink, commitEvents(3), { cursor: "3" });
    assert.deepEqual(sql(file, "SELECT key, cursor, state FROM cursors"), [
      { key: "jetstream", cursor: "3", state: "running" },
    ]);
    await put(sink, [], { cursor: "4", end: true });
    assert.equal(await sink.checkpoints.ended!("jetstream"), true);
    assert.deepEqual(rowSizes(file), [3]);
  }));

Deno.test("gaps are kept elsewhere, before the position passes them", () =>
  inFolder(async (folder) => {
    const told: unknown[] = [];
    const recordGaps: QueueSinkOptions["recordGaps"] = (key, gaps) => Promise.resolve(told.push([key, gaps.length]));
    await using sink = await queueSink({ file: `${folder}/q.db`, recordGaps });
    const gap = { source: "s", host: "h", unit: "us", from: 1, to: 2, reason: "clamped", state: "open" } as const;
    await put(sink, [], { gaps: [gap] });
    assert.deepEqual(told, [["jetstream", 1]]);
    assert.equal(await sink.checkpoints.load("jetstream"), undefined);
  }));

Deno.test("C32: at its size limit the sink waits, and goes on when rows were purged", () =>
  inFolder(async (folder) => {
    const file = `${folder}/q.db`;
    const maxBytes = 2 ** 20;
    await using sink = await queueSink({ file, maxBytes });
    const text = "x".repeat(10_000);
    const write = (i: number, signal: AbortSignal) => {
      const items = [commitEvent(i, { record: { text } })];
      return sink.write({ items, cursor: String(i), key: "k" }, { signal });
    };
    const never = new AbortController().signal;
    let done = 0;
    while (sink.figures().backpressure === null && done < 1000) {
      const waiting = AbortSignal.timeout(400);
      await write(done + 1, waiting).then(() => done++, () => {});
    }
    assert.ok(done > 50 && done < 200, `${done} records`);
    assert.equal(await sink.checkpoints.load("k"), String(done), "the position is that of what was written");
    assert.ok(Deno.statSync(file).size <= maxBytes + 20_000);
    const resumed = write(done + 1, never);
    await using queue = await openQueue(file);
    assert.equal(await queue.purge({ statuses: ["pending"] }), done);
    await resumed;
    assert.deepEqual([sink.figures().backpressure, rowSizes(file)], [null, [1]]);
    assert.equal(await sink.checkpoints.load("k"), String(done + 1));
  }));

Deno.test("a file that is removed during the run is no silent success", () =>
  inFolder(async (folder) => {
    const file = `${folder}/q.db`;
    const sink = await queueSink({ file });
    await put(sink, commitEvents(1));
    Deno.removeSync(file);
    await assert.rejects(async () => await sink[Symbol.asyncDispose](), { name: "FatalError", message: /was removed/ });
  }));

diskTest("C26: a full disk is transient; with space again the same batch goes in", 4, async (folder) => {
  const ballast = `${folder}/ballast`;
  Deno.writeFileSync(ballast, new Uint8Array(3 * 2 ** 20));
  const file = `${folder}/q.db`;
  await using sink = await queueSink({ file });
  let failures = 0;
  for (let done = 0; done < 4_000; done += 400) {
    const write = () => put(sink, commitEvents(400, done + 1), { cursor: String(done + 400) });
    const error = await write().then(() => undefined, (error) => error);
    if (error === undefined) continue;
    assert(error instanceof TransientError, String(error));
    failures++;
    assert.equal(await sink.checkpoints.load("jetstream"), done === 0 ? undefined : String(done));
    Deno.removeSync(ballast);
    await write();
  }
  assert.equal(failures, 1);
  assert.equal(new Set(recordsIn(file).map(({ did }) => did)).size, 4_000);
  assert.equal(recordsIn(file).length, 4_000);
});
