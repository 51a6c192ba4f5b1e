/**
 * External versions: with them the later state of a record wins, in whatever order writes arrive and however often.
 *
 * @module
 */

import type { CommitEvent } from "../../atproto/event.ts";
import { tidMicros } from "../../atproto/tid.ts";
import { columnMicros } from "../../atproto/time.ts";

/** What is written at one time outranks each other so: the last one stays. Multiples of 256, as updates add 1. */
export const RANK = { plain: 0, enriched: 512, deleted: 768 } as const;

/** One of {@link RANK}. */
export type Rank = (typeof RANK)[keyof typeof RANK];

/** How far a rev may lie after the time at which it was witnessed, in microseconds: clocks differ. */
const MAX_AHEAD_US = 600_000_000;

/**
 * The time that orders the states of a record, in microseconds: the rev's, except where that lies more than ten minutes after
 * the time at which it was witnessed.
 */
export function revMicros(rev: unknown, timeUs: number): number {
  const us = tidMicros(rev);
  return us === undefined || us > timeUs + MAX_AHEAD_US ? timeUs : us;
}

/**
 * The same for a commit. A file's row of a post may lack the rev, and its `time_us` be what the author says: then the least of the
 * times that are known counts, so that the row stands back behind everything that is dated well. A delete was not said by its
 * author and came after what it deletes, so that it keeps its time.
 */
export function commitMicros({ commit: { rev, rkey, operation }, time_us, enriched }: CommitEvent): number {
  if (enriched === undefined || operation === "delete" || tidMicros(rev) !== undefined) return revMicros(rev, time_us);
  return Math.min(time_us, tidMicros(rkey) ?? Infinity, columnMicros(enriched.created_at) ?? Infinity);
}

/**
 * An external version: `us * 1024 + rank` as decimal text, a positive int64.
 *
 * @param us Microseconds since 1970; what lies before or after the range of safe integers becomes its end.
 */
export function versionOf(us: number, rank: Rank): string {
  const bounded = us >= 1 ? Math.min(Math.floor(us), Number.MAX_SAFE_INTEGER) : 1;
  return (BigInt(bounded) * 1024n + BigInt(rank)).toString();
}
