/**
 * The circuit breaker: a receiver that is in trouble is left alone, and then met carefully.
 *
 * @module
 */

/** What survives a restart. */
export interface BreakerState {
  /** Failures in a row. */
  readonly failures: number;
  /** How often it has opened in a row. */
  readonly opened: number;
  /** No request before that, in milliseconds since 1970. */
  readonly until: number;
}

/** Nothing has failed. */
export const CLOSED: BreakerState = { failures: 0, opened: 0, until: 0 };

/** Options of {@link createBreaker}. */
export interface BreakerOptions {
  /** Requests under way at most. */
  readonly concurrency: number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** As it was left. */
  readonly state: BreakerState;
}

/** See the module. Times are in milliseconds since 1970. */
export interface Breaker {
  readonly state: BreakerState;
  /** How it is called. */
  stage(now: number): "closed" | "half-open" | "open";
  /** Since when it is not closed. */
  readonly since: number | undefined;
  /** How many requests may be under way. */
  allowed(now: number): number;
  /** A receiver that answered, whatever it said of the events. */
  succeed(): void;
  /** No answer, or one that says it is in trouble. `askedMs`: the least wait that it asks for. */
  fail(now: number, askedMs: number): void;
  /** Nothing is to be sent before `until`, without any failure. */
  hold(until: number): void;
}

const FAILURES = 5;
const FIRST_WAIT_MS = 1000, LONGEST_WAIT_MS = 300_000;

/** A breaker that goes on where it was. */
export function createBreaker({ concurrency, random, state }: BreakerOptions): Breaker {
  let { failures, opened, until } = state;
  let since: number | undefined = opened > 0 ? until : undefined;
  /** Grows with successes once it has been open. */
  let lanes = concurrency;
  return {
    get state() {
      return { failures, opened, until };
    },
    get since() {
      return since;
    },
    stage: (now) => opened === 0 ? "closed" : now < until ? "open" : "half-open",
    allowed: (now) => now < until ? 0 : opened > 0 ? 1 : lanes,
    succeed() {
      if (opened > 0) lanes = 1;
      else lanes = Math.min(concurrency, lanes * 2);
      failures = opened = 0;
      since = undefined;
    },
    fail(now, askedMs) {
      failures++;
      if (opened > 0 && now < until) return; // one of those that were under way when it opened
      if (opened > 0 || failures >= FAILURES) {
        const bound = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** opened);
        opened++;
        since ??= now;
        until = Math.max(until, now + Math.max(askedMs, random() * bound));
      }
    },
    hold(time) {
      until = Math.max(until, time);
    },
  };
}
