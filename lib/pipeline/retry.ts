/**
 * When to try again.
 *
 * @module
 */
import { TransientError } from "./errors.ts";

/** How many milliseconds to wait before attempt `n` (from 0), or `undefined` to give up. */
export type Backoff = (attempt: number, error: unknown) => number | undefined;

/** The least and the longest wait, in milliseconds. */
export const LEAST_WAIT_MS = 250, LONGEST_WAIT_MS = 30_000;

/**
 * Full jitter between 250 ms and a bound that doubles up to 30 s; a server's Retry-After is the lower bound.
 *
 * @param maxRetries Give up after so many; 0 = never.
 */
export function fullJitter(maxRetries = 0, random: () => number = Math.random): Backoff {
  return (attempt, error) => {
    if (maxRetries > 0 && attempt >= maxRetries) return undefined;
    const asked = error instanceof TransientError ? error.retryAfterMs ?? 0 : 0;
    const bound = Math.min(LONGEST_WAIT_MS, LEAST_WAIT_MS * 2 ** attempt);
    return Math.max(asked, LEAST_WAIT_MS + random() * (bound - LEAST_WAIT_MS));
  };
}

/** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
