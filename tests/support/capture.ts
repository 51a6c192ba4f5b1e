/**
 * Captures of the command `connector`: servers that they read, their summaries, and the queue files that they leave.
 *
 * @module
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Summary } from "../../cli/report.ts";
import { loadEventLines } from "../../lib/simulate/events.ts";
import { type SimulateOptions, type SimulateServer, startSimulate } from "../../lib/simulate/server.ts";
import type { QueueRecord } from "../../lib/sinks/queue.ts";
import { type Ended, fileExists, parseSummary } from "./program.ts";

/** The members that `connector` adds. */
export interface CaptureSummary extends Omit<Summary, "collections"> {
  readonly collections: readonly string[];
  readonly records_stored: number;
  readonly records_counted: number;
  readonly messages_received: number;
  readonly total_time: number;
  readonly records_per_second: number;
  readonly target_reached: boolean;
  readonly latest_cursor: string | null;
  readonly queue_length: number | null;
  readonly current_date: string | null;
  readonly end_cursor_reached: boolean | null;
}

/** The summary of a run with `--json` that ended with `code`; what it says twice it says alike. */
export function captureOf(end: Ended, code = 0): CaptureSummary {
  const summary = parseSummary(end, code) as unknown as CaptureSummary;
  const { records_stored, written, records_counted, messages_received, received, total_time, duration_ms } = summary;
  assert.equal(records_stored, written);
  assert(records_counted <= (summary.would_write ?? records_stored) && messages_received >= received);
  assert.equal(total_time, duration_ms / 1000);
  assert.equal(summary.records_per_second.toFixed(3), (records_stored / total_time).toFixed(3));
  assert.equal(summary.current_date, summary.latest_cursor && dayOf(summary.latest_cursor));
  return summary;
}

const dayOf = (time_us: string): string => new Date(Number(time_us) / 1000).toISOString().slice(0, 10);

/** A row of a queue. */
export interface QueueRow {
  readonly id: number;
  readonly status: string;
  readonly created_at: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly payload: readonly QueueRecord[];
}

/** The queue file in a folder's `queue`. */
export const queueIn = (folder: string, name = "jetstream_sync"): string => `${folder}/queue/${name}.db`;

/** Its rows, in order, while a run may be at it; none as long as there is no file. */
export function queueRows(file: string): QueueRow[] {
  if (!fileExists(file)) return [];
  using db = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
  if (!db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'queue'").get()) return [];
  return db.prepare("SELECT * FROM queue ORDER BY id").all().map((row) => ({
    ...row,
    metadata: JSON.parse(row.metadata as string),
    payload: JSON.parse(row.payload as string),
  })) as unknown as QueueRow[];
}

/** All records, in order. */
export const recordsIn = (file: string): QueueRecord[] => queueRows(file).flatMap(({ payload }) => payload);

/** How many records each row has. */
export const rowSizes = (file: string): number[] => queueRows(file).map(({ payload }) => payload.length);

/** The position in a queue file or the file of the default sink. */
export function positionIn(file: string, key = "connector"): Record<string, unknown> & { readonly state: string } {
  using db = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
  const row = db.prepare("SELECT cursor, state FROM cursors WHERE key = ?").get(key);
  assert(row, `there is no position ${key} in ${file}`);
  return { ...JSON.parse(row.cursor as string), state: row.state as string };
}

/** A server, and what each handshake asked it for. */
export interface Watched extends AsyncDisposable {
  readonly server: SimulateServer;
  readonly asked: readonly URLSearchParams[];
}

/** Starts a server in this process; `lines`: what it serves in place of made-up events. */
export async function watched(options: SimulateOptions, lines?: string): Promise<Watched> {
  const asked: URLSearchParams[] = [];
  const server = await startSimulate({
    onRequest: ({ url }) => void asked.push(url.searchParams),
    ...(lines !== undefined && { events: loadEventLines(lines) }),
    ...options,
  });
  return { server, asked, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
