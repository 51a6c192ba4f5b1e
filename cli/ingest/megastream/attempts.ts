/**
 * When a bad file is tried again.
 *
 * @module
 */
import { failedAttempts, type FileEntry } from "../../../lib/state/processed_files.ts";

/** The longest time between two attempts, in milliseconds. */
const LONGEST_WAIT_MS = 3_600_000;

/** What decides about a file that has failed before. */
export interface AttemptOptions {
  /** Passes in which a bad file is tried; 0 = no limit. */
  readonly maxAttempts: number;
  /** Try it whatever it has been through. */
  readonly retryFailed: boolean;
  /** The time between two passes, in milliseconds; undefined: there is only one, and what may be tried is tried now. */
  readonly intervalMs: number | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Whether a file that is known as `entry` is tried now, in a later pass, or not any more. It has not changed since. */
export function nextAttempt(entry: FileEntry | undefined, options: AttemptOptions): "now" | "later" | "never" {
  const { maxAttempts, retryFailed, intervalMs, now } = options;
  const failures = failedAttempts(entry);
  if (entry?.status !== "failed" || failures === 0 || retryFailed) return "now";
  if (maxAttempts > 0 && failures >= maxAttempts) return "never";
  if (intervalMs === undefined) return "now";
  const passed = now - Date.parse(entry.timestamp);
  // A time that is not yet: the clock was set back.
  return passed >= 0 && passed < waitAfter(failures, intervalMs) ? "later" : "now";
}

/** 1, 2, 4 ... intervals, at most an hour: in milliseconds. */
function waitAfter(failures: number, intervalMs: number): number {
  return Math.min(LONGEST_WAIT_MS, intervalMs * 2 ** (failures - 1));
}
