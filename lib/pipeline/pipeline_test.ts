import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import {
  memorySink,
  memoryStore,
  type Num,
  numbers,
  runOf,
  turns,
  until,
  upTo,
  values,
} from "../../tests/support/pipeline_ends.ts";
import type { Batch } from "./batch.ts";
import { createCounters } from "./counters.ts";
import { ConfigError } from "./errors.ts";
import { runPipeline } from "./pipeline.ts";
import { mapEvents } from "./stages.ts";

Deno.test("events reach the sink in order, and the last position is saved after the drain", async () => {
  const sink = memorySink<Num>();
  const store = memoryStore(() => equal(sink.items.length, 20));
  const { endedBy, counters } = await runPipeline(runOf({ sink, checkpoints: store, numbers: { end: true } }));
  deepEqual(values(sink.items), upTo(20));
  deepEqual(store.saves, [{ key: "numbers", cursor: "19", end: true }]);
  deepEqual([endedBy, counters.received, counters.written, counters.batches], ["source", 20, 20, 5]);
  deepEqual([...counters.cursors], [["numbers", "19"]]);
  equal(counters.inFlight, 0);
});

Deno.test("a run goes on where the last one ended", async () => {
  const store = memoryStore();
  const sink = memorySink<Num>();
  await runPipeline(runOf({ sink, checkpoints: store, limit: 7 }));
  await runPipeline(runOf({ sink, checkpoints: store }));
  deepEqual(values(sink.items), upTo(20));
});

Deno.test("a position that cannot be read ends the run before anything is read", async () => {
  let pulled = false;
  const broken = { ...memoryStore(), load: () => Promise.reject(new ConfigError("Cannot read cursor")) };
  await rejects(
    runPipeline(runOf({ checkpoints: broken, numbers: { onPull: () => void (pulled = true) } })),
    ConfigError,
  );
  equal(pulled, false);
});

Deno.test("positions: the source's store wins over the sink's, and that over the one given", async () => {
  const [ofSource, ofSink, given] = [memoryStore(), memoryStore(), memoryStore()];
  const counts = () => [ofSource, ofSink, given].map((store) => store.saves.length);
  const source = { ...numbers({ count: 4 }), checkpoints: ofSource };
  await runPipeline(runOf({ checkpoints: given, sink: memorySink<Num>(undefined, { checkpoints: ofSink }), source }));
  deepEqual(counts(), [1, 1, 0]); // the one of the sink is its own, in its only write
  const sink = memorySink<Num>(undefined, { checkpoints: ofSink });
  const { counters } = await runPipeline(runOf({ checkpoints: given, sink }));
  deepEqual(values(sink.items), upTo(20).slice(4));
  deepEqual(counts(), [1, 1 + 4, 0]);
  equal(counters.cursors.get("numbers"), "19");
});

Deno.test("without any store a run starts afresh, and ends well", async () => {
  const { counters } = await runPipeline(runOf());
  deepEqual([counters.written, counters.cursors.size], [20, 0]);
});

Deno.test("batches without items move the position too, and a sink that keeps it is told", async () => {
  const through = (batches: ReadableStream<Batch<Num>>) =>
    batches.pipeThrough(mapEvents((_: Num): Num | undefined => undefined));
  const store = memoryStore();
  const { counters } = await runPipeline(runOf({ through, checkpoints: store }));
  deepEqual([store.positions.get("numbers"), counters.filtered, counters.written], ["19", 20, 0]);
  const atomic = memorySink<Num>(undefined, { checkpoints: memoryStore() });
  await runPipeline(runOf({ through, sink: atomic }));
  deepEqual(atomic.writes.map((w) => [w.items.length, w.cursor, w.key]), [[0, "19", "numbers"]]);
});

Deno.test("every key has its own position", async () => {
  const store = memoryStore();
  const extra = ({ cursor }: Batch<Num>) => ({ key: Number(cursor) < 10 ? "a" : "b" });
  await runPipeline(runOf({ checkpoints: store, numbers: { extra } }));
  deepEqual([...store.positions], [["a", "7"], ["b", "19"]]);
});

Deno.test("writes side by side: a position waits for every earlier write", async () => {
  const gates = upTo(5).map(() => Promise.withResolvers<void>());
  const store = memoryStore();
  const sink = memorySink<Num>(async (_, nth) => await gates[nth]!.promise);
  const counters = createCounters();
  const running = runPipeline(runOf({ sink, checkpoints: store, checkpointMs: 0, concurrency: 3, counters }));
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
    await runPipeline(runOf({ source, sink, concurrency: 4 }));
    deepEqual([most, values(sink.items)], [1, upTo(20)]);
  }
});

Deno.test("reading pauses when maxInFlight items are not safe: one stuck write, all later ones done", async () => {
  const gate = Promise.withResolvers<void>();
  const sink = memorySink<Num>((_, nth) => nth === 0 ? gate.promise : undefined);
  let pulls = 0;
  const running = runPipeline(
    runOf({ sink, concurrency: 2, maxInFlight: 30, numbers: { count: 1000, onPull: () => void pulls++ } }),
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
    runOf({ sink, checkpoints: store, stop: stop.signal, numbers: { count: 1_000_000 } }),
  );
  equal(endedBy, "stop");
  ok(counters.written < 100);
  deepEqual(values(sink.items), upTo(counters.written));
  equal(counters.received, counters.written);
  equal(store.positions.get("numbers"), String(counters.written - 1));
});

Deno.test("seal: completes a position right before it is saved, unless the sink recalls what it holds", async () => {
  const sealed: string[] = [];
  const source = {
    ...numbers({ count: 20 }),
    seal(this: { key: string }, cursor: string, key: string) {
      sealed.push(cursor);
      return `${cursor} of ${this.key === key ? key : "another"}`;
    },
  };
  const store = memoryStore();
  await runPipeline(runOf({ source, checkpoints: store }));
  deepEqual([sealed, store.positions.get("numbers")], [["19"], "19 of numbers"]);
  const recalling = memorySink<Num>(undefined, {
    checkpoints: memoryStore(),
    recall: () => Promise.resolve({ items: [], since: 0 }),
  });
  await runPipeline(runOf({ source, sink: recalling }));
  deepEqual([sealed, recalling.writes.at(-1)!.cursor], [["19"], "19"]);
  const atomic = memorySink<Num>(undefined, { checkpoints: memoryStore() });
  await runPipeline(runOf({ source, sink: atomic }));
  deepEqual(atomic.writes.map(({ cursor }) => cursor), sealed.slice(1).map((cursor) => `${cursor} of numbers`));
});

Deno.test("the source is told the saved positions, the stop signal and what the sink remembers", async () => {
  const store = memoryStore();
  store.positions.set("numbers", "15").set("other", "7");
  const stop = new AbortController().signal;
  const told: unknown[] = [];
  const sink = memorySink<Num>(undefined, {
    recall(since) {
      return Promise.resolve({ items: this.name === "memory" ? [{ n: 1 }] : [], since });
    },
  });
  await runPipeline(runOf({
    checkpoints: store,
    stop,
    sink,
    numbers: {
      onPull: async (opened) =>
        void told.push(opened.cursor, opened.stop === stop, await opened.recall?.(5, 1), await opened.load?.("other")),
    },
  }));
  deepEqual(told.slice(0, 4), ["15", true, { items: [{ n: 1 }], since: 5 }, "7"]);
  deepEqual(values(sink.items), [16, 17, 18, 19]);
});

Deno.test("timeOf: the newest safe event time", async () => {
  const { counters } = await runPipeline(runOf({ timeOf: ({ n }) => n === 19 ? 5 : n * 1000 }));
  equal(counters.lastTimeUs, 15_000, "a time that goes back does not");
});
