/**
 * One run of an ingest command, from its options to the summary.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { createCounters } from "../../lib/pipeline/counters.ts";
import { ConfigError, messageOf, OutputClosedError, TransientError } from "../../lib/pipeline/errors.ts";
import type { PipelineResult } from "../../lib/pipeline/pipeline.ts";
import { EXIT, exitStatus } from "../exit.ts";
import type { CommandContext } from "../kit/command.ts";
import { showProgress } from "../progress.ts";
import { type EndedBy, humanSummary, summarize } from "../report.ts";
import { listenForSignals } from "../signals.ts";
import { filterOf } from "./filters.ts";
import { aboutRun, startListening } from "./ops.ts";
import type { Reading } from "./reading.ts";
import { findTarget, type StateOptions, type Target } from "./target.ts";
import { type IngestOptions, type Prepared, transfer } from "./transfer.ts";

const log = getLogger(["bskyingest", "run"]);

/** What differs between ingest commands. */
export interface Ingest {
  readonly context: CommandContext<IngestOptions>;
  readonly state: StateOptions;
  /** Rejects with `ConfigError` for the faults of the source's options. */
  readonly makeReading: (target: Target) => Promise<Reading>;
  /** What it means when there is nothing left to read. */
  readonly endOfSource: EndedBy;
  /** Whether events are told as they happen: files have no lag. */
  readonly live: boolean;
  /** Written events; 0 = no limit. */
  readonly limit: number;
  /** From the program's start, in milliseconds; 0 = no limit. */
  readonly maxTimeMs: number;
}

/** A run that was prepared. */
interface Run extends Prepared {
  readonly reading: Reading;
  readonly startedAt: Date;
}

/** How it ended; `failure`: what was thrown. */
interface Ending {
  readonly endedBy: EndedBy;
  readonly failure: unknown;
}

/** Runs until the end and says what became of it. Answers the exit status. */
export async function runIngest(ingest: Ingest): Promise<number> {
  const { context, limit } = ingest;
  const target = findTarget(context, ingest.state);
  const filtering = await filterOf(context.values);
  const startedAt = new Date(performance.timeOrigin + context.began);
  const reading = await ingest.makeReading(target);
  const counters = createCounters();
  await using own = context.inPlace
    ? undefined
    : await startListening(context, [context.values.db, context.values.out]);
  const watch = await (context.inPlace?.ops ?? own)?.watch(aboutRun(ingest, { target, reading, counters, startedAt }));
  const run: Run = {
    context,
    target,
    filtering,
    limit,
    counters,
    figures: undefined,
    begun: false,
    watch,
    finite: isFinite(ingest),
    reading,
    startedAt,
  };
  const ending = await runToItsEnd(run, ingest);
  await watch?.ended();
  if (ending.failure instanceof ConfigError) throw ending.failure;
  const exit = await tell(run, ingest, ending);
  if (ending.failure !== undefined) throw ending.failure;
  return exit;
}

/** Whether it comes to its end by itself. */
function isFinite({ context, live, limit, maxTimeMs }: Ingest): boolean {
  return !live || limit > 0 || maxTimeMs > 0 || context.given("endTimestamp" as never);
}

async function runToItsEnd(run: Run, { maxTimeMs, endOfSource }: Ingest): Promise<Ending> {
  const { context, limit, counters, reading } = run;
  using listening = new DisposableStack();
  const signals = context.inPlace?.signals ??
    listening.use(listenForSignals({ shutdownTimeoutMs: context.globals.shutdownTimeout }));
  const timeUp = new AbortController();
  const end = () => {
    signals.limitDrain("--max-time");
    timeUp.abort();
  };
  const timer = maxTimeMs > 0 ? setTimeout(end, Math.max(0, context.began + maxTimeMs - performance.now())) : undefined;
  try {
    const mode = progressMode(context);
    using _progress = showProgress({
      counters,
      total: limit,
      totalMs: maxTimeMs,
      mode,
      status: context.status,
      ...(reading.progress && { text: reading.progress }),
    });
    const stop = AbortSignal.any([signals.stop, timeUp.signal]);
    stop.addEventListener("abort", () => run.watch?.draining(), { once: true });
    const ended = await unlessStopped(
      stop,
      () => transfer(run, reading, { stop, kill: signals.kill, interrupt: signals.stop, safe: signals.unlimitDrain }),
    );
    if (ended === "limit") return { endedBy: "count", failure: undefined };
    if (signals.stop.aborted) return { endedBy: "signal", failure: undefined };
    if (!timeUp.signal.aborted) return { endedBy: endOfSource, failure: undefined };
    if (!run.begun) {
      const { sink, place } = run.target;
      throw new TransientError(`Cannot write to ${sink} ${place}: it was not there in time`);
    }
    if (reading.stats?.connections === 0) {
      throw new TransientError(`Cannot read from ${reading.name}: no connection came about in time`);
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

/** Whoever waits for a sink that does not answer, before anything is read, ends with the reason to stop: that is no failure. */
async function unlessStopped(
  stop: AbortSignal,
  work: () => Promise<PipelineResult["endedBy"]>,
): Promise<PipelineResult["endedBy"]> {
  try {
    return await work();
  } catch (error) {
    if (!stop.aborted || firstFailure(error) !== stop.reason) throw error;
    return "stop";
  }
}

/** The summary, as JSON or for a person. Answers the exit status. */
async function tell(run: Run, { live }: Ingest, { endedBy, failure }: Ending): Promise<number> {
  const { context, target, filtering, reading, counters, startedAt } = run;
  const { globals, values } = context;
  const figures = run.figures?.();
  const durationMs = Date.now() - startedAt.getTime();
  const part = reading.report?.(figures, { endedBy, durationMs }) ?? { members: {}, lines: [], failed: false };
  const { dead = 0 } = (figures ?? {}) as { readonly dead?: number };
  const incomplete = endedBy !== "signal" && (part.failed || counters.deadLettered + dead > 0);
  const exit = failure !== undefined ? exitStatus(failure) : incomplete ? EXIT.deadLetters : EXIT.ok;
  const summary = summarize({
    command: context.command,
    source: reading.name,
    sink: target.sink,
    counters,
    stats: reading.stats,
    ...(values.where !== undefined && { whereFailed: filtering.failures() }),
    ...(values.validate !== "off" && { invalid: filtering.invalid() }),
    figures,
    members: part.members,
    dryRun: values.dryRun,
    startedAt,
    durationMs,
    endedBy,
    error: failure === undefined || failure instanceof OutputClosedError ? null : messageOf(failure),
    exit,
    now: Date.now(),
    live,
  });
  if (counters.deadLettered + dead > 0 && !values.dryRun) {
    log.warn("{n} dead letters: bskyingest dead-letter list {which}", {
      n: counters.deadLettered + dead,
      which: reading.deadLetters?.listedBy ?? `--dead-letter ${target.deadLetter}`,
    });
  }
  if (globals.json && target.sink !== "stdout") await context.stdout(JSON.stringify(summary));
  else if (globals.json) context.stderr(JSON.stringify(summary));
  else if (!globals.quiet) {
    const whose = context.inPlace ? `${context.command}: ` : "";
    context.stderr([whose + humanSummary(summary, `${target.place} (${target.sink})`), ...part.lines].join("\n"));
  }
  return exit;
}

/** Closing what a failed run had open may fail as well: what came first says why. */
function firstFailure(error: unknown): unknown {
  return error instanceof SuppressedError ? firstFailure(error.suppressed) : error;
}

/** How this run shows its progress: not at all, as a line that is redrawn, or in the log. */
export function progressMode({ globals, env, inPlace }: CommandContext): "line" | "log" | "off" {
  if (globals.quiet) return "off";
  const plain = globals.json || inPlace || env("CI") || env("TERM") === "dumb" || !Deno.stderr.isTerminal();
  return plain ? "log" : "line";
}
