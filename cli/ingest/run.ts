/**
 * One run of an ingest command: source, stages and sink put together, from the lock to the summary.
 *
 * @module
 */
import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import type { AnyEvent } from "../../lib/atproto/event.ts";
import type { Cursor } from "../../lib/pipeline/batch.ts";
import { type Counters, createCounters } from "../../lib/pipeline/counters.ts";
import { ConfigError, messageOf, OutputClosedError, TransientError } from "../../lib/pipeline/errors.ts";
import { type PipelineResult, runPipeline } from "../../lib/pipeline/pipeline.ts";
import { fullJitter } from "../../lib/pipeline/retry.ts";
import type { CheckpointStore } from "../../lib/pipeline/sink.ts";
import type { Source } from "../../lib/pipeline/source.ts";
import { filterEvents } from "../../lib/pipeline/stages.ts";
import { openDeadLetter } from "../../lib/state/dead_letter.ts";
import { type FileCheckpointOptions, fileCheckpoints } from "../../lib/state/file_checkpoint.ts";
import { openGapStore } from "../../lib/state/gaps.ts";
import { makeFolder } from "../../lib/state/paths.ts";
import { acquireLock } from "../../lib/state/lock.ts";
import { type OpenSink, type SinkEntry, SINKS, type SinkSettings } from "../../lib/sinks/registry.ts";
import { EXIT, exitStatus } from "../exit.ts";
import type { CommandContext } from "../kit/command.ts";
import { showProgress } from "../progress.ts";
import { type EndedBy, humanSummary, readableCursor, summarize } from "../report.ts";
import { listenForSignals } from "../signals.ts";
import type { filterOptions } from "../options/filters.ts";
import { type Filtering, filterOf } from "./filters.ts";
import { sinkSettings } from "./sink_settings.ts";
import { concurrencyOf, drySink, findTarget, type Target, type TargetOptions } from "./target.ts";

const log = getLogger(["bskyingest", "run"]);

/** The options that every ingest command has. */
export type IngestOptions = TargetOptions & typeof filterOptions;

/** A source that was made. */
interface Made {
  readonly source: Source<AnyEvent>;
  /** Hosts or files, for the summary. */
  readonly name: string;
  /** The collections that it reads; undefined: any. */
  readonly collections?: readonly string[] | undefined;
}

/** What differs between ingest commands. */
export interface Ingest {
  readonly context: CommandContext<IngestOptions>;
  /** The state key where none is given. */
  readonly defaultKey: string;
  /** Rejects with `ConfigError` for the faults of the source's options. */
  readonly makeSource: (key: string) => Promise<Made>;
  readonly stateFormat: FileCheckpointOptions["format"];
  /** What it means when the source ends. */
  readonly endOfSource: EndedBy;
  /** Whether events are told as they happen: files have no lag. */
  readonly live: boolean;
  /** Written events; 0 = no limit. */
  readonly limit: number;
  /** From the program's start, in milliseconds; 0 = no limit. */
  readonly maxTimeMs: number;
}

/** A run that was prepared. */
interface Run extends Made {
  readonly ingest: Ingest;
  readonly target: Target;
  readonly filtering: Filtering;
  readonly counters: Counters;
  readonly startedAt: Date;
  /** What the sink counts besides, once it is open. */
  figures?: OpenSink["figures"];
}

/** How it ended; `failure`: what was thrown. */
interface Ending {
  readonly endedBy: EndedBy;
  readonly failure: unknown;
}

/** Runs until the end and says what became of it. Answers the exit status. */
export async function runIngest(ingest: Ingest): Promise<number> {
  const target = findTarget(ingest.context, ingest.defaultKey);
  const filtering = await filterOf(ingest.context.values);
  const startedAt = new Date(performance.timeOrigin);
  const made = await ingest.makeSource(target.key);
  const run: Run = { ingest, target, filtering, ...made, counters: createCounters(), startedAt };
  const ending = await runToItsEnd(run);
  const { endedBy, failure } = ending;
  if (failure instanceof ConfigError) throw failure;
  const survived = endedBy !== "signal" && run.counters.deadLettered > 0 ? EXIT.deadLetters : EXIT.ok;
  const exit = failure === undefined ? survived : exitStatus(failure);
  await tell(run, ending, exit);
  if (failure !== undefined) throw failure;
  return exit;
}

async function runToItsEnd(run: Run): Promise<Ending> {
  const { ingest, counters, source, name } = run;
  const { context, limit, maxTimeMs } = ingest;
  using signals = listenForSignals({ shutdownTimeoutMs: context.globals.shutdownTimeout });
  const timeUp = new AbortController();
  const timer = maxTimeMs > 0 ? startTimer(timeUp, maxTimeMs - performance.now()) : undefined;
  try {
    const mode = progressMode(context);
    using _progress = showProgress({ counters, total: limit, totalMs: maxTimeMs, mode, status: context.status });
    const stop = AbortSignal.any([signals.stop, timeUp.signal]);
    const ended = await transfer(run, { stop, kill: signals.kill });
    if (ended === "limit") return { endedBy: "count", failure: undefined };
    if (signals.received !== undefined) return { endedBy: "signal", failure: undefined };
    if (!timeUp.signal.aborted) return { endedBy: ingest.endOfSource, failure: undefined };
    if (source.stats?.connections === 0) {
      throw new TransientError(`Cannot read from ${name}: no connection came about in time`);
    }
    return { endedBy: "time", failure: undefined };
  } catch (error) {
    const failure = firstFailure(error);
    // Whoever closes our output wants us to stop, as a signal does.
    return { endedBy: failure instanceof OutputClosedError ? "signal" : "error", failure };
  } finally {
    clearTimeout(timer);
  }
}

/** The summary, as JSON or for a person. */
async function tell(run: Run, ending: Ending, exit: number) {
  const { ingest, target, filtering, source, name, counters, startedAt } = run;
  const { context } = ingest;
  const { globals, values } = context;
  const { endedBy, failure } = ending;
  const summary = summarize({
    command: context.command,
    source: name,
    sink: target.sink,
    counters,
    stats: source.stats,
    ...(values.where !== undefined && { whereFailed: filtering.failures() }),
    ...(values.validate !== "off" && { invalid: filtering.invalid() }),
    figures: run.figures?.(),
    dryRun: values.dryRun,
    startedAt,
    durationMs: Date.now() - startedAt.getTime(),
    endedBy,
    error: failure === undefined || failure instanceof OutputClosedError ? null : messageOf(failure),
    exit,
    now: Date.now(),
    live: ingest.live,
  });
  if (counters.deadLettered > 0 && !values.dryRun) {
    log.warn("{n} dead letters: bskyingest dead-letter list --dead-letter {file}", {
      n: counters.deadLettered,
      file: target.deadLetter,
    });
  }
  if (globals.json && target.sink !== "stdout") await context.stdout(JSON.stringify(summary));
  else if (globals.json) context.stderr(JSON.stringify(summary));
  else if (!globals.quiet) context.stderr(humanSummary(summary, `${target.place} (${target.sink})`));
}

/** Opens everything, runs the pipeline, and closes everything in reverse order. */
async function transfer(
  run: Run,
  signals: { readonly stop: AbortSignal; readonly kill: AbortSignal },
): Promise<PipelineResult["endedBy"]> {
  const { ingest, target, filtering, source, counters } = run;
  const { context } = ingest;
  const { values } = context;
  const entry: SinkEntry = SINKS[target.sink];
  const concurrency = concurrencyOf(values.concurrency, target.sink);
  const settings = sinkSettings(values, target.sink, concurrency, run.collections);
  const accepts = await entry.accepts?.(settings);
  await using resources = new AsyncDisposableStack();
  if (!values.dryRun) await makeOwnFolders(context, target);
  if (target.lock && !values.dryRun) resources.use(await acquireLock(target.lock, { command: context.command }));
  const { sink, checkpoints } = values.dryRun
    ? { sink: await openDry(ingest, target), checkpoints: undefined }
    : await openSink(ingest, target, settings, resources);
  run.figures = sink.figures;
  const deadLetter = values.dryRun ? undefined : await openDeadLetter({
    path: target.deadLetter,
    maxBytes: values.deadLetterMaxBytes,
    command: context.command,
    key: target.key,
  });
  using gaps = openGapStore(target.gaps);
  announce(target, values.dryRun, await (checkpoints ?? sink.checkpoints)?.load(source.key));
  const result = await runPipeline<AnyEvent>({
    source,
    through: (batches) => {
      // What the sink has no place for need not be looked at.
      const wanted = accepts ? batches.pipeThrough(filterEvents(accepts)) : batches;
      return filtering.through ? filtering.through(wanted) : wanted;
    },
    sink,
    ...(checkpoints && { checkpoints }),
    counters,
    ...signals,
    deadLetter: (letters, { signal }) => deadLetter ? deadLetter.append(letters, { signal }) : Promise.resolve(),
    recordGaps: async (key, found) => {
      if (!values.dryRun) await gaps.record(key, found, { signal: signals.kill });
    },
    checkpointMs: values.checkpointInterval,
    batchSize: values.batchSize ?? entry.defaultBatchSize,
    batchMs: values.batchTimeout,
    concurrency,
    maxInFlight: values.maxInFlight,
    backoff: fullJitter(values.maxRetries),
    maxDeadRatio: values.maxDeadRatio,
    onGap: values.onGap,
    limit: ingest.limit,
    timeOf: (event) => event.time_us,
    collectionOf: (event) => event.kind === "commit" ? event.commit.collection : undefined,
  });
  return result.endedBy;
}

/**
 * Folders of ours are made, those that the user names must be there.
 *
 * @throws {ConfigError} where one cannot be made, or is missing.
 */
async function makeOwnFolders({ values }: Ingest["context"], { deadLetter, position }: Target): Promise<void> {
  if (position && "db" in position && !(await isFolder(dirname(position.db)))) {
    throw new ConfigError(`Cannot open ${position.db}: its folder does not exist`);
  }
  if (values.deadLetter === undefined) await makeFolder(dirname(deadLetter));
  if (position && "file" in position && values.stateFile === undefined) await makeFolder(dirname(position.file));
}

async function isFolder(path: string): Promise<boolean> {
  return (await Deno.stat(path).catch(() => undefined))?.isDirectory ?? false;
}

async function openSink(
  { stateFormat }: Ingest,
  target: Target,
  settings: SinkSettings,
  resources: AsyncDisposableStack,
): Promise<{ readonly sink: OpenSink; readonly checkpoints: CheckpointStore | undefined }> {
  const checkpoints = target.position && "file" in target.position
    ? fileCheckpoints(target.position.file, { format: stateFormat, key: target.key })
    : undefined;
  const sink = resources.use(await SINKS[target.sink].open(settings));
  return { sink, checkpoints };
}

/** For a dry run: a position that is there is read, nothing is made. */
async function openDry({ stateFormat }: Ingest, { sink, position, key: stateKey }: Target): Promise<OpenSink> {
  if (position === undefined) return drySink(sink, () => Promise.resolve(undefined));
  if ("file" in position) {
    const store = fileCheckpoints(position.file, { format: stateFormat, key: stateKey });
    return drySink(sink, (key) => store.load(key));
  }
  const { readSqlitePosition } = await import("../../lib/sinks/sqlite.ts");
  return drySink(sink, (key) => Promise.resolve(readSqlitePosition(position.db, key)));
}

/** The start line: sink, target, reason, position. */
function announce({ sink, place, why, position }: Target, dryRun: boolean, cursor: Cursor | undefined): void {
  const kept = position === undefined ? "" : "db" in position ? "" : `, position in ${position.file}`;
  log.info("{dry}{sink} {place} ({why}), {where}{kept}", {
    dry: dryRun ? "Dry run: " : "",
    sink,
    place,
    why,
    where: whereFrom(cursor),
    kept,
  });
}

function whereFrom(cursor: Cursor | undefined): string {
  if (cursor === undefined) return "no saved position";
  const value = readableCursor(cursor);
  const { time_us, done, file, entry } = (typeof value === "number" ? { time_us: value } : value) as {
    readonly time_us?: number;
    readonly done?: boolean;
    readonly file?: number;
    readonly entry?: number;
  };
  if (time_us !== undefined) return `resuming after ${new Date(time_us / 1000).toISOString()}`;
  if (done) return "beginning anew, the last run came to its end";
  return file === undefined ? `resuming after ${cursor}` : `resuming in file ${file} behind entry ${entry}`;
}

/** Closing what a failed run had open may fail as well: what came first says why. */
function firstFailure(error: unknown): unknown {
  return error instanceof SuppressedError ? firstFailure(error.suppressed) : error;
}

function startTimer(controller: AbortController, ms: number) {
  return setTimeout(() => controller.abort(), Math.max(0, ms));
}

/** How this run shows its progress: not at all, as a line that is redrawn, or in the log. */
export function progressMode({ globals, env }: CommandContext): "line" | "log" | "off" {
  if (globals.quiet) return "off";
  const plain = globals.json || env("CI") || env("TERM") === "dumb" || !Deno.stderr.isTerminal();
  return plain ? "log" : "line";
}
