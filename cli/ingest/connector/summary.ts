/**
 * What a capture says at its end: the members of the MET connector's summary.
 *
 * @module
 */
import { type Counters, createCounters } from "../../../lib/pipeline/counters.ts";
import { collectionsText, type ReportPart } from "../../report.ts";
import type { RunEnding } from "../reading.ts";

/** What the summary is made of. */
export interface SummaryInput extends RunEnding {
  /** Undefined: nothing was read. */
  readonly counters: Counters | undefined;
  /** Messages that are no events. */
  readonly ignored: number;
  /** Rows in the queue; undefined: the sink is none. */
  readonly queueLength: number | undefined;
  readonly dryRun: boolean;
  /** `--num-records`. */
  readonly limit: number;
  /** Whether there is an `--end-timestamp`. */
  readonly hasEnd: boolean;
}

/** The part of the summary that is the connector's own. In a dry run nothing is stored, all else is as if it were. */
export function captureSummary(input: SummaryInput): ReportPart {
  const { counters = createCounters(), ignored, queueLength, dryRun, limit, hasEnd, endedBy, durationMs } = input;
  const stored = dryRun ? 0 : counters.written;
  const { counted, lastWrittenUs } = counters;
  const n = (value: number) => value.toLocaleString("en-US");
  const collections = [...counters.collections.keys()].sort();
  return {
    members: {
      records_stored: stored,
      records_counted: counted,
      messages_received: counters.received + ignored,
      total_time: durationMs / 1000,
      records_per_second: durationMs > 0 ? stored / durationMs * 1000 : 0,
      collections,
      target_reached: limit > 0 && counted >= limit,
      latest_cursor: lastWrittenUs === undefined ? null : String(lastWrittenUs),
      queue_length: queueLength ?? null,
      current_date: lastWrittenUs === undefined ? null : new Date(lastWrittenUs / 1000).toISOString().slice(0, 10),
      end_cursor_reached: hasEnd ? endedBy === "end" : null,
    },
    lines: [
      `counted ${n(counted)}${limit > 0 ? ` of ${n(limit)}` : ""}` +
      (queueLength === undefined ? "" : `, ${n(queueLength)} rows in the queue`),
      ...collectionsText([...counters.collections].sort(([, a], [, b]) => b - a)),
    ],
    failed: false,
  };
}
