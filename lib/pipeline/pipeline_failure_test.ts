import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import {
  gapOf,
  memorySink,
  memoryStore,
  NEVER_MS,
  type Num,
  poisonAt,
  runOf,
  stuck,
  turns,
  until,
} from "../../tests/support/pipeline_ends.ts";
import { createCounters } from "./counters.ts";
import { TransientError } from "./errors.ts";
import { runPipeline } from "./pipeline.ts";
import { mapEvents } from "./stages.ts";

Deno.test("kill: a stuck write is given up, the run rejects with the reason, and the position is true", async () => {
  const kill = new AbortController();
  const stop = new AbortController();
  const store = memoryStore();
  const sink = memorySink<Num>((_, nth, signal) => nth === 2 ? stuck(signal) : undefined);
  const counters = createCounters();
  const running = runPipeline(
    runOf({ sink, checkpoints: store, kill: kill.signal, stop: stop.signal, counters, numbers: { count: 1000 } }),
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
    const running = runPipeline(runOf({ ...options, kill: kill.signal }));
    await turns();
    kill.abort(new Error("Killed"));
    await rejects(running, /Killed/);
  }
});

Deno.test("the source is closed when the run fails, also while a limit waits for the last items", async () => {
  for (const limit of [0, 6]) {
    let closed = false;
    const kill = new AbortController();
    const sink = memorySink<Num>((_, nth, signal) => nth === 1 ? stuck(signal) : undefined);
    const running = runPipeline(
      runOf({ sink, limit, kill: kill.signal, numbers: { count: 1000, onCancel: () => closed = true } }),
    );
    await until(() => sink.writes.length === 2);
    await turns();
    kill.abort(new Error("Killed"));
    await rejects(running, /Killed/);
    await until(() => closed);
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
  const running = runPipeline(runOf({ sink, checkpoints: store, concurrency: 2 })).finally(() => ended = true);
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
  const fails: Record<string, Parameters<typeof runOf>[0]> = {
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
      await rejects(runPipeline(runOf({ checkpoints: store, ...options })), TypeError);
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
  await rejects(runPipeline(runOf({ sink, checkpoints: store, numbers: { count: 1000, onPull } })), TransientError);
  ok(Number(store.positions.get("numbers")) >= 7);
  equal(store.positions.get("numbers"), String(sink.items.length - 1));
});

Deno.test("a save that fails five times in a row ends the run, a failed last save too", async () => {
  const broken = memoryStore(() => Promise.reject(new Error("Disk full")));
  const sink = memorySink<Num>(() => turns(1)); // streams alone would leave no turn to timers
  await rejects(
    runPipeline(runOf({ sink, checkpoints: broken, checkpointMs: 0, numbers: { count: Infinity } })),
    /Cannot go on: positions cannot be saved/,
  );
  await rejects(runPipeline(runOf({ checkpoints: broken })), /Disk full/);
});
