/**
 * Jetstream as a source: both wires, resuming exactly, over as many hosts as are named.
 *
 * @module
 */
import type { AtEvent } from "../../atproto/event.ts";
import { batchStream, type Source, type SourceStats } from "../../pipeline/source.ts";
import { type JetstreamOptions, makePlan, type Plan } from "./options.ts";
import { Session } from "./session.ts";

/** A Jetstream. */
export interface JetstreamSource extends Source<AtEvent> {
  /** Live figures. */
  readonly stats: SourceStats;
  /** The hosts that may be read, in the order of fail-over. */
  readonly hosts: readonly string[];
  /** The collections that are read: NSIDs, `x.y.*`, or `all`. */
  readonly collections: readonly string[];
  /** Closes the connection and dials at once, at the position. */
  reconnect(): void;
}

/**
 * Events of Jetstream servers, from a position on, for ever or until `options.end`.
 *
 * @example
 * ```ts ignore
 * import { jetstream } from "@org/bskyingest";
 * for await (const batch of jetstream({ collections: ["app.bsky.feed.post"] }).open()) {
 *   for (const event of batch.items) console.log(event.did, event.time_us);
 * }
 * ```
 * @throws {ConfigError} with every fault of the options.
 */
export function jetstream(options: JetstreamOptions = {}): JetstreamSource {
  const plan = makePlan(options);
  const stats: SourceStats = { bytesReceived: 0, connections: 0, connected: false, ignored: 0, host: undefined };
  let session: Session | undefined;
  return {
    key: plan.key,
    hosts: plan.endpoints.map(({ host }) => host),
    collections: collectionsOf(plan),
    stats,
    open(open = {}) {
      return batchStream(open.stop, (stop) => {
        session = new Session(session ? resuming(plan) : plan, options, stats, open, stop);
        return session.batches();
      });
    },
    seal: (cursor) => session?.seal(cursor) ?? cursor,
    reconnect: () => session?.reconnect(),
  };
}

/** A plan that begins at the saved position, wherever it is. */
export function resuming(plan: Plan): Plan {
  return { ...plan, begin: undefined, noRewind: false, maxRewindUs: 0 };
}

/** What a checked filter comes to: without commits there are no collections. */
export function collectionsOf({ filter: { kinds, collections } }: Plan): readonly string[] {
  return kinds.has("commit") ? collections ?? ["all"] : [];
}
