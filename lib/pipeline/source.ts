/**
 * The contract of everything that events come from.
 *
 * @module
 */
import type { Batch, Cursor } from "./batch.ts";
import type { CheckpointStore, Recall } from "./sink.ts";

/** How to open a {@link Source}. */
export interface OpenOptions<T> {
  /** The saved position; undefined: the source's default beginning. */
  readonly cursor?: Cursor | undefined;
  /**
   * Begin at the default beginning although there is a position: it only tells what was stored by an earlier run and must not be
   * asked for again.
   */
  readonly afresh?: boolean;
  /** Aborting ends the stream without an error: what was read is still delivered. */
  readonly stop?: AbortSignal;
  /** What the sink holds already, so that repeats can be recognised (see `Sink.recall`). */
  readonly recall?: Recall<T> | undefined;
  /** Every position is sealed, as it is saved with its batch: then only what a restart cannot do without may be added. */
  readonly sealsAll?: boolean;
  /** The saved position of any key, for a source whose batches have several; undefined: nobody keeps positions. */
  readonly load?: ((key: string) => Promise<Cursor | undefined>) | undefined;
}

/** Live figures of a source, for progress, summary and metrics. */
export interface SourceStats {
  /** As on the wire, after TLS. */
  bytesReceived: number;
  /** Connections that were opened. */
  connections: number;
  /** Whether there is a connection now. */
  connected: boolean;
  /** Messages of a kind that is not known: neither received nor dead. */
  ignored: number;
  /** The host that is being read, or was last. */
  host: string | undefined;
  /** Of hosts that are read side by side: events that came from this one first, and from no other. */
  readonly race?: Readonly<Record<string, { readonly first: number; readonly only: number }>>;
}

/** Batches of events from somewhere, from a position on. */
export interface Source<T> {
  /** Under which the position is kept. */
  readonly key: string;
  /** A source that keeps its own position (a consumer group: saving acknowledges); it wins over the sink's. */
  readonly checkpoints?: CheckpointStore;
  /** Live figures, where the source keeps them. */
  readonly stats?: SourceStats;
  /**
   * Completes a position of this source right before it is saved, for a sink that cannot recall what it holds, with what a restart
   * needs to recognise events that a server sends again.
   */
  seal?(cursor: Cursor, key: string): Cursor;
  /**
   * Reading begins when the stream is first pulled. Throws nothing itself: the stream errors. Opened again, after a sink has lost what
   * it had confirmed, a source goes on at the position that it is given: what its options say of the beginning counts once.
   */
  open(options?: OpenOptions<T>): ReadableStream<Batch<T>>;
}

/**
 * Batches of a generator as the stream that {@link Source.open} gives: pulled one at a time, and cancelled although the
 * generator waits for something.
 *
 * @param stop See {@link OpenOptions.stop}.
 * @param batches Makes the generator; it ends soon after its signal has aborted.
 */
export function batchStream<T>(
  stop: AbortSignal | undefined,
  batches: (stop: AbortSignal) => AsyncGenerator<Batch<T>, void>,
): ReadableStream<Batch<T>> {
  const cancelled = new AbortController();
  const generator = batches(stop ? AbortSignal.any([stop, cancelled.signal]) : cancelled.signal);
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await generator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      cancelled.abort();
      await generator.return();
    },
  }, { highWaterMark: 0 });
}
