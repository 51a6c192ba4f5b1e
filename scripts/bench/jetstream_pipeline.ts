/**
 * Jetstream through the library, put together as the command does it.
 *
 * @module
 */
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { createCounters } from "../../lib/pipeline/counters.ts";
import { runPipeline } from "../../lib/pipeline/pipeline.ts";
import { fullJitter } from "../../lib/pipeline/retry.ts";
import type { Sink } from "../../lib/pipeline/sink.ts";
import { SINKS } from "../../lib/sinks/registry.ts";
import type { SqliteIndex } from "../../lib/sinks/sqlite.ts";
import { jetstream } from "../../lib/sources/jetstream/jetstream.ts";
import { type Load, type Sample, WANTED } from "./bench.ts";
import { measure } from "./measure.ts";

/** What differs between the cases. */
export interface PipelineCase {
  readonly load: Load;
  /** The file to write to; default: nothing is kept. */
  readonly path?: string;
  readonly indexes?: readonly SqliteIndex[];
  /** Keep commits of the wanted collection only. */
  readonly filter?: boolean;
}

/** Runs the pipeline over everything that the server has. */
export async function runCase({ load, path, indexes = [], filter = false }: PipelineCase): Promise<Sample> {
  const settings = { db: path ?? "", table: "events", indexes, retentionMs: undefined, out: "" };
  const entry = path === undefined ? SINKS.null : SINKS.sqlite;
  await using sink = await entry.open(settings);
  return await measure(() => transfer({ load, sink, filter, batchSize: entry.defaultBatchSize }));
}

/** What {@link transfer} brings where. */
export interface Transfer {
  readonly load: Load;
  readonly sink: Sink<AnyEvent>;
  readonly filter?: boolean;
  readonly batchSize: number;
  /** Written events after which it ends; default: everything that the server has. */
  readonly limit?: number;
  readonly kill?: AbortSignal;
}

/** Answers how many events were read. */
export async function transfer({ load, sink, filter = false, batchSize, limit, kill }: Transfer): Promise<number> {
  const source = jetstream({
    url: load.url,
    alias: "bench",
    key: "bench",
    ...(filter ? { collections: [WANTED], kinds: ["commit"] } : { collections: ["all"] }),
  });
  const counters = createCounters();
  const expected = limit ?? (filter ? load.wanted : load.events);
  await runPipeline<AnyEvent>({
    source,
    sink,
    counters,
    batchSize,
    maxInFlight: 10_000,
    backoff: fullJitter(10),
    limit: expected,
    timeOf: (event) => event.time_us,
    stop: new AbortController().signal,
    ...(kill && { kill }),
  });
  if (counters.written !== expected) throw new Error(`Cannot count: ${counters.written} events were written`);
  return filter ? load.lastWanted : expected;
}
