/**
 * Requests that are repeated while a server is in trouble.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { GetOptions, GetResult } from "../../net/get.ts";
import { messageOf, TransientError } from "../../pipeline/errors.ts";
import { type Backoff, delay, fullJitter } from "../../pipeline/retry.ts";

const log = getLogger(["bskyingest", "handles"]);

/** How requests are made and repeated. */
export interface RequestOptions {
  /** How long trouble may last, from the first request that failed, in milliseconds. */
  readonly limitMs: number;
  /** Aborting ends everything with the signal's reason. */
  readonly signal: AbortSignal;
  /** When to try again. Default: full jitter. */
  readonly backoff?: Backoff;
  /** The local clock, in milliseconds. @default {Date.now} */
  readonly now?: () => number;
  /** Waits so many milliseconds. */
  readonly delay?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Asks `what` on behalf of one handle, by `request`. Only what another attempt would not change comes back. */
export type Ask = <T extends GetResult | readonly string[]>(
  what: string,
  request: (bounds: Omit<GetOptions, "maxBytes">) => Promise<T>,
) => Promise<T>;

/** The longest that one request may take. */
const REQUEST_MS = 5000;

/**
 * Makes the {@link Ask} of one handle: whatever it asks for shares one limit. It throws a `TransientError` when the limit is
 * reached.
 */
export function createAsk(handle: string, options: RequestOptions): Ask {
  const { limitMs, signal, backoff = fullJitter(), now = Date.now } = options;
  const wait = options.delay ?? delay;
  let giveUpAt: number | undefined;
  return async (what, request) => {
    const startedAt = now();
    for (let attempt = 0;; attempt++) {
      const left = Math.ceil((giveUpAt ?? startedAt + limitMs) - now());
      try {
        return settled(await request({ timeoutMs: Math.max(1, Math.min(REQUEST_MS, left)), signal }));
      } catch (error) {
        if (!(error instanceof TransientError)) throw error;
        giveUpAt ??= startedAt + limitMs;
        const waitMs = backoff(attempt, error);
        const why = messageOf(error);
        if (waitMs === undefined || now() + waitMs >= giveUpAt) {
          throw new TransientError(`Cannot resolve handle ${handle} by ${what}: ${why}`, { cause: error });
        }
        log.warn("Cannot resolve {handle} by {what}: {why}; trying again in {seconds} s", {
          handle,
          what,
          why,
          seconds: Math.round(waitMs / 100) / 10,
        });
        await wait(waitMs, signal);
      }
    }
  };
}

/** @throws {TransientError} for an answer that says "later". */
function settled<T extends GetResult | readonly string[]>(result: T): T {
  if (!("status" in result) || (result.status !== 429 && result.status < 500)) return result;
  throw new TransientError(`it answers ${result.status}`, { retryAfterMs: result.retryAfterMs });
}
