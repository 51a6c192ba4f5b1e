/**
 * Waiting for a server that is away.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { patiently as wait } from "../../net/redis/patience.ts";
import { isGroupGone } from "./group.ts";

const log = getLogger(["bskyingest", "consume"]);

/** Tries until it works, or `signal` aborts: then its reason is thrown. So is that the group is gone. */
export function patiently<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return wait(work, signal, (error) => log.warn("Trying again: {error}", { error }), isGroupGone);
}
