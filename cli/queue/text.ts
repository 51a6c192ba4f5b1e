/**
 * Queues, their rows and figures for people and for programs.
 *
 * @module
 */
import type { QueueRow, QueueStats, TakenRow } from "../../lib/sinks/queue.ts";
import { readQueueTime } from "../../lib/sinks/queue/records.ts";
import { printable } from "../kit/terminal.ts";

/** Lines with columns of one width; the first line names them. */
export function table(head: readonly string[], rows: readonly (readonly unknown[])[]): string[] {
  const cells = [head, ...rows].map((row) => row.map((cell) => printable(String(cell ?? "-"))));
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  return cells.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd());
}

/** Rows of a queue. */
export function rowsTable(rows: readonly QueueRow[]): string[] {
  const members = [
    "id",
    "status",
    "records",
    "created_at",
    "attempts",
    "consumer",
    "leased_until",
    "last_error",
  ] as const;
  return table(members, rows.map((row) => members.map((member) => row[member])));
}

/** The figures of a queue. */
export function statsText({ rows, records, cursor, consumers, ...figures }: QueueStats & { queue: string }): string[] {
  const statuses = Object.keys(rows) as (keyof typeof rows)[];
  return [
    ...Object.entries(figures).map(([name, value]) => printable(`${name}: ${value ?? "-"}`)),
    "",
    ...table(["status", "rows", "records"], statuses.map((status) => [status, rows[status], records[status]])),
    ...Object.entries(cursor).map(([key, { time_us, host, state, updated_at }]) =>
      printable(`cursor ${key}: ${time_us ?? "-"} at ${host ?? "-"}, ${state}, saved ${updated_at}`)
    ),
    ...consumers.map((each) => printable(`consumer ${each.consumer ?? "-"}: ${each.rows} rows`)),
  ];
}

/** A row that was taken, as one JSON object. What is no JSON becomes a string. */
export function takenLine({ id, receipt, attempts, leased_until, created_at, metadata, payload }: TakenRow): string {
  const added = readQueueTime(created_at);
  const head = JSON.stringify({
    id,
    receipt,
    attempts,
    leased_until: new Date(leased_until).toISOString(),
    created_at: added === undefined ? null : new Date(added).toISOString(),
  });
  return `${head.slice(0, -1)},"metadata":${onOneLine(metadata)},"payload":${onOneLine(payload)}}`;
}

/** The text itself, so that numbers and strings stay as they were written. */
function onOneLine(text: string | null): string {
  return parsed(text) === undefined ? JSON.stringify(text) : text!.replaceAll(/[\r\n]/g, " ");
}

/** The records of a row as one JSON object each; undefined: it has none that can be read. */
export function recordLines({ id, receipt, metadata, payload }: TakenRow): string[] | undefined {
  const records = parsed(payload);
  if (!Array.isArray(records)) return undefined;
  const tail = { batch_id: id, batch_metadata: parsed(metadata) ?? metadata, receipt };
  return records.map((record) =>
    JSON.stringify(typeof record === "object" ? { ...record, ...tail } : { record, ...tail })
  );
}

function parsed(text: string | null): unknown {
  try {
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined; // another program wrote it
  }
}
