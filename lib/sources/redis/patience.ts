/**
 * Waiting for a server that is away.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { messageOf, TransientError } from "../../pipeline/errors.ts";
import { delay, fullJitter } from "../../pipeline/retry.ts";

const log = getLogger(["bskyingest", "consume"]);

/** Tries until it works, or `signal` aborts: then its reason is thrown. */
export async function patiently<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const backoff = fullJitter();
  for (let attempt = 0;; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      if (attempt === 0) log.warn("Trying again: {error}", { error: messageOf(error) });
      await delay(backoff(attempt, error)!, signal);
    }
  }
}
