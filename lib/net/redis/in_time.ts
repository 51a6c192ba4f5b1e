/**
 * Patience with an end.
 *
 * @module
 */

/** Waits for something, but not for ever, and not after `signal` has aborted. */
export async function inTime<T>(work: Promise<T>, ms: number, signal?: AbortSignal): Promise<T> {
  work.catch(() => {}); // what comes after all is nobody's any more
  signal?.throwIfAborted();
  const { promise: over, reject } = Promise.withResolvers<never>();
  const timer = ms === Infinity
    ? undefined
    : setTimeout(() => reject(new Error(`No answer within ${ms / 1000} s`)), ms);
  const onAbort = () => reject(signal!.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}
