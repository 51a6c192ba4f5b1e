/**
 * Waiting for a server that is away.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { patiently as wait } from "../../net/redis/patience.ts";

const log = getLogger(["bskyingest", "consume"]);

/** Tries until it works, or `signal` aborts: then its reason is thrown. */
export function patiently<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return wait(work, signal, (error) => log.warn("Trying again: {error}", { error }));
}
