/**
 * Changing many rows of a queue at once.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import type { QueueStatus } from "./words.ts";

/** Which rows are changed or deleted. */
export interface QueueSelection {
  /** Of which statuses. */
  readonly statuses: readonly QueueStatus[];
  /** Only rows that were added at least so long ago, in milliseconds. */
  readonly olderThanMs?: number | undefined;
  /** So many of the newest ones that would be selected stay as they are. */
  readonly keep?: number | undefined;
}

/** Rows that one transaction changes, so that others get their turn. */
const CHUNK = 1000;

/** Calls `change` with the ids of the selected rows, some at a time; it is to put each call into a transaction of its own. */
async function inChunks(
  db: DatabaseSync,
  { statuses, olderThanMs, keep = 0 }: QueueSelection,
  now: number,
  change: (select: () => number[]) => Promise<number[]>,
): Promise<number> {
  const before = olderThanMs === undefined
    ? null
    : new Date(now - olderThanMs).toISOString().slice(0, 19).replace("T", " ");
  const where = `status IN (SELECT value FROM json_each(?1))
    AND (?2 IS NULL OR substr(created_at, 1, 10) || ' ' || substr(created_at, 12, 8) <= ?2)`;
  const which = [JSON.stringify(statuses), before];
  // Rows that are added meanwhile are newer than those that are to be kept.
  const newest = db.prepare(`SELECT id FROM queue WHERE ${where} ORDER BY id DESC LIMIT 1 OFFSET ?3`).get(
    ...which,
    keep,
  );
  const chunk = db.prepare(`SELECT id FROM queue WHERE id > ?3 AND id <= ?4 AND ${where} ORDER BY id LIMIT ${CHUNK}`);
  let last = 0, count = 0;
  for (let ids: number[] = []; newest !== undefined; count += ids.length, last = ids.at(-1)!) {
    ids = await change(() => chunk.all(...which, last, newest.id!).map(({ id }) => id as number));
    if (ids.length === 0) break;
  }
  return count;
}

/** Runs one transaction. */
type Commit = <T>(work: () => T) => Promise<T>;

/** Moves rows to `pending`, with a fresh start. Answers how many. */
export function requeueRows(db: DatabaseSync, selection: QueueSelection, now: number, commit: Commit): Promise<number> {
  const move = db.prepare("UPDATE queue SET status = 'pending' WHERE id IN (SELECT value FROM json_each(?))");
  const renew = db.prepare(`UPDATE queue_leases SET attempts = 0, leased_until = NULL, not_before = NULL, updated_at = ?
    WHERE id IN (SELECT value FROM json_each(?))`);
  return inChunks(db, selection, now, (select) =>
    commit(() => {
      const ids = select();
      move.run(JSON.stringify(ids));
      renew.run(now, JSON.stringify(ids));
      return ids;
    }));
}

/** Deletes rows. Answers how many. */
export function purgeRows(db: DatabaseSync, selection: QueueSelection, now: number, commit: Commit): Promise<number> {
  const remove = db.prepare("DELETE FROM queue WHERE id IN (SELECT value FROM json_each(?))");
  const forget = db.prepare("DELETE FROM queue_leases WHERE id IN (SELECT value FROM json_each(?))");
  return inChunks(db, selection, now, (select) =>
    commit(() => {
      const ids = select();
      remove.run(JSON.stringify(ids));
      forget.run(JSON.stringify(ids));
      return ids;
    }));
}
