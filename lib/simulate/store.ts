/**
 * What a simulated server serves: events by position, whether they are generated or were read from a file.
 *
 * @module
 */

/** What a message looks like: a new server's v1 wire, a legacy server's v1 wire (no `cursor`), the v2 wire. */
export type Wire = "v1" | "legacy" | "v2";

/** Whether a subscriber wants an event; `collection` is empty where the event is not a commit. */
export type Wants = (kind: string, did: string, collection: string) => boolean;

/** Events at the positions 1, 2, 3, ... */
export interface EventStore {
  /** The last position, `Infinity` where there is no end. */
  readonly last: number;
  /** Where a subscriber without a cursor begins. */
  live(): number;
  seqOf(position: number): number;
  /** Microseconds since 1970; `undefined` where no event can be older, as none has a time yet. */
  timeOf(position: number): number | undefined;
  /** The first position whose sequence number is this one or a higher one. */
  bySeq(seq: number): number;
  /** The first position whose time is this one or a later one. */
  byTime(time_us: number): number;
  /** Everything up to this position was sent to somebody. */
  sent(position: number): void;
  /** The last position that was sent to somebody; 0: none. */
  newestSent(): number;
  /** The message, or `undefined` where the subscriber does not want it, or its wire cannot carry it. */
  read(position: number, wire: Wire, wants: Wants | undefined): string | undefined;
}
