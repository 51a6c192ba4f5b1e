/**
 * The memory of a run whose sink is slower than its source, or has stopped answering.
 *
 * @module
 */
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { delay } from "../../lib/pipeline/retry.ts";
import type { Sink } from "../../lib/pipeline/sink.ts";
import type { Bench, Case, Goal, Setting } from "./bench.ts";
import { transfer } from "./jetstream_pipeline.ts";
import { measure } from "./measure.ts";

/** What one event takes, in milliseconds. */
const EVENT_MS = 1;
/** More than is read in the time, so that the source never pauses by itself. */
const OFFERED = 300_000;
const goals: readonly Goal[] = [{ figure: "rss", atMost: 300e6 }];

const CASES: readonly Case[] = [
  { name: "sink of 1 ms an event", goals, run: async (setting) => [await runSlow(setting)] },
  { name: "sink that never answers", goals, run: async (setting) => [await runStuck(setting)] },
];

function sinkOf(write: Sink<AnyEvent>["write"]): Sink<AnyEvent> {
  return { name: "slow", write, [Symbol.asyncDispose]: () => Promise.resolve() };
}

function runSlow({ load, events }: Setting) {
  const sink = sinkOf(async ({ items }, { signal }) => {
    await delay(items.length * EVENT_MS, signal);
    return { rejected: [] };
  });
  return measure(() => transfer({ load: load!, sink, batchSize: 1000, limit: events }));
}

/** For as long as the other case takes, the sink keeps its first batch. */
function runStuck({ load, events }: Setting) {
  let taken = 0;
  const sink = sinkOf(({ items }, { signal }) => {
    taken += items.length;
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
  });
  const kill = AbortSignal.timeout(events * EVENT_MS);
  return measure(async () => {
    try {
      await transfer({ load: load!, sink, batchSize: 1000, kill });
    } catch (error) {
      if (error !== kill.reason) throw error;
    }
    return taken;
  });
}

/** `deno task bench slow_sink` */
export const bench: Bench = {
  name: "slow_sink",
  brief: "Peak memory at full source speed with a sink that is slow, or has stopped answering",
  events: 20_000,
  rounds: 1,
  warmUps: 0,
  load: () => OFFERED,
  timeoutMs: 120_000,
  cases: () => CASES,
};
