/**
 * What the rows of Megastream files were.
 *
 * @module
 */
import { PoisonError } from "../../pipeline/errors.ts";
import type { Row } from "./files.ts";
import { readRow, type RowOptions, type RowResult } from "./rows.ts";

/** What the rows of files were. */
export interface RowCounters {
  /** Rows that were read. */
  rows: number;
  /** Posts that are no replies, created or updated. */
  posts: number;
  /** Posts that answer others. */
  replies: number;
  /** Posts that were deleted. */
  deletes: number;
  /** Accounts that were deleted, or otherwise purged. */
  account_deletions: number;
  /** Rows that were left out on purpose, by reason. */
  readonly skipped: Map<string, number>;
  /** Rows that went to the dead letter, by reason. */
  readonly rejected: Map<string, number>;
  /** Posts whose inferences could not be read, and that were kept without them. */
  badInferences: number;
}

/** All zero. */
export function createRowCounters(): RowCounters {
  return {
    rows: 0,
    posts: 0,
    replies: 0,
    deletes: 0,
    account_deletions: 0,
    skipped: new Map(),
    rejected: new Map(),
    badInferences: 0,
  };
}

/** What became of a row. */
export type ReadRow = RowResult | { readonly dead: PoisonError };

/** Reads a row and counts what it was. */
export function readCounted(row: Row, options: RowOptions, counters: RowCounters): ReadRow {
  counters.rows++;
  try {
    const result = readRow(row, options);
    if ("skip" in result) grow(counters.skipped, result.skip);
    else {
      counters[COUNTED_AS[result.what]]++;
      if (result.badInferences) counters.badInferences++;
    }
    return result;
  } catch (error) {
    if (!(error instanceof PoisonError)) throw error;
    grow(counters.rejected, error.reason);
    return { dead: error };
  }
}

const COUNTED_AS = {
  post: "posts",
  reply: "replies",
  delete: "deletes",
  account_deletion: "account_deletions",
} as const;

function grow(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** Adds what was counted apart. */
export function addRowCounters(sum: RowCounters, more: RowCounters): void {
  for (const key of ["rows", "posts", "replies", "deletes", "account_deletions", "badInferences"] as const) {
    sum[key] += more[key];
  }
  for (const key of ["skipped", "rejected"] as const) {
    for (const [name, count] of more[key]) sum[key].set(name, (sum[key].get(name) ?? 0) + count);
  }
}
