/**
 * What a run counts while it runs.
 *
 * @module
 */

/**
 * Live figures of a run, in events. At every moment
 * `received = written + filtered + duplicates + deadLettered + (what is on its way)`.
 */
export interface Counters {
  /** Taken from the source: copies and undecodable messages included. */
  received: number;
  /** Durable in the sink. */
  written: number;
  /** Of these, the ones that count towards the limit (see `PipelineOptions.counts`). */
  counted: number;
  /** Dropped on purpose. */
  filtered: number;
  /** Recognised as copies. */
  duplicates: number;
  /** Refused by the sink for good. */
  rejected: number;
  /** In the dead letter in place of a write: refused and undecodable ones. */
  deadLettered: number;
  /** Writes that were repeated, whole or in part. */
  retried: number;
  /** Writes that ended well. */
  batches: number;
  /** Gaps that were opened and not asked for. */
  gaps: number;
  /** Items handed to the sink and not yet safe. */
  inFlight: number;
  /** Event time (microseconds since 1970) of the newest safe event. */
  lastTimeUs: number | undefined;
  /** Event time (microseconds since 1970) of the event that was written last. */
  lastWrittenUs: number | undefined;
  /** Written items by collection (see `PipelineOptions.collectionOf`), at most 1,000 names, then `other`. */
  readonly collections: Map<string, number>;
  /** The last position of each key that is saved, or was given to the sink to save and is safe. */
  readonly cursors: Map<string, string>;
  /** Up to the newest position that is safe: with several writes at a time, later events may be settled as well. */
  readonly passed: Passed;
}

/** What became of settled events. */
export interface Passed {
  /** All of them. */
  events: number;
  /** Those in the dead letter. */
  deadLettered: number;
  /** Those that were dropped on purpose. */
  filtered: number;
}

/** Names that are counted apart: who sends events chooses the names, and memory must not grow with them. */
const MOST_COLLECTIONS = 1000;

/** Counts one item under its collection, or under `other` when there are too many names. */
export function countCollection(counts: Map<string, number>, collection: string): void {
  const known = counts.get(collection);
  if (known !== undefined || counts.size < MOST_COLLECTIONS) counts.set(collection, (known ?? 0) + 1);
  else counts.set("other", (counts.get("other") ?? 0) + 1);
}

/** All zero. */
export function createCounters(): Counters {
  return {
    received: 0,
    written: 0,
    counted: 0,
    filtered: 0,
    duplicates: 0,
    rejected: 0,
    deadLettered: 0,
    retried: 0,
    batches: 0,
    gaps: 0,
    inFlight: 0,
    lastTimeUs: undefined,
    lastWrittenUs: undefined,
    collections: new Map(),
    cursors: new Map(),
    passed: { events: 0, deadLettered: 0, filtered: 0 },
  };
}
