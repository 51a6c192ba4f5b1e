/**
 * A run of the pipeline that the operations server can tell to reconnect, or to forget its position and begin live.
 *
 * @module
 */
import type { AnyEvent } from "../../lib/atproto/event.ts";
import type { RunWatch } from "../../lib/ops/run_watch.ts";
import type { Gap } from "../../lib/pipeline/batch.ts";
import type { Counters } from "../../lib/pipeline/counters.ts";
import { TransientError } from "../../lib/pipeline/errors.ts";
import { type PipelineOptions, type PipelineResult, runPipeline } from "../../lib/pipeline/pipeline.ts";
import type { Source } from "../../lib/pipeline/source.ts";

/** Smaller numbers are no times in microseconds but sequence numbers. */
const MICROSECONDS_FROM = 1e15;

/** What a watched run needs. */
export interface WatchedRun {
  readonly watch: RunWatch;
  readonly counters: Counters;
  /** Clears the saved positions of these keys. */
  forget(keys: readonly string[]): Promise<void>;
}

type Options = PipelineOptions<AnyEvent, AnyEvent>;

/** Runs to its end. Whether a failure ends more than this pipeline is for whoever asked for it to say. */
export async function runWatched(options: Options, run: WatchedRun): Promise<PipelineResult> {
  try {
    return await (options.source.reconnect === undefined ? runPipeline(options) : runControlled(options, run));
  } finally {
    run.watch.failure = undefined;
  }
}

/** Runs to its end, and once more from the present each time that the position is to be forgotten. */
async function runControlled(options: Options, run: WatchedRun): Promise<PipelineResult> {
  const { watch } = run;
  const { stop, source } = options;
  let asked: PromiseWithResolvers<void> | undefined;
  let restart = new AbortController();
  let current = source;
  watch.control = {
    reconnect: (how) => source.reconnect!(how),
    forgetPosition() {
      asked ??= Promise.withResolvers<void>();
      restart.abort();
      return asked.promise;
    },
  };
  try {
    for (;;) {
      const signals = [...stop ? [stop] : [], restart.signal];
      const result = await runPipeline({ ...options, source: current, stop: AbortSignal.any(signals) });
      if (!restart.signal.aborted || result.endedBy !== "stop" || stop?.aborted) return result;
      await forgetAll(options, run);
      current = beginningLive(source);
      restart = new AbortController();
      asked?.resolve();
      asked = undefined;
    }
  } finally {
    watch.control = undefined;
    asked?.reject(new TransientError("Cannot forget the position: the run is ending"));
  }
}

/** The rows that say what was left out come first: a hole is never silent. */
async function forgetAll({ source, sink, recordGaps, kill }: Options, run: WatchedRun): Promise<void> {
  const { watch, counters, forget } = run;
  for (const [key, cursor] of counters.cursors) {
    const gaps = [resetGap(watch, cursor)];
    if (sink.checkpoints === undefined) await recordGaps?.(key, gaps);
    else {await sink.write({ items: [], cursor: undefined, key, gaps }, {
        signal: kill ?? new AbortController().signal,
      });}
  }
  await forget([...new Set([source.key, ...counters.cursors.keys()])]);
  counters.cursors.clear();
  counters.lastTimeUs = undefined;
  watch.tally.forgetCursor();
}

function resetGap({ about: { command }, links }: RunWatch, cursor: string): Gap {
  const { host, from } = whereIn(cursor);
  return {
    source: command,
    host: host || (links[0]?.host ?? ""),
    unit: from !== undefined && from < MICROSECONDS_FROM ? "seq" : "us",
    from,
    to: undefined,
    reason: "reset",
    state: "accepted",
  };
}

function whereIn(cursor: string): { readonly host: string; readonly from: number | undefined } {
  try {
    const value = JSON.parse(cursor);
    return typeof value === "number" ? { host: "", from: value } : { host: value.host ?? "", from: value.time_us };
  } catch {
    return { host: "", from: undefined };
  }
}

/** The same source; opened anew it begins live, whatever is saved and whatever its options say. */
function beginningLive(source: Source<AnyEvent>): Source<AnyEvent> {
  return { ...source, open: (options) => source.open({ ...options, afresh: true }) };
}
