/**
 * What a consumer is told, and what it tells.
 *
 * @module
 */
import type { RedisLinkOptions } from "../../net/redis/link.ts";

/** Options of `redisSource`. */
export interface RedisSourceOptions {
  /** The server. */
  readonly connection: RedisLinkOptions;
  /** The streams; default `firehose_live`. */
  readonly streams?: readonly string[];
  /** Of streams that have partitions, these only, from 0 on; default: all. */
  readonly partitions?: readonly number[] | undefined;
  /** Default `bskyingest`. */
  readonly group?: string;
  /** Unlike that of any other process, and the same after a restart: what was not acknowledged belongs to it. */
  readonly consumer: string;
  /** Where a group begins that is made now: `oldest` (default), `new`, or after this id. */
  readonly from?: string;
  /** Entries of one read; default 500. */
  readonly count?: number;
  /** How long a read waits for entries, in milliseconds; default 1,000. */
  readonly blockMs?: number;
  /** Entries of a consumer that shows no sign of life for so long are taken over, in milliseconds; default 60,000. */
  readonly claimIdleMs?: number;
  /** How often to look for those, in milliseconds; default 10,000. */
  readonly claimMs?: number;
  /** An entry that was delivered so often and never acknowledged is dead; default 5. */
  readonly maxDeliveries?: number;
  /** Where dead entries go; default: a stream beside each stream, `<stream>_dlq`. */
  readonly deadStream?: string | undefined;
  /**
   * Hand entries on as they are, `{"stream", "id", "fields"}`, in place of events: only for sinks that print what they are given. Default:
   * no.
   */
  readonly raw?: boolean;
  /** What happens to entries that are acknowledged: removed once every group is done with them (default), at once, or never. */
  readonly afterAck?: "trim" | "delete" | "keep";
  /** How often to trim, in milliseconds; default 5,000. */
  readonly trimMs?: number;
}

/** What was counted. */
export interface ConsumeFigures {
  /** Entries read, those that were delivered before included. */
  readonly read: number;
  /** Entries that were delivered before. */
  readonly redelivered: number;
  /** Entries that were acknowledged. */
  readonly acknowledged: number;
  /** Entries that are in the dead stream now. */
  readonly dead: number;
  /** Entries that were deleted by somebody before they were acknowledged. */
  readonly deleted: number;
}

/** What counts where nothing is said. */
export const DEFAULTS = {
  streams: ["firehose_live"] as readonly string[],
  group: "bskyingest",
  from: "oldest",
  count: 500,
  blockMs: 1000,
  claimIdleMs: 60_000,
  claimMs: 10_000,
  maxDeliveries: 5,
  raw: false,
  afterAck: "trim" as "trim" | "delete" | "keep",
  trimMs: 5000,
};
