import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import {
  memorySink,
  memoryStore,
  type Num,
  numbers,
  type NumbersOptions,
  poisonAt,
  stuck,
  transientAt,
  turns,
  until,
} from "../../tests/support/chaos.ts";
import { captureLog } from "../../tests/support/log_records.ts";
import type { Batch, Gap } from "./batch.ts";
import { createCounters } from "./counters.ts";
import type { Letter } from "./deliver.ts";
import { ConfigError, DeadRatioError, GapError, PoisonError, TransientError } from "./errors.ts";
import { type PipelineOptions, runPipeline } from "./pipeline.ts";
import { mapEvents } from "./stages.ts";

/** So long that within a test no timer fires. */
const NEVER_MS = 600_000;
const values = (items: readonly Num[]) => items.map((item) => item.n);
const upTo = (count: number) => [...Array(count).keys()];

/** Options for a run of numbers, one write a batch of 4. */
function plan(options: Partial<PipelineOptions<Num, Num>> & { numbers?: Partial<NumbersOptions> } = {}) {
  const { numbers: source, ...rest } = options;
  return {
    source: numbers({ count: 20, ...source }),
    sink: memorySink<Num>(),
    deadLetter: () => Promise.resolve(),
    backoff: () => 0,
    batchSize: 4,
    batchMs: NEVER_MS,
    checkpointMs: NEVER_MS,
    ...rest,
  } satisfies PipelineOptions<Num, Num>;
}

const gapOf = (state: Gap["state"]): Gap => ({
  source: "numbers",
  host: "h.example",
  unit: "us",
  from: 1_000_000,
  to: undefined,
  reason: "clamped",
  state,
});

Deno.test("events reach the sink in order, and the last position is saved after the drain", async () => {
  const sink = memorySink<Num>();
  const store = memoryStore(() => equal(sink.items.length, 20));
  const { endedBy, counters } = await runPipeline(plan({ sink, checkpoints: store, numbers: { end: true } }));
  deepEqual(values(sink.items), upTo(20));
  deepEqual(store.saves, [{ key: "numbers", cursor: "19", end: true }]);
  deepEqual([endedBy, counters.received, counters.written, counters.batches], ["source", 20, 20, 5]);
  deepEqual([...counters.cursors], [["numbers", "19"]]);
  equal(counters.inFlight, 0);
});

Deno.test("a run goes on where the last one ended", async () => {
  const store = memoryStore();
  const sink = memorySink<Num>();
  await runPipeline(plan({ sink, checkpoints: store, limit: 7 }));
  await runPipeline(plan({ sink, checkpoints: store }));
  deepEqual(values(sink.items), upTo(20));
});

Deno.test("a position that cannot be read ends the run before anything is read", async () => {
  let pulled = false;
  const broken = { ...memoryStore(), load: () => Promise.reject(new ConfigError("Cannot read cursor")) };
  await rejects(
    runPipeline(plan({ checkpoints: broken, numbers: { onPull: () => void (pulled = true) } })),
    ConfigError,
  );
  equal(pulled, false);
});

Deno.test("positions: the source's store wins over the sink's, and that over the one given", async () => {
  const [ofSource, ofSink, given] = [memoryStore(), memoryStore(), memoryStore()];
  const counts = () => [ofSource, ofSink, given].map((store) => store.saves.length);
  const source = { ...numbers({ count: 4 }), checkpoints: ofSource };
  await runPipeline(plan({ checkpoints: given, sink: memorySink<Num>(undefined, { checkpoints: ofSink }), source }));
  deepEqual(counts(), [1, 1, 0]); // the one of the sink is its own, in its only write
  const sink = memorySink<Num>(undefined, { checkpoints: ofSink });
  const { counters } = await runPipeline(plan({ checkpoints: given, sink }));
  deepEqual(values(sink.items), upTo(20).slice(4));
  deepEqual(counts(), [1, 1 + 4, 0]);
  equal(counters.cursors.get("numbers"), "19");
});

Deno.test("without any store a run starts afresh, and ends well", async () => {
  const { counters } = await runPipeline(plan());
  deepEqual([counters.written, counters.cursors.size], [20, 0]);
});

Deno.test("batches without items move the position too, and a sink that keeps it is told", async () => {
  const through = (batches: ReadableStream<Batch<Num>>) =>
    batches.pipeThrough(mapEvents((_: Num): Num | undefined => undefined));
  const store = memoryStore();
  const { counters } = await runPipeline(plan({ through, checkpoints: store }));
  deepEqual([store.positions.get("numbers"), counters.filtered, counters.written], ["19", 20, 0]);
  const atomic = memorySink<Num>(undefined, { checkpoints: memoryStore() });
  await runPipeline(plan({ through, sink: atomic }));
  deepEqual(atomic.writes.map((w) => [w.items.length, w.cursor, w.key]), [[0, "19", "numbers"]]);
});

Deno.test("every key has its own position", async () => {
  const store = memoryStore();
  const extra = ({ cursor }: Batch<Num>) => ({ key: Number(cursor) < 10 ? "a" : "b" });
  await runPipeline(plan({ checkpoints: store, numbers: { extra } }));
  deepEqual([...store.positions], [["a", "7"], ["b", "19"]]);
});

Deno.test("writes side by side: a position waits for every earlier write", async () => {
  const gates = upTo(5).map(() => Promise.withResolvers<void>());
  const store = memoryStore();
  const sink = memorySink<Num>(async (_, nth) => await gates[nth]!.promise);
  const counters = createCounters();
  const running = runPipeline(plan({ sink, checkpoints: store, checkpointMs: 0, concurrency: 3, counters }));
  await until(() => sink.writes.length === 3);
  await turns();
  deepEqual([sink.writes.length, counters.inFlight], [3, 12]);
  gates[1]!.resolve();
  gates[2]!.resolve();
  await until(() => sink.writes.length === 5);
  gates[4]!.resolve();
  await turns();
  equal(store.saves.length, 0, "the first write is not back");
  gates[0]!.resolve();
  await until(() => store.saves.length > 0);
  deepEqual(store.saves.map((s) => s.cursor), ["11"]);
  gates[3]!.resolve();
  await running;
  deepEqual(store.saves.map((s) => s.cursor), ["11", "19"]);
});

Deno.test("a sink that commits positions gets one write at a time, whoever keeps the position", async () => {
  for (const source of [numbers({ count: 20 }), { ...numbers({ count: 20 }), checkpoints: memoryStore() }]) {
    let running = 0, most = 0;
    const sink = memorySink<Num>(async () => {
      most = Math.max(most, ++running);
      await turns(1);
      running--;
    }, { checkpoints: memoryStore() });
    await runPipeline(plan({ source, sink, concurrency: 4 }));
    deepEqual([most, values(sink.items)], [1, upTo(20)]);
  }
});

Deno.test("reading pauses when maxInFlight items are not safe: one stuck write, all later ones done", async () => {
  const gate = Promise.withResolvers<void>();
  const sink = memorySink<Num>((_, nth) => nth === 0 ? gate.promise : undefined);
  let pulls = 0;
  const running = runPipeline(
    plan({ sink, concurrency: 2, maxInFlight: 30, numbers: { count: 1000, onPull: () => void pulls++ } }),
  );
  await until(() => sink.writes.length === 8);
  await turns();
  equal(sink.writes.length, 8, "32 items: the first number of whole batches that is not below 30");
  const read = pulls;
  ok(read <= 8 + 6, `${read} batches read: those written and a few in the queues between the stages`);
  await turns();
  equal(pulls, read);
  gate.resolve();
  const { counters } = await running;
  equal(counters.written, 1000);
});

Deno.test("stop: reading ends, what was read is written and its position saved", async () => {
  const stop = new AbortController();
  const store = memoryStore();
  const sink = memorySink<Num>((_, nth) => void (nth === 2 && stop.abort()));
  const { endedBy, counters } = await runPipeline(
    plan({ sink, checkpoints: store, stop: stop.signal, numbers: { count: 1_000_000 } }),
  );
  equal(endedBy, "stop");
  ok(counters.written < 100);
  deepEqual(values(sink.items), upTo(counters.written));
  equal(counters.received, counters.written);
  equal(store.positions.get("numbers"), String(counters.written - 1));
});

Deno.test("kill: a stuck write is given up, the run rejects with the reason, and the position is true", async () => {
  const kill = new AbortController();
  const stop = new AbortController();
  const store = memoryStore();
  const sink = memorySink<Num>((_, nth, signal) => nth === 2 ? stuck(signal) : undefined);
  const counters = createCounters();
  const running = runPipeline(
    plan({ sink, checkpoints: store, kill: kill.signal, stop: stop.signal, counters, numbers: { count: 1000 } }),
  );
  await until(() => sink.writes.length === 3);
  stop.abort();
  await turns();
  equal(store.saves.length, 0, "the drain waits for the stuck write");
  kill.abort(new Error("Killed"));
  await rejects(running, /Killed/);
  deepEqual([store.positions.get("numbers"), counters.written, counters.inFlight], ["7", 8, 0]);
  ok(counters.received > 8);
});

Deno.test("kill: ends the wait for a retry, for the source and for a full group", async () => {
  for (
    const options of [
      {
        sink: memorySink<Num>(() => {
          throw new TransientError("Cannot connect: refused");
        }),
        backoff: () => NEVER_MS,
      },
      { batchSize: 1000, numbers: { count: 4, onPull: idleAfter(1) } },
    ]
  ) {
    const kill = new AbortController();
    const running = runPipeline(plan({ ...options, kill: kill.signal }));
    await turns();
    kill.abort(new Error("Killed"));
    await rejects(running, /Killed/);
  }
});

/** A source that yields nothing more after `batches`. */
function idleAfter(batches: number): () => Promise<void> {
  let pulls = 0;
  return () => ++pulls > batches ? new Promise(() => {}) : Promise.resolve();
}

Deno.test("a failed write ends the run after the other running writes, and only what is safe is saved", async () => {
  const gate = Promise.withResolvers<void>();
  const store = memoryStore();
  let ended = false;
  const sink = memorySink<Num>(async (_, nth) => {
    if (nth === 0) await gate.promise;
    if (nth === 1) throw new TypeError("Something nobody thought of");
  });
  const running = runPipeline(plan({ sink, checkpoints: store, concurrency: 2 })).finally(() => ended = true);
  const rejected = rejects(running, /nobody thought of/);
  await until(() => sink.writes.length === 2);
  await turns();
  equal(ended, false);
  gate.resolve();
  await rejected;
  deepEqual(store.saves.map((s) => s.cursor), ["3"]);
  equal(sink.writes.length, 2);
});

Deno.test("whatever fails is what the run rejects with, and the position stays true", async (t) => {
  const fail = () => {
    throw new TypeError("Something nobody thought of");
  };
  const fails: Record<string, Parameters<typeof plan>[0]> = {
    source: { numbers: { onPull: ((n) => () => void (++n > 3 && fail()))(0) } },
    "opening the source": { source: { key: "numbers", open: fail } },
    stage: { through: (batches) => batches.pipeThrough(mapEvents((e: Num) => e.n < 12 ? e : fail())) },
    sink: { sink: memorySink<Num>((_, nth) => void (nth > 2 && fail())) },
    "dead letter of a refused item": {
      sink: memorySink<Num>((_, nth) => ({ rejected: nth > 2 ? poisonAt(0) : [] })),
      deadLetter: fail,
    },
    "dead letter of a message that cannot be read": {
      deadLetter: fail,
      numbers: { kindOf: (n) => n === 13 ? "poison" : "event" },
    },
    "gap ledger": { recordGaps: fail, numbers: { extra: (b) => b.cursor === "15" ? { gaps: [gapOf("open")] } : {} } },
  };
  for (const [name, options] of Object.entries(fails)) {
    await t.step(name, async () => {
      const store = memoryStore();
      await rejects(runPipeline(plan({ checkpoints: store, ...options })), TypeError);
      const cursor = store.positions.get("numbers");
      ok(cursor === undefined || Number(cursor) <= 11, `saved ${cursor}, but 12 is not safe`);
      if (name !== "opening the source") ok(store.saves.length <= 1);
    });
  }
});

Deno.test("what was safe when the source failed is saved", async () => {
  const store = memoryStore();
  const sink = memorySink<Num>();
  // Fails only when all that was read before is written.
  const onPull = () => {
    if (sink.items.length >= 8) throw new TransientError("Cannot read: reset");
  };
  await rejects(runPipeline(plan({ sink, checkpoints: store, numbers: { count: 1000, onPull } })), TransientError);
  ok(Number(store.positions.get("numbers")) >= 7);
  equal(store.positions.get("numbers"), String(sink.items.length - 1));
});

Deno.test("a save that fails five times in a row ends the run, a failed last save too", async () => {
  const broken = memoryStore(() => Promise.reject(new Error("Disk full")));
  const sink = memorySink<Num>(() => turns(1)); // streams alone would leave no turn to timers
  await rejects(
    runPipeline(plan({ sink, checkpoints: broken, checkpointMs: 0, numbers: { count: Infinity } })),
    /Cannot go on: positions cannot be saved/,
  );
  await rejects(runPipeline(plan({ checkpoints: broken })), /Disk full/);
});

Deno.test("without a dead letter the first dead item ends the run", async () => {
  const { deadLetter: _, ...options } = plan({ sink: memorySink<Num>(() => ({ rejected: poisonAt(2) })) });
  await rejects(runPipeline(options), PoisonError);
});

Deno.test("dead items and undecodable messages are counted and in the dead letter before the position passes", async () => {
  const letters: Letter[] = [];
  const store = memoryStore(() => equal(letters.length, 6));
  const { counters } = await runPipeline(plan({
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
  const { counters } = await runPipeline(plan({ sink, numbers: { count: 8 } }));
  deepEqual([counters.retried, counters.written, counters.batches], [2, 8, 2]);
});

/** A run of 4,000 numbers, ten a batch, where the sink refuses some. */
function runWithDead(maxDeadRatio: number, refused: (n: number) => boolean, count = 4000) {
  const sink = memorySink<Num>(({ items }) => ({
    rejected: poisonAt(...items.keys().filter((i) => refused(items[i]!.n))),
  }));
  const store = memoryStore();
  const counters = createCounters();
  const run = runPipeline(
    plan({ sink, maxDeadRatio, counters, checkpoints: store, batchSize: 10, numbers: { count, sizes: [10] } }),
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
  const options = plan({ through, sink, counters, maxDeadRatio: 0.08, numbers: { count: 4000 } });
  await rejects(runPipeline(options), DeadRatioError);
  equal(counters.written + counters.deadLettered, 1000);
});

/** A gap before the third batch. */
const withGap = (state: Gap["state"]) => ({
  extra: ({ cursor }: Batch<Num>) => cursor === "11" ? { gaps: [gapOf(state)] } : {},
});

Deno.test("gaps: recorded before the position passes, warned of and counted", async () => {
  await using logged = await captureLog();
  const order: string[] = [];
  const { counters } = await runPipeline(plan({
    checkpoints: memoryStore(({ cursor }) => void order.push(`saved ${Number(cursor) >= 8 ? "behind" : "before"}`)),
    checkpointMs: 0,
    recordGaps: async (key, gaps) => {
      await turns();
      order.push(`${key} ${gaps[0]!.reason}`);
    },
    numbers: withGap("open"),
  }));
  equal(counters.gaps, 1);
  deepEqual(order.filter((each) => each !== "saved before"), ["numbers clamped", "saved behind"]);
  deepEqual(logged.lines.filter((line) => line.includes("Gap")), [
    "warning: Gap: clamped at h.example, from 1970-01-01T00:00:01.000Z to ?",
  ]);
});

Deno.test("gaps: accepted ones are recorded, but neither counted nor fatal", async () => {
  await using logged = await captureLog();
  const recorded: Gap[] = [];
  const { counters } = await runPipeline(plan({
    onGap: "fail",
    recordGaps: (_, gaps) => Promise.resolve(void recorded.push(...gaps)),
    numbers: withGap("accepted"),
  }));
  deepEqual([counters.gaps, recorded.map((g) => g.state)], [0, ["accepted"]]);
  deepEqual(logged.lines.filter((line) => line.includes("Gap")), []);
});

Deno.test("gaps: with onGap fail the run ends before the position passes", async () => {
  const store = memoryStore();
  const sink = memorySink<Num>();
  await rejects(runPipeline(plan({ sink, checkpoints: store, onGap: "fail", numbers: withGap("open") })), (error) => {
    ok(error instanceof GapError);
    ok(error.message.startsWith("Cannot go on with --on-gap fail: clamped at h.example"));
    return true;
  });
  deepEqual([values(sink.items), store.positions.get("numbers")], [upTo(8), "7"]);
});

Deno.test("gaps: a sink that keeps the position gets them with it, and nobody else", async () => {
  const sink = memorySink<Num>(undefined, { checkpoints: memoryStore() });
  const recordGaps = () => Promise.reject(new Error("Not to be called"));
  const { counters } = await runPipeline(plan({ sink, recordGaps, numbers: withGap("open") }));
  deepEqual(sink.writes.map((w) => w.gaps?.length ?? 0), [0, 0, 1, 0, 0]);
  equal(counters.gaps, 1);
});

Deno.test("seal: completes a position right before it is saved apart from the events, and only then", async () => {
  const sealed: string[] = [];
  const source = {
    ...numbers({ count: 20 }),
    seal(this: { key: string }, cursor: string) {
      sealed.push(cursor);
      return `${cursor} of ${this.key}`;
    },
  };
  const store = memoryStore();
  await runPipeline(plan({ source, checkpoints: store }));
  deepEqual([sealed, store.positions.get("numbers")], [["19"], "19 of numbers"]);
  const sink = memorySink<Num>(undefined, { checkpoints: memoryStore() });
  await runPipeline(plan({ source, sink }));
  deepEqual([sealed, sink.writes.at(-1)!.cursor], [["19"], "19"]);
});

Deno.test("the source is told the saved position, the stop signal and what the sink remembers", async () => {
  const store = memoryStore();
  store.positions.set("numbers", "15");
  const stop = new AbortController().signal;
  const told: unknown[] = [];
  const sink = memorySink<Num>(undefined, {
    recall(since) {
      return Promise.resolve({ items: this.name === "memory" ? [{ n: 1 }] : [], since });
    },
  });
  await runPipeline(plan({
    checkpoints: store,
    stop,
    sink,
    numbers: {
      onPull: async (opened) => void told.push(opened.cursor, opened.stop === stop, await opened.recall?.(5, 1)),
    },
  }));
  deepEqual(told.slice(0, 3), ["15", true, { items: [{ n: 1 }], since: 5 }]);
  deepEqual(values(sink.items), [16, 17, 18, 19]);
});

Deno.test("timeOf: the newest safe event time", async () => {
  const { counters } = await runPipeline(plan({ timeOf: ({ n }) => n === 19 ? 5 : n * 1000 }));
  equal(counters.lastTimeUs, 15_000, "a time that goes back does not");
});
