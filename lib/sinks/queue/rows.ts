/**
 * Events as rows of a queue.
 *
 * @module
 */
import type { AnyEvent } from "../../atproto/event.ts";
import { collectionOf, queueTime, recordText } from "./records.ts";

/** Records of one row where nothing else is said. */
export const DEFAULT_BATCH_SIZE = 100;

/** A row ends before its text becomes longer, in characters: SQLite and JavaScript have limits, consumers have memory. */
const MOST_CHARACTERS = 2 ** 26;

/** A row that is to be added. */
export interface NewRow {
  readonly payload: string;
  readonly metadata: string;
  readonly created_at: string;
}

/** How rows are made. */
export interface RowsOptions {
  /** The most records of a row. */
  readonly batchSize: number;
  /** The id of the run, for the metadata. */
  readonly run: string;
}

/** Makes rows, and knows which collections this run has met so far. */
export function rowMaker({ batchSize, run }: RowsOptions): (events: readonly AnyEvent[], now: number) => NewRow[] {
  const seen = new Set<string>();
  let collections = "[]";

  function meet(event: AnyEvent): void {
    const collection = collectionOf(event);
    if (collection === "" || seen.has(collection)) return;
    seen.add(collection);
    collections = JSON.stringify([...seen].sort());
  }

  function rowOf(events: readonly AnyEvent[], texts: readonly string[], now: number): NewRow {
    const { time_us } = events[0]!;
    const last = events[events.length - 1]!;
    const { source, host } = last.origin;
    const batch_timestamp = new Date(now).toISOString().replace("Z", "+00:00");
    const head = JSON.stringify({ batch_timestamp, batch_size: batchSize, actual_batch_size: events.length });
    const tail = { first_time_us: String(time_us), last_time_us: String(last.time_us), run, source, host };
    return {
      payload: `[${texts.join(",")}]`,
      metadata: `${head.slice(0, -1)},"collections":${collections},${JSON.stringify(tail).slice(1)}`,
      created_at: queueTime(now),
    };
  }

  return (events, now) => {
    const rows: NewRow[] = [];
    const receivedAt = queueTime(now);
    let texts: string[] = [];
    let characters = 0, start = 0;
    for (let i = 0; i < events.length; i++) {
      const text = recordText(events[i]!, receivedAt);
      if (texts.length === batchSize || (texts.length > 0 && characters + text.length > MOST_CHARACTERS)) {
        rows.push(rowOf(events.slice(start, i), texts, now));
        [texts, characters, start] = [[], 0, i];
      }
      meet(events[i]!);
      texts.push(text);
      characters += text.length;
    }
    if (texts.length > 0) rows.push(rowOf(events.slice(start), texts, now));
    return rows;
  };
}
