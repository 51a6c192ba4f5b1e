import { deepEqual, equal, rejects } from "node:assert/strict";
import { memorySink, memoryStore, type Num, poisonAt, runOf, transientAt } from "../../tests/support/pipeline_ends.ts";
import type { Batch } from "./batch.ts";
import { createCounters } from "./counters.ts";
import type { Letter } from "./deliver.ts";
import { DeadRatio } from "./dead_ratio.ts";
import { DeadRatioError, PoisonError, TransientError } from "./errors.ts";
import { runPipeline } from "./pipeline.ts";
import { mapEvents } from "./stages.ts";

Deno.test("without a dead letter the first dead item ends the run", async () => {
  const { deadLetter: _, ...options } = runOf({ sink: memorySink<Num>(() => ({ rejected: poisonAt(2) })) });
  await rejects(runPipeline(options), PoisonError);
});

Deno.test("dead items and undecodable messages are counted and in the dead letter before the position passes", async () => {
  const letters: Letter[] = [];
  const store = memoryStore(() => equal(letters.length, 6));
  const { counters } = await runPipeline(runOf({
    checkpoints: store,
    sink: memorySink<Num>(({ items }) => ({
      rejected: poisonAt(...items.keys().filter((i) => items[i]!.n % 4 === 1)),
    })),
    deadLetter: (some) => Promise.resolve(void letters.push(...some)),
    numbers: { kindOf: (n) => n % 10 === 7 ? "poison" : n % 10 === 8 ? "filtered" : n === 4 ? "copy" : "event" },
  }));
  const { received, written, rejected, deadLettered, filtered, duplicates } = counters;
  deepEqual(letters.map((l) => l.stage).toSorted(), [...Array(4).fill("memory"), "source", "source"]);
  deepEqual({ received, written, rejected, deadLettered, filtered, duplicates }, {
    received: 20,
    written: 11,
    rejected: 4,
    deadLettered: 6,
    filtered: 2,
    duplicates: 1,
  });
  equal(store.positions.get("numbers"), "19");
});

Deno.test("retries are counted", async () => {
  const sink = memorySink<Num>((_, nth) => {
    if (nth === 0) throw new TransientError("Cannot connect: reset");
    return { rejected: nth === 1 ? transientAt(3) : [] };
  });
  const { counters } = await runPipeline(runOf({ sink, numbers: { count: 8 } }));
  deepEqual([counters.retried, counters.written, counters.batches], [2, 8, 2]);
});

/** A run of 4,000 numbers, ten a batch, where the sink refuses some. */
function runWithDead(maxDeadRatio: number | DeadRatio, refused: (n: number) => boolean, count = 4000) {
  const sink = memorySink<Num>(({ items }) => ({
    rejected: poisonAt(...items.keys().filter((i) => refused(items[i]!.n))),
  }));
  const store = memoryStore();
  const counters = createCounters();
  const run = runPipeline(
    runOf({ sink, maxDeadRatio, counters, checkpoints: store, batchSize: 10, numbers: { count, sizes: [10] } }),
  );
  return { run, counters, store };
}

Deno.test("maxDeadRatio: too large a share of the last 1,000 ends the run, and not before the 1,000th", async () => {
  const { run, counters, store } = runWithDead(0.05, (n) => n % 10 === 0);
  await rejects(run, DeadRatioError);
  equal(counters.written + counters.deadLettered, 1000);
  equal(store.positions.get("numbers"), "999", "what is settled is saved");
});

Deno.test("maxDeadRatio: the share itself is allowed, a short run is, and 1 allows everything", async () => {
  equal((await runWithDead(0.1, (n) => n % 10 === 0).run).counters.deadLettered, 400);
  equal((await runWithDead(0.05, (n) => n % 10 === 0, 990).run).counters.deadLettered, 99);
  equal((await runWithDead(1, () => true).run).counters.deadLettered, 4000);
});

Deno.test("maxDeadRatio: several runs are looked at as one, and all that they had", async () => {
  const ratio = new DeadRatio(0.05, { all: true });
  const bad = (n: number) => n % 10 === 0;
  equal((await runWithDead(ratio, () => false, 900).run).counters.written, 900);
  equal((await runWithDead(ratio, bad, 100).run).counters.deadLettered, 10, "1 % of 1,000");
  const { run, counters } = runWithDead(ratio, bad);
  await rejects(run, DeadRatioError);
  equal(counters.written + counters.deadLettered, 820, "then there are 92 of 1,820");
});

Deno.test("maxDeadRatio: only the last 1,000 count", async () => {
  // 60 dead in 1,000 after 3,000 good ones; over the whole run that would be 1.5 %.
  const late = runWithDead(0.05, (n) => n >= 3000 && n % 10 < 1);
  await rejects(late.run, DeadRatioError);
  equal(late.counters.deadLettered, 51);
  // 50 and 50, more than 1,000 apart.
  equal((await runWithDead(0.05, (n) => n < 50 || (n >= 2000 && n < 2050)).run).counters.deadLettered, 100);
});

Deno.test("maxDeadRatio: events that were dropped on purpose do not thin it out", async () => {
  const through = (batches: ReadableStream<Batch<Num>>) =>
    batches.pipeThrough(mapEvents((e: Num) => e.n % 2 ? undefined : e));
  const sink = memorySink<Num>(({ items }) => ({
    rejected: poisonAt(...items.keys().filter((i) => items[i]!.n % 20 === 0)),
  }));
  const counters = createCounters();
  const options = runOf({ through, sink, counters, maxDeadRatio: 0.08, numbers: { count: 4000 } });
  await rejects(runPipeline(options), DeadRatioError);
  equal(counters.written + counters.deadLettered, 1000);
});
