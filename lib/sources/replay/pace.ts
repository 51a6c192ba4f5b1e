/**
 * Replaying at the speed at which messages came.
 *
 * @module
 */
import { delay } from "../../pipeline/retry.ts";

/** A clock that can be waited on. */
export interface Clock {
  /** Milliseconds from any beginning. */
  now(): number;
  /** Resolves after `ms`; rejects when `signal` aborts first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The machine's. */
export const systemClock: Clock = { now: () => performance.now(), sleep: delay };

/** Shorter waits are not worth a timer: what comes due within it goes out together. */
const TICK_MS = 5;

/** Says how long to wait before a message. */
export interface Pace {
  /** The next message is the first one: of a file, or behind what is passed over. */
  begin(): void;
  /** Milliseconds until what came at `atUs` (microseconds since 1970) is due; 0 = now. */
  wait(atUs: number): number;
}

/** `speed` times as fast as it came. */
export function createPace(speed: number, clock: Clock): Pace {
  let first: { readonly atUs: number; readonly ms: number } | undefined;
  return {
    begin: () => void (first = undefined),
    wait(atUs) {
      first ??= { atUs, ms: clock.now() };
      const wait = first.ms + (atUs - first.atUs) / 1000 / speed - clock.now();
      return wait <= 0 ? 0 : Math.max(TICK_MS, wait);
    },
  };
}
