import { deepEqual, equal } from "node:assert/strict";
import {
  type Answer,
  memorySink,
  memoryStore,
  type Num,
  numbers,
  poisonAt,
} from "../../tests/support/pipeline_ends.ts";
import { runPipeline } from "./pipeline.ts";
import type { Sink } from "./sink.ts";
import { filterEvents, mapEvents } from "./stages.ts";

/** Runs 100 numbers, in batches of 10, to a sink, until `limit` are written. */
async function run(
  limit: number,
  options: {
    answer?: Answer<Num>;
    cuttable?: boolean;
    atomic?: boolean;
    concurrency?: number;
    batchSize?: number;
    counts?: (item: Num) => boolean;
  } = {},
) {
  const { answer, cuttable = true, concurrency = 1, batchSize = 7, counts } = options;
  const store = memoryStore();
  const sink = memorySink(answer, options.atomic ? { checkpoints: store } : {});
  const result = await runPipeline<Num>({
    source: numbers({ count: 100, sizes: [10], cuttable }),
    sink,
    checkpoints: store,
    deadLetter: () => Promise.resolve(),
    backoff: () => 0,
    batchSize,
    concurrency,
    limit,
    ...(counts && { counts }),
  });
  const { written, counted, received, deadLettered, duplicates } = result.counters;
  equal(received, written + deadLettered + duplicates, "nothing was taken that is not settled");
  const stored = sink.items.map((item) => item.n);
  return { stored, cursor: store.positions.get("numbers"), written, counted, endedBy: result.endedBy, sink };
}

/** The numbers from 0 on that satisfy `keep`, `count` of them. */
const first = (count: number, keep = (_: number) => true) => [...Array(100).keys()].filter(keep).slice(0, count);

Deno.test("limit: exactly n are written, and the position is exactly there", async () => {
  for (const n of [1, 6, 7, 8, 9, 10, 11, 20, 23, 99]) {
    const { stored, cursor, written, endedBy } = await run(n);
    deepEqual([stored, cursor, written, endedBy], [first(n), String(n - 1), n, "limit"]);
  }
});

Deno.test("limit: it is not reached where there is less, and 0 is none", async () => {
  for (const n of [0, 101]) {
    const { written, cursor, endedBy } = await run(n);
    deepEqual([written, cursor, endedBy], [100, "99", "source"]);
  }
});

Deno.test("limit: the last event of all", async () => {
  const { written, cursor, endedBy } = await run(100);
  deepEqual([written, cursor, endedBy], [100, "99", "limit"]);
});

Deno.test("limit: what the sink refuses does not count", async () => {
  const refused = (n: number) => n % 3 === 1;
  const answer: Answer<Num> = ({ items }) => ({
    rejected: poisonAt(...items.keys().filter((i) => refused(items[i]!.n))),
  });
  for (const options of [{}, { atomic: true }, { concurrency: 3, batchSize: 1 }, { batchSize: 100 }]) {
    for (const n of [1, 2, 7, 20, 50]) {
      const { stored, cursor, written } = await run(n, { ...options, answer });
      const expected = first(n, (each) => !refused(each));
      deepEqual(stored.toSorted((x, y) => x - y), expected);
      deepEqual([cursor, written], [String(expected.at(-1)), n]);
    }
  }
});

Deno.test("limit: with `counts` the others are written and free, and nothing comes after the n-th that counts", async () => {
  const counts = ({ n }: Num) => n % 3 === 2;
  for (const options of [{}, { atomic: true }, { concurrency: 3, batchSize: 1 }, { batchSize: 100 }]) {
    for (const n of [1, 2, 7, 20, 33]) {
      const { stored, cursor, written, counted, endedBy } = await run(n, { ...options, counts });
      deepEqual([stored.toSorted((x, y) => x - y), cursor], [first(3 * n), String(3 * n - 1)]);
      deepEqual([written, counted, endedBy], [3 * n, n, "limit"]);
    }
  }
  const { written, counted, endedBy } = await run(34, { counts });
  deepEqual([written, counted, endedBy], [100, 33, "source"]);
});

Deno.test("limit: with `counts` what the sink refuses does not count, whether it would or not", async () => {
  const counts = ({ n }: Num) => n % 3 === 2;
  const refused = (n: number) => n % 4 === 1;
  const answer: Answer<Num> = ({ items }) => ({
    rejected: poisonAt(...items.keys().filter((i) => refused(items[i]!.n))),
  });
  for (const options of [{}, { atomic: true }, { concurrency: 3, batchSize: 1 }, { batchSize: 100 }]) {
    const { stored, counted } = await run(10, { ...options, counts, answer });
    const kept = first(100, (n) => !refused(n));
    const expected = kept.slice(0, kept.indexOf(kept.filter((n) => counts({ n }))[9]!) + 1);
    deepEqual([stored.toSorted((x, y) => x - y), counted], [expected, 10]);
  }
});

Deno.test("limit: copies that the sink knows do not count", async () => {
  const { written, cursor } = await run(10, {
    answer: ({ items }) => ({ rejected: [], duplicates: items.length > 1 ? 1 : 0 }),
  });
  equal(written, 10);
  equal(Number(cursor) > 9, true);
});

Deno.test("limit: a sink that keeps the position gets it in the last write", async () => {
  const { sink, stored } = await run(23, { atomic: true });
  deepEqual(stored, first(23));
  equal(sink.writes.at(-1)!.cursor, "22");
});

Deno.test("limit: a batch that cannot be cut leaves the position before it, unless it ends there", async () => {
  const inside = await run(13, { cuttable: false });
  deepEqual([inside.stored, inside.cursor], [first(13), "9"]);
  const between = await run(20, { cuttable: false });
  deepEqual([between.stored, between.cursor], [first(20), "19"]);
});

Deno.test("limit: what is counted is what the stages made of the events", async () => {
  const store = memoryStore();
  const sink = memorySink<string>();
  const { counters } = await runPipeline<Num, string>({
    source: numbers({ count: 100, sizes: [10] }),
    through: (batches) =>
      batches.pipeThrough(filterEvents(({ n }) => n % 2 === 1)).pipeThrough(mapEvents(({ n }) => [`${n}`, `${n}b`])),
    sink,
    checkpoints: store,
    limit: 14,
  });
  deepEqual([sink.items.length, sink.items.at(-1)], [14, "13b"]);
  equal(store.positions.get("numbers"), "13");
  equal(counters.received, counters.written + counters.filtered);
});

Deno.test("limit: an idle source does not hold back the last items", async () => {
  const sink: Sink<Num> = memorySink();
  const idle = Promise.withResolvers<void>();
  let pulls = 0;
  const { counters } = await runPipeline<Num>({
    source: numbers({ count: 100, onPull: () => ++pulls > 2 ? idle.promise : undefined }),
    sink,
    batchMs: 600_000,
    limit: 8,
  });
  equal(counters.written, 8);
  idle.resolve();
});

Deno.test("limit: items that came as one are not parted, also after a stage", async () => {
  const three = (item: unknown) => Math.floor((item as Num).n / 3);
  const joined = (item: unknown, next: unknown) => three(item) === three(next);
  for (const [limit, last] of [[1, 2], [3, 2], [4, 5], [6, 5], [10, 11]] as const) {
    const store = memoryStore(), sink = memorySink<string>();
    await runPipeline<Num, string>({
      source: numbers({ count: 30, sizes: [12], extra: () => ({ joined }) }),
      through: (batches) => batches.pipeThrough(mapEvents(({ n }) => `${n}`)),
      sink,
      checkpoints: store,
      limit,
    });
    deepEqual([sink.items.length, store.positions.get("numbers")], [last + 1, String(last)]);
  }
});
