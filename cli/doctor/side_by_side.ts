/**
 * Runs that read relays, PDSs or labelers side by side, each from a position of its own.
 *
 * @module
 */
import { hostAndPort } from "../../lib/net/permission.ts";
import type { Cursor } from "../../lib/pipeline/batch.ts";
import type { Endpoint } from "../../lib/sources/live/endpoint.ts";
import type { Values } from "../kit/declaration.ts";
import type { redisConnectionOptions } from "../options/redis.ts";
import { type Check, type Finding, runChecks } from "./check.ts";
import { checkClock } from "./clock.ts";
import type { Run } from "./run.ts";
import { savedPositions, together } from "./saved.ts";

/** What is particular to one. */
export interface Hosts extends Pick<Run, "target" | "collections"> {
  readonly endpoints: readonly Endpoint[];
  /** Of the positions, in the order of the hosts. */
  readonly keys: readonly string[];
  readonly values: Values<typeof redisConnectionOptions>;
  /** Of all hosts. */
  readonly checks: readonly Check[];
  /** What is to be said of the position of one host, the first being 0. */
  judge(saved: Cursor | undefined, host: number): Finding | Promise<Finding>;
}

/** All that such a run depends on. */
export function sideBySide({ target, collections, endpoints, keys, values, checks, judge }: Hosts): Run {
  const urls = endpoints.map(({ http }) => http);
  return {
    target,
    keys,
    collections,
    net: urls.map((url) => hostAndPort(new URL(url))),
    source: () => runChecks(checks),
    position: async () => together(await Promise.all((await savedPositions(target, values, keys)).map(judge))),
    others: [{ name: "clock", optional: true, run: (signal) => checkClock(urls, signal) }],
  };
}
