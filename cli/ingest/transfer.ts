/**
 * From options to a sink that is open and back: locks, folders, dead letter and gaps, the pipeline in between.
 *
 * @module
 */
import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import type { AnyEvent } from "../../lib/atproto/event.ts";
import type { RunWatch } from "../../lib/ops/run_watch.ts";
import type { Counters } from "../../lib/pipeline/counters.ts";
import { DeadRatio } from "../../lib/pipeline/dead_ratio.ts";
import type { DeadLetter } from "../../lib/pipeline/deliver.ts";
import { ConfigError, messageOf, RewoundError } from "../../lib/pipeline/errors.ts";
import { type PipelineOptions, type PipelineResult, runPipeline } from "../../lib/pipeline/pipeline.ts";
import { fullJitter } from "../../lib/pipeline/retry.ts";
import type { CheckpointStore } from "../../lib/pipeline/sink.ts";
import { filterEvents } from "../../lib/pipeline/stages.ts";
import { makeQueueFolder } from "../../lib/sinks/queue/names.ts";
import { type OpenSink, type SinkEntry, SINKS, type SinkSettings } from "../../lib/sinks/registry.ts";
import { clearCursors } from "../../lib/state/cursors_table.ts";
import { openDeadLetter } from "../../lib/state/dead_letter.ts";
import { fileCheckpoints } from "../../lib/state/file_checkpoint.ts";
import { openGapStore } from "../../lib/state/gaps.ts";
import { acquireLock } from "../../lib/state/lock.ts";
import { makeFolder } from "../../lib/state/paths.ts";
import type { CommandContext } from "../kit/command.ts";
import type { filterOptions } from "../options/filters.ts";
import type { listenOptions } from "../options/listen.ts";
import { drySink } from "./dry.ts";
import type { Filtering } from "./filters.ts";
import type { Delivery, Reading } from "./reading.ts";
import { redisFacts } from "./redis.ts";
import { sinkSettings } from "./sink_settings.ts";
import { concurrencyOf, type Target, type TargetOptions } from "./target.ts";
import { runWatched } from "./watched.ts";

const log = getLogger(["bskyingest", "run"]);

/** The options that every ingest command has. */
export type IngestOptions = TargetOptions & typeof filterOptions & typeof listenOptions;

/** What is known of a run before anything is opened. */
export interface Prepared {
  readonly context: CommandContext<IngestOptions>;
  readonly target: Target;
  readonly filtering: Filtering;
  readonly counters: Counters;
  /** Written events; 0 = no limit. */
  readonly limit: number;
  /** What the sink counts besides; set once it is open. */
  figures: OpenSink["figures"] | undefined;
  /** Whether the sink has said where to begin. */
  begun: boolean;
  /** Who looks on for the operations server; undefined: nobody asked for one. */
  readonly watch: RunWatch | undefined;
  /** Whether the run has an end of its own: a number of events, a time, a last event, files that are read once. */
  readonly finite: boolean;
}

/** When to stop reading, and when to drop everything. */
interface StopSignals {
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
  /** Of `stop`, only what does not come from the run itself: what is read already need not be delivered either. */
  readonly interrupt: AbortSignal;
  /** Told when everything that was read is safe, and only a sink goes on with it. */
  safe(): void;
}

/** Opens everything, reads, and closes everything in reverse order. */
export async function transfer(
  run: Prepared,
  reading: Reading,
  signals: StopSignals,
): Promise<PipelineResult["endedBy"]> {
  const { context, target } = run;
  const { values } = context;
  const concurrency = concurrencyOf(values.concurrency, target.sink);
  await using resources = new AsyncDisposableStack();
  const gaps = resources.use(openGapStore(target.gaps));
  const recordGaps: RecordGaps = async (key, found) => {
    if (!values.dryRun) await gaps.record(key, found, { signal: signals.kill });
  };
  const deadLetter = lazily(() => deadLetterOf(run, reading));
  const settings = sinkSettings(values, target.sink, {
    concurrency,
    collections: reading.collections,
    late: reading.late ?? false,
    webhook: target.webhookQueue === undefined ? undefined : {
      file: target.webhookQueue,
      deadLetter: async (letters, options) => (await deadLetter())(letters, options),
      onlyCommits: !context.given("kinds" as never),
      finite: run.finite,
      stop: signals.interrupt,
      kill: signals.kill,
      recordGaps,
    },
    redis: redisFacts(target, signals.stop, {
      recordGaps,
      host: reading.copies ?? false,
      givenOnce: reading.acknowledges ?? false,
    }),
    recordGaps,
  });
  const accepts = await SINKS[target.sink].accepts?.(settings);
  if (!values.dryRun) {
    await makeOwnFolders(values, target);
    for (const lock of target.locks) resources.use(await acquireLock(lock, { command: context.command }));
  }
  await reading.begin?.();
  const sink = resources.use(values.dryRun ? await drySink(target, settings) : await SINKS[target.sink].open(settings));
  run.figures = sink.totals ?? sink.figures;
  const deadRatio = new DeadRatio(values.maxDeadRatio, { all: reading.ratioOfAll ?? false });
  const parts = { sink, settings, accepts, concurrency, deadRatio, recordGaps, deadLetter: await deadLetter() };
  const ended = await failingOpenly(run, () => reading.run(openDelivery(run, reading, parts, signals)));
  if (!signals.interrupt.aborted) {
    signals.safe();
    await sink.drain?.();
  }
  return ended;
}

/** What ends the run is told while everything is being closed, which may take a while. */
async function failingOpenly<T>({ watch }: Prepared, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    watch?.onFailure(error);
    throw error;
  }
}

/** A sink that is open, and how it is written to. */
interface SinkParts {
  readonly sink: OpenSink;
  readonly settings: SinkSettings;
  readonly accepts: ((event: AnyEvent) => boolean) | undefined;
  readonly concurrency: number;
  readonly deadRatio: DeadRatio;
  readonly recordGaps: RecordGaps;
  readonly deadLetter: DeadLetter;
}

/** Makes gaps durable, unless nothing is to be written. */
type RecordGaps = NonNullable<PipelineOptions<AnyEvent, AnyEvent>["recordGaps"]>;

function openDelivery(
  run: Prepared,
  reading: Reading,
  { sink, settings, accepts, concurrency, deadRatio, recordGaps, deadLetter }: SinkParts,
  { stop, kill }: StopSignals,
): Delivery {
  const { context: { values }, target, filtering, counters, watch } = run;
  const entry: SinkEntry = SINKS[target.sink];
  const grouping = entry.grouping?.(settings);
  const positions = sink.checkpoints ?? filePositions(target, values.dryRun);
  const options: Omit<PipelineOptions<AnyEvent, AnyEvent>, "source"> = {
    through: (batches) => {
      // What the sink has no place for need not be looked at.
      const wanted = accepts ? batches.pipeThrough(filterEvents(accepts)) : batches;
      return filtering.through ? filtering.through(wanted) : wanted;
    },
    sink: watch?.watchSink(sink) ?? sink,
    counters,
    ...(watch && { watch }),
    stop,
    kill: sink.failure ? AbortSignal.any([kill, sink.failure]) : kill,
    deadLetter,
    recordGaps,
    checkpointMs: values.checkpointInterval,
    batchSize: values.batchSize ?? grouping?.size ?? entry.defaultBatchSize,
    batchesPerWrite: grouping?.multiple ?? entry.batchesPerWrite,
    batchMs: grouping?.ms ?? values.batchTimeout,
    concurrency,
    maxInFlight: values.maxInFlight,
    backoff: fullJitter(values.maxRetries),
    maxDeadRatio: deadRatio,
    // What else `heal` means is the source's business.
    onGap: values.onGap === "fail" ? "fail" : "warn",
    limit: run.limit,
    ...(reading.counts && { counts: reading.counts }),
    timeOf: (event) => event.time_us,
    collectionOf: (event) => event.kind === "commit" ? event.commit.collection : undefined,
  };
  return {
    counters,
    positions,
    ...(sink.known && { known: sink.known }),
    stop,
    figures: () => sink.figures?.(),
    announce(where) {
      run.begun = true;
      watch?.begun();
      announce(target, values.dryRun, where);
    },
    pipe(source, checkpoints = positions) {
      const all = { ...options, source, ...(checkpoints && { checkpoints }) };
      const forget = (keys: readonly string[]) => forgetPositions(target, checkpoints, keys);
      return unlessRewound(counters, () => watch ? runWatched(all, { watch, counters, forget }) : runPipeline(all));
    },
  };
}

/** Opens something when it is first asked for. */
function lazily<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | undefined;
  return () => opened ??= open();
}

/** Where dead letters go: into the file, unless the reading has a better place for its own. */
async function deadLetterOf(
  { context: { values, command }, target, watch }: Prepared,
  reading: Reading,
): Promise<DeadLetter> {
  if (values.dryRun) return () => Promise.resolve();
  const file = await openDeadLetter({
    path: target.deadLetter,
    maxBytes: values.deadLetterMaxBytes,
    command,
    key: target.key,
  });
  const append: DeadLetter = async (letters, { signal }) => void await file.append(letters, { signal });
  const deadLetter = reading.deadLetters?.instead(append) ?? append;
  return watch?.watchDeadLetter(deadLetter, () => file.full) ?? deadLetter;
}

/**
 * Begins again, from the position that the sink then gives, as often as the sink has lost what it had confirmed. A source that keeps
 * the position itself gives again what was not acknowledged.
 */
async function unlessRewound(counters: Counters, run: () => Promise<PipelineResult>): Promise<PipelineResult> {
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof RewoundError)) throw error;
      log.warn("Beginning again: {error}", { error: messageOf(error) });
      // What was on its way will be received once more.
      counters.received = counters.written + counters.filtered + counters.duplicates + counters.deadLettered;
    }
  }
}

/** Positions in a file of their own, for sinks that keep none; a dry run only reads them. */
function filePositions({ position, key }: Target, dryRun: boolean): CheckpointStore | undefined {
  if (position === undefined || !("file" in position)) return undefined;
  const store = fileCheckpoints(position.file, { format: position.format, key });
  const nothing = () => Promise.resolve();
  if (dryRun) return { ...store, save: nothing, forget: nothing };
  return { ...store, forget: async (key) => void await store.clear([key]) };
}

/** There is no position of these keys any more. */
async function forgetPositions(
  { position }: Target,
  positions: CheckpointStore | undefined,
  keys: readonly string[],
): Promise<void> {
  if (position && "db" in position) await clearCursors(position.db, keys);
  else for (const key of keys) await positions?.forget?.(key);
}

/**
 * Folders of ours are made, those that the user names must be there.
 *
 * @throws {ConfigError} where one cannot be made, or is missing.
 */
async function makeOwnFolders(
  values: CommandContext<IngestOptions>["values"],
  { sink, deadLetter, position, stateFile, webhookQueue }: Target,
): Promise<void> {
  if (sink === "queue") await makeQueueFolder(values.queueDir);
  if (webhookQueue !== undefined && values.webhookQueue === undefined) await makeFolder(dirname(webhookQueue));
  if (position && "db" in position && !(await isFolder(dirname(position.db)))) {
    throw new ConfigError(`Cannot open ${position.db}: its folder does not exist`);
  }
  if (values.deadLetter === undefined) await makeFolder(dirname(deadLetter));
  if (stateFile !== undefined && values.stateFile === undefined) await makeFolder(dirname(stateFile));
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return false;
  }
}

/** The start line: sink, target, reason, position. */
function announce({ sink, place, why, stateFile }: Target, dryRun: boolean, where: string): void {
  log.info("{dry}{sink} {place} ({why}), {where}{kept}", {
    dry: dryRun ? "Dry run: " : "",
    sink,
    place,
    why,
    where,
    kept: stateFile === undefined ? "" : `, position in ${stateFile}`,
  });
}
