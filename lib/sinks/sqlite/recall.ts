/**
 * What the log remembers of the newest events, so that a source can tell what comes twice.
 *
 * @module
 */
import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import type { AtEvent, Commit, Origin } from "../../atproto/event.ts";
import type { Recall } from "../../pipeline/sink.ts";
import { DamagedRowError } from "../../state/sqlite_faults.ts";
import { quoted } from "./names.ts";

/** Rows older than the wanted time in a row that end the walk back: event times are only nearly in order. */
const PATIENCE = 5_000;

/**
 * Identity, account and sync events are told apart by members that only the JSON text has. So is a commit with a NUL in one of
 * its texts, behind which `node:sqlite` reads nothing, or with U+FFFD, which stands for what is no Unicode.
 */
const ODD = "instr(texts, char(0)) OR instr(texts, char(0xFFFD))";
const TEXTS = "did || collection || rkey || ifnull(rev, '') || ifnull(cid, '') AS texts";
const COLUMNS = "position, time_us, kind, did, collection, operation, rkey, rev, cid, seq, origin";

type Row = Record<string, SQLOutputValue>;

/** What a source may ask, answered at once. */
type RecallNow = (...args: Parameters<Recall<AtEvent>>) => Awaited<ReturnType<Recall<AtEvent>>>;

/**
 * Recall over the log `table`: events with all that `dedupeKey` looks at, without their records.
 *
 * With an index on `time_us` the answer is exact. Without one the log is read from its end backwards; then rows of other
 * runs, or of other times, can hide what lies more than {@link PATIENCE} rows behind them.
 */
export function recallFrom(db: DatabaseSync, table: string, indexed: boolean): RecallNow {
  const select = (order: string) =>
    selectEvents(table, `WHERE kind IN ('commit', 'identity', 'account', 'sync') ${order}`);
  const byTime = select("AND time_us >= ? ORDER BY time_us DESC LIMIT ?");
  const byPosition = select("ORDER BY position DESC");

  return (since, limit) => {
    const origins = originsOf(db);
    const items: AtEvent[] = [];
    let complete = since - 1; // everything newer than this is in `items`
    let old = 0;
    const rows = indexed ? db.prepare(byTime).iterate(since, limit + 1) : db.prepare(byPosition).iterate();
    for (const row of rows) {
      const time = row.time_us as number;
      if (time >= since && items.length < limit) {
        items.push(eventOf(row, origins));
        old = 0;
      } else {
        complete = Math.max(complete, time);
        if (indexed || ++old >= PATIENCE) break;
      }
    }
    return { items, since: complete };
  };
}

/** A query for rows that {@link eventOf} understands. */
export function selectEvents(table: string, where: string): string {
  return `SELECT ${COLUMNS}, CASE WHEN kind <> 'commit' OR ${ODD} THEN json END AS json
    FROM (SELECT *, ${TEXTS} FROM ${quoted(table)}) ${where}`;
}

/** All origins by id: a handful. */
export function originsOf(db: DatabaseSync): ReadonlyMap<number, Origin> {
  const rows = db.prepare("SELECT id, source, wire, host FROM origins").all();
  return new Map(
    rows.map((
      { id, source, wire, host },
    ) => [id as number, Object.freeze({ source, wire, host } as unknown as Origin)]),
  );
}

/** A row as an event again. @throws {DamagedRowError} */
export function eventOf(row: Row, origins: ReadonlyMap<number, Origin>): AtEvent {
  const origin = origins.get(row.origin as number)!;
  if (row.json !== null) return { ...readJson(row), ...seqOf(row), origin } as AtEvent;
  const commit: Commit = {
    operation: row.operation as Commit["operation"],
    collection: row.collection as string,
    rkey: row.rkey as string,
    ...(row.rev !== null && { rev: row.rev as string }),
    ...(row.cid !== null && { cid: row.cid as string }),
  };
  return { did: row.did as string, time_us: row.time_us as number, ...seqOf(row), kind: "commit", origin, commit };
}

function readJson({ position, kind, json }: Row): Record<string, unknown> {
  try {
    const { did, time_us, [kind as string]: { record: _, ...rest } } = JSON.parse(json as string);
    return { did, time_us, kind, [kind as string]: rest };
  } catch (error) {
    throw new DamagedRowError(position as number, error);
  }
}

function seqOf(row: Row): { seq?: number } {
  return row.seq === null ? {} : { seq: row.seq as number };
}
