/**
 * One run of `dead-letter retry`: entries are read again, filtered, and brought to their sinks, oldest first, a sink at a time.
 *
 * @module
 */
import { basename, dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import { type Counters, createCounters } from "../../lib/pipeline/counters.ts";
import { ConfigError, messageOf, OutputClosedError } from "../../lib/pipeline/errors.ts";
import { fullJitter } from "../../lib/pipeline/retry.ts";
import { filterEvents } from "../../lib/pipeline/stages.ts";
import { makeQueueFolder, queueFile, queueLock } from "../../lib/sinks/queue/names.ts";
import { type OpenSink, type SinkEntry, type SinkName, SINKS } from "../../lib/sinks/registry.ts";
import { wantedEvents } from "../../lib/sources/dead_letters.ts";
import { type DeadLetterSnapshot, openSnapshot } from "../../lib/state/dead_letter_reader.ts";
import { openRetries, type Retries } from "../../lib/state/dead_letter_retry.ts";
import { fileError } from "../../lib/state/files.ts";
import { acquireLock } from "../../lib/state/lock.ts";
import { databaseLock, makeFolder } from "../../lib/state/paths.ts";
import { EXIT, exitStatus } from "../exit.ts";
import type { CommandContext } from "../kit/command.ts";
import type { retryOptions } from "../options/dead_letter.ts";
import { showProgress } from "../progress.ts";
import { type EndedBy, humanSummary, summarize } from "../report.ts";
import { listenForSignals } from "../signals.ts";
import { dictionarySettings } from "./dictionary.ts";
import { type Filtering, filterOf } from "./filters.ts";
import { redeliver, type Redelivery, type StopSignals } from "./redeliver.ts";
import { type Selection, type Survey, surveyOf } from "./retry_selection.ts";
import { progressMode } from "./run.ts";
import { redisFacts } from "./redis.ts";
import { sinkSettings } from "./sink_settings.ts";
import { countingSink } from "./dry.ts";
import { concurrencyOf, findTarget, type Target } from "./target.ts";

const log = getLogger(["bskyingest", "retry"]);

type Context = CommandContext<typeof retryOptions>;

/** A retry that was prepared. */
interface Retry {
  readonly context: Context;
  readonly path: string;
  readonly snapshot: DeadLetterSnapshot;
  /** Undefined in a dry run. */
  readonly retries: Retries | undefined;
  readonly filtering: Filtering;
  readonly source: Omit<Redelivery["source"], "batchSize">;
  readonly counters: Counters;
  readonly survey: Survey;
  /** What sinks count besides. */
  readonly figures: Map<SinkName, () => object>;
}

interface Ending {
  readonly endedBy: EndedBy;
  readonly failure: unknown;
}

/**
 * Retries the entries of the dead letter at `path` that the options choose, and says what became of them. Answers the exit
 * status: 3 where some failed again or had to be left.
 */
export async function runRetry(context: Context, path: string): Promise<number> {
  const { values, env } = context;
  const filtering = await filterOf(values);
  const { maxFrameBytes, verify, wantedCollections, wantedDids, kinds } = values;
  const source = {
    ...dictionarySettings(values.zstdDictionary, env),
    maxFrameBytes,
    verify,
    wanted: wantedEvents({ collections: wantedCollections, dids: wantedDids, kinds }),
  };
  await using resources = new AsyncDisposableStack();
  const file = await realPath(path);
  if (!values.dryRun) resources.use(await acquireLock(`${file}.lock`, { command: context.command }));
  const snapshot = resources.use(await openSnapshot(file));
  const retries = values.dryRun ? undefined : await openRetries({ path: file, maxBytes: values.deadLetterMaxBytes });
  const { reason, stage, since } = values;
  const filter = { reason, stage, since, ...(values.id.length > 0 && { ids: values.id }) };
  const survey = await surveyOf(snapshot, filter, path);
  const counters = createCounters();
  const retry = { context, path, snapshot, retries, filtering, source, counters, survey, figures: new Map() };
  const sinks = Map.groupBy(survey.stages.keys(), (each) => sinkOf(each, context));
  const ending = await runToTheEnd(retry, async (signals) => {
    for (const [sink, stages] of sinks) {
      if (!signals.stop.aborted) await retryInto(retry, sink, { ...filter, stages }, signals);
    }
  });
  const { endedBy, failure } = ending;
  if (failure instanceof ConfigError) throw failure;
  const gone = counters.deadLettered === 0 && survey.left === 0;
  const exit = failure !== undefined ? exitStatus(failure) : gone || endedBy === "signal" ? EXIT.ok : EXIT.deadLetters;
  await tell(retry, [...sinks.keys()], ending, exit);
  if (failure !== undefined) throw failure;
  return exit;
}

/** By whatever name the file is called, its lock is the same. */
async function realPath(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    throw fileError("read the dead letter", path, error);
  }
}

/** Where entries of a stage go: `--sink`, else the sink that refused them, else where new events would go. */
function sinkOf(stage: string, context: Context): SinkName {
  if (context.origins.sink.source === "flag" || stage === "source" || stage === "filter") return targetOf(context).sink;
  if (Object.hasOwn(SINKS, stage)) return stage as SinkName;
  throw new ConfigError(`Cannot retry entries of stage "${stage}": this version has no such sink`, {
    hint: "Name another one with --sink, or choose entries with --stage",
  });
}

/** @param key The state key whose webhook queue is meant, where there is one. */
function targetOf({ values, origins, env }: Context, name?: SinkName, key?: string): Target {
  const { stateKey = key } = values;
  const sink = name ?? values.sink;
  return findTarget({ values: { ...values, sink, stateFile: undefined, stateKey }, origins, env }, {
    defaultKey: "dead-letter",
    format: "cursors",
  });
}

async function runToTheEnd(
  { context, counters, survey }: Retry,
  work: (signals: StopSignals) => Promise<void>,
): Promise<Ending> {
  using signals = listenForSignals({ shutdownTimeoutMs: context.globals.shutdownTimeout });
  try {
    const mode = progressMode(context as unknown as CommandContext);
    using _progress = showProgress({ counters, total: survey.count, totalMs: 0, mode, status: context.status });
    await work(signals);
    return { endedBy: signals.received === undefined ? "source" : "signal", failure: undefined };
  } catch (error) {
    let failure: unknown = error;
    while (failure instanceof SuppressedError) failure = failure.suppressed; // what came first says why
    return { endedBy: failure instanceof OutputClosedError ? "signal" : "error", failure };
  }
}

/** Brings the selected entries to one sink. */
async function retryInto(retry: Retry, name: SinkName, selection: Selection, signals: StopSignals): Promise<void> {
  const { context, path, snapshot, retries, filtering, counters } = retry;
  const { values } = context;
  const target = targetOf(context, name, name === "webhook" ? queueKeyOf(retry) : undefined);
  const { accepts, defaultBatchSize, open }: SinkEntry = SINKS[name];
  const { batchSize = defaultBatchSize } = values;
  const concurrency = concurrencyOf(values.concurrency, name);
  const settings = sinkSettings(values, name, {
    concurrency,
    collections: collectionsOf(retry, selection),
    redis: redisFacts(target, signals.stop),
    // Whoever delivers, now or later, has the lock and the dead letter.
    webhook: target.webhookQueue === undefined
      ? undefined
      : { file: target.webhookQueue, onlyQueue: true, deadLetter: () => Promise.resolve() },
  });
  const accepted = await accepts?.(settings);
  await using resources = new AsyncDisposableStack();
  const lock = lockOf(name, values);
  if (lock !== undefined && !values.dryRun) {
    if (name === "queue") await makeQueueFolder(values.queueDir);
    resources.use(await acquireLock(lock, { command: context.command }));
  }
  if (target.webhookQueue !== undefined && !values.dryRun) await makeFolder(dirname(target.webhookQueue));
  const sink: OpenSink = values.dryRun ? countingSink(name) : resources.use(await open(settings));
  const { totals = sink.figures } = sink;
  if (totals) retry.figures.set(name, totals);
  log.info("{dry}{path} into {sink} {place}", {
    dry: values.dryRun ? "Dry run: " : "",
    path,
    sink: name,
    place: target.place,
  });
  await redeliver({
    snapshot,
    retries,
    selection,
    key: keyOf(path),
    sink,
    source: { ...retry.source, batchSize },
    through: (batches) => {
      const wanted = accepted ? batches.pipeThrough(filterEvents(accepted)) : batches;
      return filtering.through ? filtering.through(wanted) : wanted;
    },
    delivery: {
      checkpointMs: values.checkpointInterval,
      batchMs: values.batchTimeout,
      concurrency,
      maxInFlight: values.maxInFlight,
      backoff: fullJitter(values.maxRetries),
    },
    counters,
    signals,
  });
}

/** What keeps another writer away from a sink that keeps the position in a file. */
function lockOf(name: SinkName, { db, queueDir, queueName }: Context["values"]): string | undefined {
  if (name === "queue") return queueLock(queueFile(queueDir, queueName));
  return name === "sqlite" ? databaseLock(db, "dead-letter") : undefined;
}

/** The state key whose webhook queue the events came from. @throws {ConfigError} Where there are several. */
function queueKeyOf({ context: { values }, survey: { keys }, path }: Retry): string | undefined {
  const [key, ...others] = keys;
  if (others.length === 0 || values.webhookQueue !== undefined || values.stateKey !== undefined) return key;
  throw new ConfigError(`Cannot choose a webhook queue: entries of ${path} are of ${[...keys].join(", ")}`, {
    hint: "Name one with --webhook-queue",
  });
}

/** What a sink will be given, where that is known before it is read. */
function collectionsOf({ context, survey }: Retry, { stages }: Selection): readonly string[] | undefined {
  if (context.given("wantedCollections")) return context.values.wantedCollections;
  const known = stages.map((stage) => survey.stages.get(stage));
  return known.includes(undefined) ? undefined : [...new Set(known.flatMap((each) => [...each!]))];
}

/** Under which a sink keeps how far the retry of a file has come, beside the positions of ingest commands. */
function keyOf(path: string): string {
  return `dead-letter:${basename(path, ".ndjson")}`;
}

/** The summary, as JSON or for a person. */
async function tell(
  { context, path, filtering, counters, survey, figures }: Retry,
  sinks: readonly SinkName[],
  { endedBy, failure }: Ending,
  exit: number,
): Promise<void> {
  const { values, globals } = context;
  const startedAt = new Date(performance.timeOrigin + context.began);
  counters.cursors.clear(); // there is no position that anybody could go on from
  const summary = {
    ...summarize({
      command: context.command,
      source: path,
      sink: sinks.length > 0 ? sinks.join(",") : targetOf(context).sink,
      counters,
      stats: undefined,
      ...(values.where !== undefined && { whereFailed: filtering.failures() }),
      ...(values.validate !== "off" && { invalid: filtering.invalid() }),
      dryRun: values.dryRun,
      startedAt,
      durationMs: Date.now() - startedAt.getTime(),
      endedBy,
      error: failure === undefined || failure instanceof OutputClosedError ? null : messageOf(failure),
      exit,
      now: Date.now(),
      live: false,
    }),
    ...Object.fromEntries(figures.entries().map(([sink, count]) => [sink, count()])),
    left: survey.left,
  };
  if (globals.json) {
    const line = JSON.stringify(summary);
    if (sinks.includes("stdout")) context.stderr(line);
    else await context.stdout(line);
  } else if (!globals.quiet) {
    const places = sinks.map((sink) => `${targetOf(context, sink).place} (${sink})`).join(", ");
    context.stderr(survey.count === 0 ? `Nothing to retry in ${path}` : humanSummary(summary, places));
  }
  for (const [why, n] of survey.reasons) log.warn("Entries that stay: {n}, {why}", { n, why });
  if (counters.deadLettered > 0 && !values.dryRun) {
    log.warn("{n} entries failed again: bskyingest dead-letter list --dead-letter {path}", {
      n: counters.deadLettered,
      path,
    });
  }
}
