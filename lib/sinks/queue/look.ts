/**
 * Looking at a queue.
 *
 * @module
 */
import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { cursorRows } from "../../state/cursors_table.ts";
import { readQueueTime } from "./records.ts";
import { fileBytes } from "./size.ts";
import { QUEUE_STATUSES, type QueueStatus } from "./words.ts";

/** A row of a queue without what is in it. */
export interface QueueRow {
  /** Its number. */
  readonly id: number;
  /** One of {@link QUEUE_STATUSES}, unless another program wrote something else. */
  readonly status: string;
  /** How many records it has. */
  readonly records: number;
  /** RFC 3339, UTC; null where the file says something else. */
  readonly created_at: string | null;
  /** How often it was taken since it last got a fresh start. */
  readonly attempts: number;
  /** Who took it last. */
  readonly consumer: string | null;
  /** RFC 3339, UTC. */
  readonly leased_until: string | null;
  /** Why it was given back, or failed. */
  readonly last_error: string | null;
}

/** Which rows are listed, in the order of their ids. */
export interface QueueListOptions {
  /** Only those; default: all. */
  readonly status?: QueueStatus | undefined;
  /** The most rows. @default {100} */
  readonly limit?: number;
  /** Only rows with a greater id. */
  readonly after?: number | undefined;
}

/** Counts and ages; times are RFC 3339, UTC. */
export interface QueueStats {
  /** The file, as it was given. */
  readonly file: string;
  /** Of file and write-ahead log. */
  readonly bytes: number;
  /** Rows of each status. */
  readonly rows: Readonly<Record<QueueStatus, number>>;
  /** Records in the rows of each status. */
  readonly records: Readonly<Record<QueueStatus, number>>;
  /** Rows whose lease has ended and that no take has noticed yet. */
  readonly expired: number;
  /** Rows in `processing` that an older tool's consumer has taken. */
  readonly foreign: number;
  /** Pending rows that are not to be seen yet. */
  readonly delayed: number;
  /** When the first row that waits was added. */
  readonly oldest_pending_at: string | null;
  /** When the last row was added. */
  readonly newest_at: string | null;
  /** Event time of the first record, microseconds since 1970. */
  readonly first_time_us: string | null;
  /** Of the last one. */
  readonly last_time_us: string | null;
  /** By state key. */
  readonly cursor: Readonly<
    Record<string, {
      readonly time_us: number | null;
      readonly host: string | null;
      readonly state: string;
      readonly updated_at: string;
    }>
  >;
  /** Who has rows at the moment. */
  readonly consumers: readonly { readonly consumer: string | null; readonly rows: number }[];
}

/** What the metadata says, else what the payload has; SQLite cannot read every text. */
const RECORDS = `CASE WHEN json_valid(metadata) AND json_type(metadata, '$.actual_batch_size') = 'integer'
  THEN json_extract(metadata, '$.actual_batch_size')
  WHEN json_valid(payload) AND json_type(payload) = 'array' THEN json_array_length(payload) ELSE 0 END`;

/** The rows of `options`. */
export function listRows(db: DatabaseSync, { status, limit = 100, after = 0 }: QueueListOptions): QueueRow[] {
  const rows = db.prepare(
    `SELECT q.id, q.status, ${RECORDS} AS records, q.created_at, coalesce(l.attempts, 0) AS attempts, l.consumer,
    l.leased_until, l.last_error FROM queue q LEFT JOIN queue_leases l ON l.id = q.id
    WHERE q.id > ?1 AND (?2 IS NULL OR q.status = ?2) ORDER BY q.id LIMIT ?3`,
  ).all(after, status ?? null, limit);
  return rows.map((row) => ({
    ...row,
    created_at: rfc3339(readQueueTime(row.created_at)),
    leased_until: rfc3339(row.leased_until as number | null),
  } as unknown as QueueRow));
}

/** Reads every row. */
export function statsOf(db: DatabaseSync, file: string, now: number): QueueStats {
  // Without GROUP BY, for which SQLite would copy the payloads.
  const sum = (name: string, value: string) =>
    QUEUE_STATUSES.map((status) => `total(iif(status = '${status}', ${value}, 0)) AS ${name}_${status}`).join();
  const sums = db.prepare(
    `SELECT ${sum("rows", "1")}, ${sum("records", RECORDS)},
    total(status = 'processing' AND leased_until <= :now) AS expired,
    total(status = 'processing' AND leased_until IS NULL) AS foreign_rows,
    total(status = 'pending' AND not_before > :now) AS delayed FROM queue LEFT JOIN queue_leases USING (id)`,
  ).get({ now }) as Record<string, number>;
  const byStatus = (name: string) =>
    Object.fromEntries(QUEUE_STATUSES.map((status) => [status, sums[`${name}_${status}`]])) as QueueStats["rows"];
  const consumers = db.prepare(
    `SELECT consumer, count(*) AS rows FROM queue_leases WHERE leased_until IS NOT NULL GROUP BY consumer ORDER BY 2 DESC, 1`,
  ).all();
  return {
    file,
    bytes: fileBytes(file),
    rows: byStatus("rows"),
    records: byStatus("records"),
    expired: sums.expired!,
    foreign: sums.foreign_rows!,
    delayed: sums.delayed!,
    oldest_pending_at: timeOf(db, "WHERE status = 'pending' ORDER BY id"),
    newest_at: timeOf(db, "ORDER BY id DESC"),
    first_time_us: eventTime(db, "first_time_us", 0),
    last_time_us: eventTime(db, "last_time_us", -1),
    cursor: Object.fromEntries(
      cursorRows(db).map(({ key, cursor, state, updated_at }) => {
        return [key, { ...placeOf(cursor), state, updated_at }];
      }),
    ),
    consumers: consumers.map((row) => ({ ...row }) as QueueStats["consumers"][number]),
  };
}

function timeOf(db: DatabaseSync, which: string): string | null {
  return rfc3339(readQueueTime(db.prepare(`SELECT created_at FROM queue ${which} LIMIT 1`).get()?.created_at));
}

/** `null` also for what is no time. */
function rfc3339(ms: number | null | undefined): string | null {
  const date = new Date(ms ?? NaN);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** The time of the first record of the first row, or (-1) of the last one of the last row. */
function eventTime(db: DatabaseSync, member: string, at: 0 | -1): string | null {
  const row = db.prepare(`SELECT metadata, payload FROM queue ORDER BY id ${at === 0 ? "" : "DESC"} LIMIT 1`).get();
  if (row === undefined) return null;
  const known = (parsed(row.metadata) as Record<string, unknown> | undefined)?.[member];
  const records = known === undefined ? parsed(row.payload) : undefined;
  const time = known ?? (Array.isArray(records) ? records.at(at)?.time_us : undefined);
  return time === undefined || time === null ? null : String(time);
}

function parsed(text: SQLInputValue | undefined): unknown {
  try {
    return JSON.parse(text as string);
  } catch {
    return undefined; // another program wrote it
  }
}

/** What a position says that any reader can understand; the rest only its source knows. */
function placeOf(cursor: string): { time_us: number | null; host: string | null } {
  const { time_us = null, host = null } = (parsed(cursor) ?? {}) as { time_us?: number | null; host?: string | null };
  return { time_us, host };
}
