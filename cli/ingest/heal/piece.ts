/**
 * A piece of a stream that is read once more, beside the position of the run that has left it out.
 *
 * @module
 */
import type { AnyEvent } from "../../../lib/atproto/event.ts";
import type { Batch, Cursor, Gap } from "../../../lib/pipeline/batch.ts";
import { ConfigError, FatalError, messageOf, TransientError } from "../../../lib/pipeline/errors.ts";
import { type Backoff, fullJitter } from "../../../lib/pipeline/retry.ts";
import { batchStream, type OpenOptions, type Source } from "../../../lib/pipeline/source.ts";
import type { Delivery } from "../reading.ts";

/** A host that does not answer is asked so often again. Each gap of a list waits for the one before it. */
export const BACKOFF: Backoff = fullJitter(5);

/** How to read a piece. */
export interface PieceOptions {
  /** For the log, and as the place of the sink redis. */
  readonly key: string;
  /** Opens the source where the piece begins. */
  open(options: Pick<OpenOptions<AnyEvent>, "stop">): ReadableStream<Batch<AnyEvent>>;
  /** Whether an event belongs to the piece. Default: all do. */
  readonly wanted?: (event: AnyEvent) => boolean;
  /** By how much the time may differ under which the sink holds an event, in microseconds. */
  readonly withinUs: number;
}

/** What reading it came to. */
export interface PieceResult {
  /** The run was stopped before the end. */
  readonly stopped: boolean;
  /** What the source left out this time. */
  readonly gaps: readonly Gap[];
  /** How far the source was. */
  readonly cursor: Cursor | undefined;
  /** What the source gave up for. */
  readonly failure: string | undefined;
}

/**
 * Reads a piece into the sink, but for the events that it holds already. No position is saved, and what the source reports as
 * missing is not recorded but told.
 */
export async function readPiece(options: PieceOptions, delivery: Delivery): Promise<PieceResult> {
  let gaps: Gap[] = [], cursor: Cursor | undefined, failure: string | undefined;
  const { known } = delivery;
  const { wanted = () => true, withinUs } = options;

  async function* batches(stop: AbortSignal): AsyncGenerator<Batch<AnyEvent>, void> {
    gaps = [], cursor = failure = undefined;
    try {
      for await (const batch of options.open({ stop })) {
        cursor = batch.cursor ?? cursor;
        gaps.push(...(batch.gaps ?? []).filter(({ state }) => state === "open"));
        const inside = batch.items.filter(wanted);
        const held = known && inside.length > 0 ? await known(inside, withinUs) : [];
        const items = inside.filter((_, i) => !held[i]);
        const { poison, filtered = 0, duplicates = 0, joined } = batch;
        yield {
          items,
          cursor: undefined,
          filtered: filtered + batch.items.length - inside.length,
          duplicates: duplicates + inside.length - items.length,
          ...(poison && { poison }),
          ...(joined && { joined }),
        };
      }
    } catch (error) {
      const ofSource = error instanceof TransientError || error instanceof ConfigError || error instanceof FatalError;
      if (!ofSource) throw error;
      failure = messageOf(error);
    }
  }

  const source: Source<AnyEvent> = {
    key: options.key,
    checkpoints: { load: () => Promise.resolve(undefined), save: () => Promise.resolve() },
    open: ({ stop } = {}) => batchStream(stop, batches),
  };
  const { endedBy } = await delivery.pipe(source);
  return { stopped: endedBy === "stop", gaps, cursor, failure };
}

/** Where what is missing ends now; undefined: nothing of the piece is. */
export function stillMissing(gaps: readonly Gap[], to: number): number | undefined {
  return gaps.length === 0 ? undefined : Math.max(...gaps.map((gap) => Math.min(gap.to ?? to, to)));
}
