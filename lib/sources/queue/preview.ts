/**
 * What a consumer of a queue would be given, without taking it: for dry runs.
 *
 * @module
 */
import type { AnyEvent, Origin } from "../../atproto/event.ts";
import type { Batch } from "../../pipeline/batch.ts";
import { delay } from "../../pipeline/retry.ts";
import { batchStream, type Source } from "../../pipeline/source.ts";
import { readRow, type StoredRow } from "./decode.ts";

/** Between two looks where there is nothing, in milliseconds. */
const LOOK_MS = 1000;

/** Options of {@link queuePreview}. */
export interface QueuePreviewOptions {
  /** The queue's name. */
  readonly name: string;
  /** The next rows that are pending behind the row `after`, in the order of their ids. */
  readonly rows: (after: number) => Promise<readonly StoredRow[]>;
  /** Ends when there is none. Default: waits for more. */
  readonly once?: boolean;
}

/** Reads what is pending, and changes nothing. */
export function queuePreview({ name, rows, once = false }: QueuePreviewOptions): Source<AnyEvent> {
  const origin: Origin = Object.freeze({ source: "consume", wire: "v1", host: name });

  async function* batches(stop: AbortSignal): AsyncGenerator<Batch<AnyEvent>, void> {
    try {
      for (let after = 0; !stop.aborted;) {
        const found = await rows(after);
        for (const row of found) {
          const { events, poison } = readRow(row, origin);
          yield { items: events, poison, cursor: undefined };
          after = row.id;
        }
        if (found.length > 0) continue;
        if (once) return;
        await delay(LOOK_MS, stop);
      }
    } catch (error) {
      if (!stop.aborted) throw error;
    }
  }

  return { key: `consume:${name}`, open: ({ stop } = {}) => batchStream(stop, batches) };
}
