/**
 * Patience with a server that refuses the credentials: keys are renewed, and clusters restart.
 *
 * @module
 */
import { type ConfigError, TransientError } from "../../pipeline/errors.ts";

/** The third refusal in a row is believed. */
const MOST_TRIES = 3;
/** A refusal that long after the one before has nothing to do with it, in waits. */
const FORGET_AFTER = 6;

/** Decides what a refusal leads to: to another try, or to the end of the run with the refusal itself. */
export type Denials = (refusal: ConfigError) => ConfigError | TransientError;

/**
 * @param waitMs The least time between two tries, in milliseconds.
 * @param now A clock in milliseconds that never jumps.
 */
export function countDenials(waitMs: number, now: () => number = () => performance.now()): Denials {
  let tries = 0, last = -Infinity;
  return (refusal) => {
    const since = now() - last;
    if (since > FORGET_AFTER * waitMs) tries = 0;
    // Bulks side by side are refused together: that is one try.
    if (tries === 0 || since >= waitMs / 2) {
      tries++;
      last = now();
    }
    if (tries >= MOST_TRIES) return refusal;
    return new TransientError(refusal.message, { cause: refusal, retryAfterMs: waitMs });
  };
}
