/**
 * The options of the firehose, and what they come to once everything is checked.
 *
 * @module
 */
import type { Kind } from "../../atproto/event.ts";
import type { RepoFilter } from "../../atproto/frame_events.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { collectionMatcher } from "../jetstream/filter.ts";
import { type LiveOptions, type LivePlan, makeLivePlan } from "../live/options.ts";
import { collectionFaults, didFaults, kindFaults, operationFaults } from "../wanted_faults.ts";

/** Options of {@link firehose}. */
export interface FirehoseOptions extends LiveOptions {
  /** NSIDs and wildcards (`app.bsky.feed.*`): restricts commits only. Default, and `all`: every collection. */
  readonly collections?: readonly string[];
  /** `create`, `update`, `delete`: restricts commits only. Default: all. */
  readonly operations?: readonly string[];
  /** Accounts: restricts every kind. Default: everybody. */
  readonly dids?: readonly string[];
  /** Which kinds of events. @default {["commit", "identity", "account"]} */
  readonly kinds?: readonly string[];
  /** What is checked of blocks: nothing, or their hashes and the commit's. @default {"blocks"} */
  readonly verify?: "none" | "blocks";
  /** Take the removed `#handle` for an identity event. @default {false} */
  readonly handles?: boolean;
  /** Of several hosts keep the first copy of each commit only. @default {false} */
  readonly dedupe?: boolean;
  /** So many commits are remembered for that. @default {500000} */
  readonly dedupeWindow?: number;
}

/** Options that were checked. */
export interface FirehosePlan {
  readonly live: LivePlan;
  readonly filter: RepoFilter;
  readonly verify: "none" | "blocks";
}

/**
 * Checks everything and puts it together.
 *
 * @throws {ConfigError} with every fault that was found.
 */
export function makeFirehosePlan(options: FirehoseOptions): FirehosePlan {
  const faults: string[] = [];
  const live = makeLivePlan(options, { hosts: ["bsky.network"], begin: "live", idleTimeout: "auto" }, faults);
  const { kinds = ["commit", "identity", "account"], operations, dids, collections, verify = "blocks" } = options;
  faults.push(
    ...kindFaults(kinds),
    ...(operations ? operationFaults(operations) : []),
    ...didFaults(dids ?? []),
    ...collectionFaults(collections ?? ["all"]),
  );
  if (collections?.length === 0) faults.push("Cannot use an empty list of collections: name at least one");
  const { dedupeWindow = 1 } = options;
  if (!Number.isSafeInteger(dedupeWindow) || dedupeWindow < 1) {
    faults.push(`Cannot use a dedupe window of ${dedupeWindow}: it must be an integer from 1 on`);
  }
  const [first, ...others] = faults;
  if (first !== undefined) throw new ConfigError([first, ...others]);
  return {
    live,
    verify,
    filter: {
      kinds: new Set(kinds as readonly Kind[]),
      operations: operations && new Set(operations),
      dids: dids && new Set(dids),
      collections: collections && !collections.includes("all") ? collectionMatcher(collections) : undefined,
    },
  };
}
