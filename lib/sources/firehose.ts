/**
 * The firehose of relays and PDSs as a source: every commit of every repo, resuming exactly, over as many hosts as are named.
 *
 * @module
 */
import { makeFirehosePlan } from "./firehose/options.ts";
import type { FirehoseOptions } from "./firehose/options.ts";
import { repoProtocol } from "./firehose/protocol.ts";
import { type LiveSource, liveSource } from "./live/source.ts";

export type { FirehoseOptions } from "./firehose/options.ts";
export type { LiveOptions } from "./live/options.ts";
export type { HostStats } from "./live/protocol.ts";
export type { LiveSource, LiveStats } from "./live/source.ts";

/**
 * Events of `com.atproto.sync.subscribeRepos`, from a position on, for ever or until `options.until`.
 *
 * All events of a frame are in one batch. The position of each host is kept under `firehose_live:cursor:<host>`, so that whoever
 * opens the source with several hosts should give it `load`.
 *
 * @example
 * ```ts ignore
 * import { firehose } from "@org/bskyingest";
 * for await (const batch of firehose({ collections: ["app.bsky.feed.post"] }).open()) {
 *   for (const event of batch.items) console.log(event.did, event.time_us);
 * }
 * ```
 * @throws {ConfigError} with every fault of the options.
 */
export function firehose(options: FirehoseOptions = {}): LiveSource {
  const { live, filter, verify } = makeFirehosePlan(options);
  const protocol = repoProtocol({ filter, verify, now: live.now, handles: options.handles ?? false });
  return liveSource(protocol, live, options);
}
