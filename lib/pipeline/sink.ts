/**
 * The contract of everything that events go to.
 *
 * @module
 */
import type { Batch, Cursor } from "./batch.ts";

/** A batch as a sink sees it: the runner has filled in the key and taken out what is dead. */
export interface SinkBatch<T> extends Pick<Batch<T>, "items" | "cursor" | "gaps" | "end"> {
  /** Under which the cursor is kept. */
  readonly key: string;
}

/** An item that a sink refused. */
export interface Rejection {
  /** Its place in `batch.items`. */
  readonly index: number;
  /** A `PoisonError` (never again) or a `TransientError` (later, perhaps). Anything else ends the run. */
  readonly error: unknown;
}

/** What became of a batch. */
export interface WriteResult {
  /** What was refused, in the order of the batch. */
  readonly rejected: readonly Rejection[];
  /** Items that the sink knew already and left alone, from now on counted as duplicates. */
  readonly duplicates?: number;
}

/** What a sink remembers: see {@link Sink.recall}. */
export type Recall<T> = (
  since: number,
  limit: number,
) => Promise<{ readonly items: readonly T[]; readonly since: number }>;

/** Where positions are kept. */
export interface CheckpointStore {
  /** The saved position of `key`. Throws `ConfigError` where there is one that cannot be read: never "start from now". */
  load(key: string): Promise<Cursor | undefined>;
  /** Whether the position of `key` was saved as an end. Without it, or without a position: no. */
  ended?(key: string): Promise<boolean>;
  /** Durable when it resolves. `end`: the source came to its end there, or the run to its own. */
  save(key: string, cursor: Cursor, end?: boolean): Promise<void>;
  /** There is no position of `key` once it resolves. */
  forget?(key: string): Promise<void>;
}

/** Makes batches durable. */
export interface Sink<T> extends AsyncDisposable {
  /** Also the `stage` of its dead letters. */
  readonly name: string;
  /**
   * Resolves once every item that is not in `rejected` is durable; throws when nothing is known to be (`TransientError`: the
   * runner tries the same batch again). A sink with `checkpoints` is all or nothing: if it rejects anything it has
   * committed nothing, and the runner calls again without the refused items. Never decides about retries itself, and
   * gives up waiting when `signal` aborts.
   */
  write(batch: SinkBatch<T>, options: { readonly signal: AbortSignal }): Promise<WriteResult>;
  /** Set when `write` commits the batch's cursor (and gaps) in the same transaction as its items. */
  readonly checkpoints?: CheckpointStore;
  /** Items of one key keep their order through a partial retry. */
  keyOf?(item: T): string;
  /**
   * The newest items stored, those with an event time (microseconds) of `since` or later, about `limit` at most. `since` of
   * the answer: everything stored that is newer than that is in `items`.
   */
  recall?: Recall<T>;
  /**
   * Tells of each item whether the sink holds it, under a time that differs by no more than so many microseconds: for whoever
   * brings it a stretch of time once more.
   */
  known?(items: readonly T[], withinUs: number): Promise<readonly boolean[]>;
}
