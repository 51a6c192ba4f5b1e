/**
 * What a run says while it runs.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { Counters } from "../lib/pipeline/counters.ts";
import { spanText } from "./kit/units.ts";

const log = getLogger(["bskyingest", "progress"]);

/** Redraws on a terminal, log lines elsewhere, in milliseconds. */
const DRAW_MS = 250, LOG_MS = 10_000;
/** Rates are those of so long a time, or a batch a second would look like none, then four times as many. */
const RATE_MS = 5000;
const BAR = 20;

/** How fast events come and go, a second. */
export interface Rates {
  readonly received: number;
  readonly written: number;
}

/** Makes a line of progress; `nowMs`: milliseconds since 1970. */
export type ProgressText = (rates: Rates, elapsedMs: number, nowMs: number) => string;

/** What {@link showProgress} shows. */
export interface ProgressOptions {
  readonly counters: Counters;
  /** Where the end is known: written events that count, or milliseconds. 0 = not known. */
  readonly total: number;
  readonly totalMs: number;
  /** `line`: redrawn on a terminal; `log`: a log line now and then; `off`. */
  readonly mode: "line" | "log" | "off";
  readonly status: (text: string | undefined) => void;
  /** The line. Default: {@link progressText}. */
  readonly text?: ProgressText;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Shows progress until it is disposed of. */
export function showProgress(options: ProgressOptions): Disposable {
  if (options.mode === "off") return { [Symbol.dispose]() {} };
  const { counters, mode, status, now = Date.now } = options;
  const started = now();
  const samples = [{ at: started, received: 0, written: 0 }];
  const timer = setInterval(() => {
    const at = now();
    const sample = { at, received: counters.received, written: counters.written };
    samples.push(sample);
    while (samples.length > 2 && at - samples[1]!.at >= RATE_MS) samples.shift();
    const [oldest] = samples;
    const seconds = Math.max(0.001, (at - oldest!.at) / 1000);
    const rates = {
      received: (sample.received - oldest!.received) / seconds,
      written: (sample.written - oldest!.written) / seconds,
    };
    const text = options.text?.(rates, at - started, at) ?? progressText(options, rates, at - started, at);
    if (mode === "line") status(text);
    else log.info("{progress}", { progress: text });
  }, mode === "line" ? DRAW_MS : LOG_MS);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      if (mode === "line") status(undefined);
    },
  };
}

/** One line: counts, rates, lag, what waits, and a bar where the end is known. */
export function progressText(
  { counters, total, totalMs }: ProgressOptions,
  rates: Rates,
  elapsedMs: number,
  nowMs: number,
): string {
  const n = (value: number) => Math.round(value).toLocaleString("en-US");
  const parts = [
    `received ${n(counters.received)} (${n(rates.received)}/s)`,
    `written ${n(counters.written)} (${n(rates.written)}/s)`,
  ];
  if (counters.lastTimeUs !== undefined) {
    parts.push(`lag ${spanText(Math.max(0, nowMs - counters.lastTimeUs / 1000))}`);
  }
  if (counters.inFlight > 0) parts.push(`waiting ${n(counters.inFlight)}`);
  if (counters.retried > 0) parts.push(`retried ${n(counters.retried)}`);
  if (counters.deadLettered > 0) parts.push(`dead ${n(counters.deadLettered)}`);
  const done = Math.max(total > 0 ? counters.counted / total : 0, totalMs > 0 ? elapsedMs / totalMs : 0);
  if (done > 0) parts.unshift(bar(Math.min(1, done), elapsedMs));
  return parts.join("  ");
}

function bar(done: number, elapsedMs: number): string {
  const filled = Math.round(done * BAR);
  const left = Math.round(elapsedMs * (1 - done) / done / 1000);
  return `[${"#".repeat(filled)}${".".repeat(BAR - filled)}] ${Math.floor(done * 100)} %, ${left} s left`;
}
