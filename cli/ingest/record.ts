/**
 * One run of `record`: from the connection to the file and the summary.
 *
 * @module
 */
import { dirname } from "node:path";
import { type Counters, createCounters } from "../../lib/pipeline/counters.ts";
import { ConfigError, messageOf, OutputClosedError, TransientError } from "../../lib/pipeline/errors.ts";
import type { SourceStats } from "../../lib/pipeline/source.ts";
import { createRecorder, type Recorder, type RecordingOutput } from "../../lib/sources/replay/recorder.ts";
import type { TapEntry } from "../../lib/sources/tap.ts";
import { fileError, openPrivate, syncFolder, writeAll } from "../../lib/state/files.ts";
import { gapsFile, stateFolder } from "../../lib/state/paths.ts";
import { EXIT, exitStatus } from "../exit.ts";
import type { CommandContext } from "../kit/command.ts";
import { writeOut } from "../kit/terminal.ts";
import type { RecordingOptions } from "../options/record.ts";
import { showProgress } from "../progress.ts";
import type { EndedBy } from "../report.ts";
import { listenForSignals } from "../signals.ts";
import { startListening } from "./ops.ts";
import { progressMode } from "./run.ts";

/** The context of a command that records. */
type Context = CommandContext<RecordingOptions>;

/** Shown all that a source receives. */
export type Tap = (entry: TapEntry) => void;

/** A source, as far as a recording needs it. */
export interface Recordable {
  readonly hosts: readonly string[];
  readonly stats: SourceStats;
  open(options: { readonly stop: AbortSignal }): ReadableStream<unknown>;
}

/** Messages go to the file as they come. */
const NO_LIMITS = { inFlight: 1, batch: 1, writes: 1 };
const STDOUT = "-";
const FLUSH_MS = 1000;
/** Bytes that may wait for the next flush. */
const MOST_WAITING = 4 * 1024 * 1024;

/**
 * Records until the end and says what became of it. Answers the exit status.
 *
 * @param name The command whose source it is.
 * @param end What it means when there is nothing left to read.
 */
export async function record(
  context: Context,
  { name, end }: { readonly name: string; readonly end: EndedBy },
  makeSource: (tap: Tap) => Recordable,
): Promise<number> {
  const { values } = context;
  const startedAt = new Date(performance.timeOrigin + context.began);
  const enough = new AbortController();
  const source = makeSource((entry) => {
    recorder.add(entry);
    if (recorder.full) enough.abort();
  });
  const file = values.out ?? `${name}-${startedAt.toISOString().replaceAll(/[-:]|\.\d+/g, "")}.rec.zst`;
  await using ops = await startListening(context, [file]);
  await using output = await openOutput(file, values.dryRun);
  const recorder = createRecorder({
    output,
    format: values.format,
    compression: file.endsWith(".zst") ? "zstd" : file.endsWith(".gz") ? "gzip" : "none",
    source: name,
    limit: values.numRecords,
  });
  const counters = createCounters();
  const watch = await ops?.watch({
    command: name,
    source: source.hosts.join(","),
    sink: "file",
    stream: undefined,
    key: context.command,
    counters,
    stats: source.stats,
    live: true,
    limits: NO_LIMITS,
    startedAt: startedAt.getTime(),
    gaps: gapsFile(stateFolder(context.env)),
    stateFolder: undefined,
  });
  watch?.begun();
  const { failure, endedBy = end } = await run(context, source, { recorder, counters, enough });
  await watch?.ended();
  if (failure !== undefined && recorder.messages === 0) await output.discard();
  if (failure instanceof ConfigError) throw failure;
  const exit = failure === undefined ? EXIT.ok : exitStatus(failure);
  await report(context, {
    command: context.command,
    source: source.hosts.join(","),
    format: values.format,
    file,
    ...figuresOf(recorder, startedAt),
    ...(values.dryRun && { bytes_written: 0 }),
    reconnects: Math.max(0, source.stats.connections - 1),
    ended_by: endedBy,
    error: failure === undefined || failure instanceof OutputClosedError ? null : messageOf(failure),
    exit,
  });
  if (failure !== undefined) throw failure;
  return exit;
}

function figuresOf({ messages, messageBytes, bytesWritten }: Recorder, startedAt: Date) {
  const durationMs = Date.now() - startedAt.getTime();
  return {
    received: messages,
    bytes_received: messageBytes,
    bytes_written: bytesWritten,
    started_at: startedAt.toISOString(),
    duration_ms: durationMs,
    rate_per_s: durationMs > 0 ? Math.round(messages / durationMs * 1e6) / 1e3 : 0,
  };
}

/** The `--json` summary; what it shares with other commands is named as theirs is. */
interface RecordSummary {
  readonly command: string;
  readonly source: string;
  readonly format: string;
  readonly file: string;
  /** Messages. */
  readonly received: number;
  readonly bytes_received: number;
  readonly bytes_written: number;
  readonly reconnects: number;
  readonly started_at: string;
  readonly duration_ms: number;
  readonly rate_per_s: number;
  readonly ended_by: EndedBy;
  readonly error: string | null;
  readonly exit: number;
}

/** Where stdout carries the recording, the summary goes to stderr. */
async function report({ globals, values, stdout, stderr }: Context, summary: RecordSummary): Promise<void> {
  if (globals.json) {
    return summary.file === STDOUT ? stderr(JSON.stringify(summary)) : await stdout(JSON.stringify(summary));
  }
  if (globals.quiet) return;
  const n = (value: number) => value.toLocaleString("en-US");
  const did = values.dryRun ? "Would record" : "Recorded";
  const seconds = (summary.duration_ms / 1000).toFixed(1);
  stderr(
    `${did} ${n(summary.received)} messages (${n(summary.bytes_received)} bytes) to ${summary.file} ` +
      `(${n(summary.bytes_written)} bytes) in ${seconds} s, ended by ${summary.ended_by}`,
  );
}

/**
 * Reads until one of the ends; `endedBy` undefined: that of the source. Everything that came is written when it resolves, also after a
 * failure.
 */
async function run(
  context: Context,
  source: Recordable,
  { recorder, counters, enough }: { recorder: Recorder; counters: Counters; enough: AbortController },
): Promise<{ readonly failure: unknown; readonly endedBy: EndedBy | undefined }> {
  const { values, globals } = context;
  using signals = listenForSignals({ shutdownTimeoutMs: globals.shutdownTimeout });
  const timeUp = new AbortController();
  const left = Math.max(0, Math.min(context.began + values.maxTime - performance.now(), 2 ** 31 - 1));
  const timer = values.maxTime > 0 ? setTimeout(() => timeUp.abort(), left) : undefined;
  let failure: unknown;
  const fail = (error: unknown) => {
    failure ??= error;
    enough.abort();
  };
  const flushing = setInterval(() => recorder.flush().catch(fail), FLUSH_MS);
  try {
    using _progress = showProgress({
      counters,
      total: values.numRecords,
      totalMs: values.maxTime,
      mode: progressMode(context as unknown as CommandContext),
      status: context.status,
    });
    const stop = AbortSignal.any([signals.stop, signals.kill, timeUp.signal, enough.signal]);
    for await (const _events of source.open({ stop })) {
      counters.received = counters.written = recorder.messages;
      if (recorder.waiting >= MOST_WAITING) await recorder.flush();
    }
    if (timeUp.signal.aborted && source.stats.connections === 0) {
      throw new TransientError(`Cannot read from ${source.hosts.join(",")}: no connection came about in time`);
    }
  } catch (error) {
    fail(error);
  } finally {
    clearTimeout(timer);
    clearInterval(flushing);
  }
  await recorder.flush().catch(fail);
  if (failure instanceof OutputClosedError) return { failure, endedBy: "signal" };
  if (failure !== undefined) return { failure, endedBy: "error" };
  const endedBy = recorder.full ? "count" : signals.received ? "signal" : timeUp.signal.aborted ? "time" : undefined;
  return { failure, endedBy };
}

/** Where the recording goes. */
interface Output extends RecordingOutput, AsyncDisposable {
  /** Takes a file away that holds no message. */
  discard(): Promise<void>;
}

/** @throws {ConfigError} where there is a file of that name, or none can be made. */
async function openOutput(path: string, dryRun: boolean): Promise<Output> {
  const nothing = () => Promise.resolve();
  const none = { sync: nothing, discard: nothing, [Symbol.asyncDispose]: nothing };
  if (dryRun) return { ...none, write: nothing };
  if (path === STDOUT) return { ...none, write: writeOut };
  const file = await openPrivate(path, { write: true, createNew: true }).catch((error) => {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw fileError("record to", path, error);
    throw new ConfigError(`Cannot record to ${path}: the file exists`, { hint: "Name a new file with --out" });
  });
  await syncFolder(dirname(path));
  const mapped = <T>(work: Promise<T>) => work.catch((error) => Promise.reject(fileError("record to", path, error)));
  return {
    write: (bytes) => mapped(writeAll(file, bytes)),
    sync: () => mapped(file.syncData()),
    discard: () => Deno.remove(path),
    // deno-lint-ignore require-await -- what it throws must come by the promise
    async [Symbol.asyncDispose]() {
      file.close();
    },
  };
}
