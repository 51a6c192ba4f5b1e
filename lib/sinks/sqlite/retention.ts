/**
 * Forgetting old events.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { getLogger } from "@logtape/logtape";
import { inTransaction } from "../../state/sqlite_transaction.ts";
import { quoted } from "./names.ts";

const log = getLogger(["bskyingest", "sqlite"]);

/** Rows that go at once, so that writing never waits long. */
const CHUNK = 10_000;
/** Milliseconds between two chunks. */
const INTERVAL_MS = 1_000;

/** Options of {@link retention}. */
export interface RetentionOptions {
  readonly table: string;
  /** How long events are kept, counted from their own time, in milliseconds. */
  readonly retentionMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * A function to be called after each commit. Once a second at most it deletes rows from the low end up to the first one that
 * is young enough: the order of arrival stays whole, and one late row holds others back until it ages. The newest row stays
 * in any case, or positions would begin at 1 again.
 */
export function retention(db: DatabaseSync, { table, retentionMs, now }: RetentionOptions): () => void {
  const name = quoted(table);
  const forget = db.prepare(
    `DELETE FROM ${name} WHERE position < (
       SELECT ifnull(min(position) FILTER (WHERE time_us >= ?), max(position))
       FROM (SELECT position, time_us FROM ${name} ORDER BY position LIMIT ${CHUNK + 1}))`,
  );
  let ranAt = -Infinity;
  return () => {
    if (Math.abs(now() - ranAt) < INTERVAL_MS) return; // the clock may be set back
    ranAt = now();
    try {
      inTransaction(db, () => forget.run((now() - retentionMs) * 1000));
    } catch (error) {
      // What was to be written is safe already; the rows go with a later commit.
      log.debug("Old rows stay for now: {error}", { error });
    }
  };
}
