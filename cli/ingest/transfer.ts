/**
 * From options to a sink that is open and back: locks, folders, dead letter and gaps, the pipeline in between.
 *
 * @module
 */
import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import type { AnyEvent } from "../../lib/atproto/event.ts";
import type { Counters } from "../../lib/pipeline/counters.ts";
import { DeadRatio } from "../../lib/pipeline/dead_ratio.ts";
import type { DeadLetter } from "../../lib/pipeline/deliver.ts";
import { ConfigError, messageOf, RewoundError } from "../../lib/pipeline/errors.ts";
import { type PipelineOptions, type PipelineResult, runPipeline } from "../../lib/pipeline/pipeline.ts";
import { fullJitter } from "../../lib/pipeline/retry.ts";
import type { CheckpointStore } from "../../lib/pipeline/sink.ts";
import { filterEvents } from "../../lib/pipeline/stages.ts";
import { makeQueueFolder } from "../../lib/sinks/queue/names.ts";
import { type OpenSink, type SinkEntry, SINKS } from "../../lib/sinks/registry.ts";
import { openDeadLetter } from "../../lib/state/dead_letter.ts";
import { fileCheckpoints } from "../../lib/state/file_checkpoint.ts";
import { openGapStore } from "../../lib/state/gaps.ts";
import { acquireLock } from "../../lib/state/lock.ts";
import { makeFolder } from "../../lib/state/paths.ts";
import type { CommandContext } from "../kit/command.ts";
import type { filterOptions } from "../options/filters.ts";
import { drySink } from "./dry.ts";
import type { Filtering } from "./filters.ts";
import type { Delivery, Reading } from "./reading.ts";
import { redisFacts } from "./redis.ts";
import { sinkSettings } from "./sink_settings.ts";
import { concurrencyOf, type Target, type TargetOptions } from "./target.ts";

const log = getLogger(["bskyingest", "run"]);

/** The options that every ingest command has. */
export type IngestOptions = TargetOptions & typeof filterOptions;

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
}

/** When to stop reading, and when to drop everything. */
interface StopSignals {
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
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
  const settings = sinkSettings(values, target.sink, {
    concurrency,
    collections: reading.collections,
    late: reading.late ?? false,
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
  run.figures = sink.figures;
  const deadRatio = new DeadRatio(values.maxDeadRatio, { all: reading.ratioOfAll ?? false });
  return await reading.run(
    await openDelivery(run, reading, { sink, accepts, concurrency, deadRatio, recordGaps }, signals),
  );
}

/** A sink that is open, and how it is written to. */
interface SinkParts {
  readonly sink: OpenSink;
  readonly accepts: ((event: AnyEvent) => boolean) | undefined;
  readonly concurrency: number;
  readonly deadRatio: DeadRatio;
  readonly recordGaps: RecordGaps;
}

/** Makes gaps durable, unless nothing is to be written. */
type RecordGaps = NonNullable<PipelineOptions<AnyEvent, AnyEvent>["recordGaps"]>;

async function openDelivery(
  run: Prepared,
  reading: Reading,
  { sink, accepts, concurrency, deadRatio, recordGaps }: SinkParts,
  { stop, kill }: StopSignals,
): Promise<Delivery> {
  const { context: { values }, target, filtering, counters } = run;
  const positions = sink.checkpoints ?? filePositions(target, values.dryRun);
  const options: Omit<PipelineOptions<AnyEvent, AnyEvent>, "source"> = {
    through: (batches) => {
      // What the sink has no place for need not be looked at.
      const wanted = accepts ? batches.pipeThrough(filterEvents(accepts)) : batches;
      return filtering.through ? filtering.through(wanted) : wanted;
    },
    sink,
    counters,
    stop,
    kill,
    deadLetter: await deadLetterOf(run, reading),
    recordGaps,
    checkpointMs: values.checkpointInterval,
    batchSize: values.batchSize ?? SINKS[target.sink].defaultBatchSize,
    batchesPerWrite: (SINKS[target.sink] as SinkEntry).batchesPerWrite,
    batchMs: values.batchTimeout,
    concurrency,
    maxInFlight: values.maxInFlight,
    backoff: fullJitter(values.maxRetries),
    maxDeadRatio: deadRatio,
    onGap: values.onGap,
    limit: run.limit,
    ...(reading.counts && { counts: reading.counts }),
    timeOf: (event) => event.time_us,
    collectionOf: (event) => event.kind === "commit" ? event.commit.collection : undefined,
  };
  return {
    counters,
    positions,
    stop,
    figures: () => sink.figures?.(),
    announce(where) {
      run.begun = true;
      announce(target, values.dryRun, where);
    },
    pipe(source, checkpoints = positions) {
      return unlessRewound(counters, () => runPipeline({ ...options, source, ...(checkpoints && { checkpoints }) }));
    },
  };
}

/** Where dead letters go: into the file, unless the reading has a better place for its own. */
async function deadLetterOf({ context: { values, command }, target }: Prepared, reading: Reading): Promise<DeadLetter> {
  if (values.dryRun) return () => Promise.resolve();
  const file = await openDeadLetter({
    path: target.deadLetter,
    maxBytes: values.deadLetterMaxBytes,
    command,
    key: target.key,
  });
  const append: DeadLetter = async (letters, { signal }) => void await file.append(letters, { signal });
  return reading.deadLetters?.instead(append) ?? append;
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
  return dryRun ? { ...store, save: () => Promise.resolve() } : store;
}

/**
 * Folders of ours are made, those that the user names must be there.
 *
 * @throws {ConfigError} where one cannot be made, or is missing.
 */
async function makeOwnFolders(
  values: CommandContext<IngestOptions>["values"],
  { sink, deadLetter, position, stateFile }: Target,
): Promise<void> {
  if (sink === "queue") await makeQueueFolder(values.queueDir);
  if (position && "db" in position && !(await isFolder(dirname(position.db)))) {
    throw new ConfigError(`Cannot open ${position.db}: its folder does not exist`);
  }
  if (values.deadLetter === undefined) await makeFolder(dirname(deadLetter));
  if (stateFile !== undefined && values.stateFile === undefined) await makeFolder(dirname(stateFile));
}

async function isFolder(path: string): Promise<boolean> {
  return (await Deno.stat(path).catch(() => undefined))?.isDirectory ?? false;
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
