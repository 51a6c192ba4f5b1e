/**
 * Jetstream through the library, put together as the command does it.
 *
 * @module
 */
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { createCounters } from "../../lib/pipeline/counters.ts";
import { type PipelineOptions, runPipeline } from "../../lib/pipeline/pipeline.ts";
import { fullJitter } from "../../lib/pipeline/retry.ts";
import type { Sink } from "../../lib/pipeline/sink.ts";
import { simulateDictionary } from "../../lib/simulate/dictionary.ts";
import { SINKS } from "../../lib/sinks/registry.ts";
import type { SqliteIndex } from "../../lib/sinks/sqlite.ts";
import { jetstream } from "../../lib/sources/jetstream/jetstream.ts";
import { filterOf } from "../../cli/ingest/filters.ts";
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
  /** Ask for compressed messages. */
  readonly zstd?: boolean;
  /** As `--where`. */
  readonly where?: string;
  /** Check records against their lexicons. */
  readonly validate?: boolean;
}

/** Runs the pipeline over everything that the server has. */
export async function runCase({ path, indexes = [], where, validate, ...how }: PipelineCase): Promise<Sample> {
  const settings = { db: path ?? "", table: "events", indexes, retentionMs: undefined, out: "" };
  const entry = path === undefined ? SINKS.null : SINKS.sqlite;
  await using sink = await entry.open(settings);
  const { through } = await filterOf({
    ops: [],
    langs: [],
    where,
    sample: undefined,
    lexicons: undefined,
    validate: validate ? "warn" : "off",
  });
  return await measure(() => transfer({ ...how, sink, batchSize: entry.defaultBatchSize, through }));
}

/** What {@link transfer} brings where. */
export interface Transfer {
  readonly load: Load;
  readonly sink: Sink<AnyEvent>;
  readonly filter?: boolean;
  readonly zstd?: boolean;
  readonly through?: PipelineOptions<AnyEvent, AnyEvent>["through"];
  readonly batchSize: number;
  readonly batchesPerWrite?: number | undefined;
  /** Written events after which it ends; default: everything that the server has. */
  readonly limit?: number;
  readonly kill?: AbortSignal;
}

/** Answers how many events were read. */
export async function transfer(what: Transfer): Promise<number> {
  const { load, sink, filter = false, zstd = false, through, batchSize, batchesPerWrite, limit, kill } = what;
  const source = jetstream({
    url: load.url,
    alias: "bench",
    key: "bench",
    ...(zstd && { compress: true, dictionary: simulateDictionary() }),
    ...(filter ? { collections: [WANTED], kinds: ["commit"] } : { collections: ["all"] }),
  });
  const counters = createCounters();
  const expected = limit ?? (filter ? load.wanted : load.events);
  await runPipeline<AnyEvent>({
    source,
    ...(through && { through }),
    sink,
    counters,
    batchSize,
    batchesPerWrite,
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
