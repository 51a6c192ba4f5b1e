/**
 * What a run says at its end.
 *
 * @module
 */
import type { Counters } from "../lib/pipeline/counters.ts";
import type { SourceStats } from "../lib/pipeline/source.ts";
import { printable } from "./kit/terminal.ts";
import { spanText } from "./kit/units.ts";

/** Collections that a person is told of; `--json` has all. */
const TOP = 5;

/** Why a run ended. */
export type EndedBy = "count" | "time" | "end" | "until" | "source" | "signal" | "error";

/** What a command's own part of the summary is. */
export interface ReportPart {
  /** Members of the `--json` line. */
  readonly members: Readonly<Record<string, unknown>>;
  /** The same for a person. */
  readonly lines: readonly string[];
  /** Something other than an event could not be dealt with: the run is not a success. */
  readonly failed: boolean;
}

/** What the summary is made of. */
export interface ReportInput {
  readonly command: string;
  readonly source: string;
  readonly sink: string;
  readonly counters: Counters;
  readonly stats: Partial<SourceStats> | undefined;
  /** Events for which `--where` could not be evaluated; undefined: it was not given. */
  readonly whereFailed?: number;
  /** Records that do not match their lexicon; undefined: nobody asked. */
  readonly invalid?: number;
  /** What the sink counts besides. */
  readonly figures?: object | undefined;
  /** What the command counts besides. */
  readonly members?: ReportPart["members"];
  readonly dryRun: boolean;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly endedBy: EndedBy;
  readonly error: string | null;
  readonly exit: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Files have no lag. */
  readonly live: boolean;
}

/** The summary; the members are those of the `--json` line. */
export interface Summary {
  readonly command: string;
  readonly source: string;
  readonly sink: string;
  readonly received: number;
  readonly written: number;
  /** In a dry run in place of `written`. */
  readonly would_write?: number;
  readonly filtered: number;
  readonly duplicates: number;
  readonly rejected: number;
  readonly dead_lettered: number;
  readonly unsettled: number;
  readonly retried: number;
  readonly batches: number;
  readonly reconnects: number;
  readonly gaps: number;
  readonly bytes_received: number;
  /** Written events by collection, most first; of `connector` the names alone. */
  readonly collections: Readonly<Record<string, number>> | readonly string[];
  /** Events that `--where` could not be evaluated for, a member was missing: among `filtered`. */
  readonly where_failed?: number;
  /** Records that `--validate` found wrong: written with `warn`, among `dead_lettered` with `reject`. */
  readonly invalid?: number;
  /** What `--race` took from each host. */
  readonly race?: SourceStats["race"];
  /** Writes of the sink elasticsearch that something newer was there for already: among `written`. */
  readonly elasticsearch?: {
    readonly superseded?: number;
    /** Of a dry run, by index. */
    readonly documents?: Readonly<Record<string, number>>;
  };
  /** What the sink queue counts besides: rows written, and rows of every status in the file. */
  readonly queue?: {
    readonly rows: number;
    readonly length: number;
    readonly backpressure: "bytes" | null;
  };
  /** Events that the sink webhook has delivered, put into the dead letter, and left in its queue. */
  readonly webhook?: {
    readonly delivered: number;
    readonly dead: number;
    readonly waiting: number;
  };
  /** What the sink redis counts besides; of a dry run the entries alone. */
  readonly redis?: {
    readonly entries: number;
    readonly length?: number;
    readonly trimmed_unread?: number;
    readonly dropped_statuses?: number;
  };
  readonly cursor: unknown;
  readonly lag_ms: number | null;
  readonly started_at: string;
  readonly duration_ms: number;
  readonly rate_per_s: number;
  readonly ended_by: EndedBy;
  readonly error: string | null;
  readonly exit: number;
}

/** Puts the summary together: `received = written + filtered + duplicates + dead_lettered + unsettled`. */
export function summarize(input: ReportInput): Summary {
  const { counters, stats, dryRun, durationMs } = input;
  const { received, written, filtered, duplicates, rejected, deadLettered, retried, batches, gaps } = counters;
  const hosts = Object.keys(stats?.race ?? {}).length || 1;
  const lag = counters.lastTimeUs === undefined ? undefined : input.now - counters.lastTimeUs / 1000;
  return {
    command: input.command,
    source: input.source,
    sink: input.sink,
    received,
    written: dryRun ? 0 : written,
    ...(dryRun && { would_write: written }),
    filtered,
    duplicates,
    rejected,
    dead_lettered: deadLettered,
    unsettled: received - written - filtered - duplicates - deadLettered,
    retried,
    batches,
    reconnects: Math.max(0, (stats?.connections ?? 0) - hosts),
    gaps,
    bytes_received: stats?.bytesReceived ?? 0,
    collections: mostFirst(counters.collections),
    ...(input.whereFailed !== undefined && { where_failed: input.whereFailed }),
    ...(input.invalid !== undefined && { invalid: input.invalid }),
    ...(stats?.race && { race: stats.race }),
    ...(input.figures && { [input.sink]: input.figures }),
    ...input.members,
    cursor: dryRun ? null : cursorOf(counters),
    lag_ms: lag === undefined || !input.live ? null : Math.max(0, Math.round(lag)),
    started_at: input.startedAt.toISOString(),
    duration_ms: Math.round(durationMs),
    rate_per_s: perSecond(dryRun ? 0 : written, durationMs),
    ended_by: input.endedBy,
    error: input.error,
    exit: input.exit,
  };
}

/** @returns A record in this order; one without prototype, as anybody can name a collection. */
function mostFirst(counts: ReadonlyMap<string, number>): Record<string, number> {
  const record: Record<string, number> = Object.create(null);
  for (const [name, count] of [...counts].sort(([, a], [, b]) => b - a)) record[name] = count;
  return record;
}

function perSecond(events: number, ms: number): number {
  return ms > 0 ? Math.round(events / ms * 1e6) / 1e3 : 0;
}

function cursorOf({ cursors }: Counters): unknown {
  const values = [...cursors].map(([key, cursor]) => [key, readableCursor(cursor)] as const);
  if (values.length <= 1) return values[0]?.[1] ?? null;
  return Object.fromEntries(values);
}

/** Of several positions the first one: it is that of all hosts together. */
function mainCursor(cursor: unknown): { readonly host?: string; readonly time_us?: number; readonly seq?: number } {
  if (typeof cursor !== "object" || cursor === null) return {};
  const one: object = "v" in cursor ? cursor : Object.values(cursor)[0];
  return one;
}

/** A cursor as an object where it is JSON, without the hashes that only a restart needs. */
export function readableCursor(cursor: string): unknown {
  try {
    const value = JSON.parse(cursor);
    if (typeof value !== "object" || value === null) return value;
    const { recent: _, recent_since: __, ...rest } = value;
    return rest;
  } catch {
    return cursor;
  }
}

/** The collections that most events are of, on one line; none where there is nothing to tell apart. */
export function collectionsText(counts: readonly (readonly [name: string, count: number])[]): string[] {
  if (counts.length <= 1) return [];
  const n = (value: number) => value.toLocaleString("en-US");
  const named = counts.slice(0, TOP).map(([name, count]) => `${printable(name)} ${n(count)}`);
  return [`${named.join(", ")}${counts.length > TOP ? `, ${n(counts.length - TOP)} more` : ""}`];
}

/** The same figures for a person. */
export function humanSummary(summary: Summary, target: string): string {
  const n = (value: number) => value.toLocaleString("en-US");
  const { would_write } = summary;
  const did = would_write === undefined ? `Wrote ${n(summary.written)} events` : `Would write ${n(would_write)} events`;
  const seconds = (summary.duration_ms / 1000).toFixed(1);
  const rate = Math.round(perSecond(would_write ?? summary.written, summary.duration_ms));
  const cursor = mainCursor(summary.cursor);
  const lines = [
    `${did} into ${target} in ${seconds} s (${n(rate)}/s), ended by ${summary.ended_by}`,
    `received ${n(summary.received)}, filtered ${n(summary.filtered)}, duplicates ${n(summary.duplicates)}, ` +
    `dead letters ${n(summary.dead_lettered)}, unsettled ${n(summary.unsettled)}, retried ${n(summary.retried)}`,
    `gaps ${n(summary.gaps)}, reconnects ${n(summary.reconnects)}, ${
      (summary.bytes_received / 1e6).toFixed(1)
    } MB received` +
    (summary.lag_ms === null ? "" : `, lag ${spanText(summary.lag_ms)}`),
  ];
  const { where_failed = 0, invalid = 0, race = {}, elasticsearch: { superseded = 0 } = {} } = summary;
  const { webhook } = summary;
  const { trimmed_unread = 0, dropped_statuses = 0 } = summary.redis ?? {};
  if (where_failed > 0) lines.push(`--where could not be evaluated for ${n(where_failed)} events`);
  if (invalid > 0) lines.push(`${n(invalid)} records do not match their lexicon`);
  if (superseded > 0) lines.push(`superseded ${n(superseded)}: something newer was there`);
  if (webhook) {
    const { delivered, dead, waiting } = webhook;
    lines.push(`delivered ${n(delivered)}, dead letters of the webhook ${n(dead)}, waiting ${n(waiting)}`);
  }
  if (trimmed_unread > 0) lines.push(`${n(trimmed_unread)} entries were trimmed that a group had not read`);
  if (dropped_statuses > 0) lines.push(`${n(dropped_statuses)} statuses of accounts that format rsky has no word for`);
  for (const [host, { first, only }] of Object.entries(race)) {
    lines.push(`${host}: first with ${n(first)} events, alone with ${n(only)}`);
  }
  if (!Array.isArray(summary.collections)) lines.push(...collectionsText(Object.entries(summary.collections)));
  if (cursor.time_us !== undefined) {
    const seq = cursor.seq === undefined ? "" : `, seq ${cursor.seq}`;
    lines.push(`position ${new Date(cursor.time_us / 1000).toISOString()} at ${cursor.host || "any host"}${seq}`);
  }
  return lines.join("\n");
}
