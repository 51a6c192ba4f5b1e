/**
 * Time, as something that tests can give.
 *
 * @module
 */
import { delay } from "../../../lib/pipeline/retry.ts";

/** Tells the time and waits. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after `ms`; rejects when `signal` aborts first. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

/** The clock of this machine. */
export const SYSTEM_CLOCK: Clock = { now: Date.now, wait: delay };

/** Waits; answers whether the time passed without `stop`. */
export async function pause(clock: Clock, ms: number, stop: AbortSignal): Promise<boolean> {
  try {
    await clock.wait(ms, stop);
  } catch (error) {
    if (!stop.aborted) throw error;
  }
  return !stop.aborted;
}
