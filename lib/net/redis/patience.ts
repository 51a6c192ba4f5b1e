/**
 * Waiting for a server that is away.
 *
 * @module
 */
import { messageOf, TransientError } from "../../pipeline/errors.ts";
import { delay, fullJitter } from "../../pipeline/retry.ts";
import { inTime } from "./in_time.ts";

/** Whoever waits for long is told so, but not at each attempt. */
const SAY_EVERY_MS = 60_000;

/**
 * Tries until it works, or `signal` aborts: then its reason is thrown.
 *
 * @param say Told why it does not work: at the first attempt, and then once a minute.
 * @param isLasting Which failures waiting does not mend: they are thrown.
 */
export async function patiently<T>(
  work: () => Promise<T>,
  signal: AbortSignal | undefined,
  say: (error: string) => void,
  isLasting: (error: unknown) => boolean = () => false,
): Promise<T> {
  const backoff = fullJitter();
  for (let attempt = 0, saidAt = -Infinity;; attempt++) {
    try {
      return await inTime(work(), Infinity, signal);
    } catch (error) {
      if (!(error instanceof TransientError) || isLasting(error)) throw error;
      if (Date.now() - saidAt >= SAY_EVERY_MS) {
        saidAt = Date.now();
        say(messageOf(error));
      }
      await delay(backoff(attempt, error)!, signal);
    }
  }
}
