/**
 * What a simulated server serves: events by position, whether they are generated or were read from a file.
 *
 * @module
 */

/** What a message looks like: a new server's v1 wire, a legacy server's v1 wire (no `cursor`), the v2 wire. */
export type Wire = "v1" | "legacy" | "v2";

/** Whether a subscriber wants an event; `collection` is empty where the event is not a commit. */
export type Wants = (kind: string, did: string, collection: string) => boolean;

/** Something to send at each of the positions 1, 2, 3, ... */
export interface Positions {
  /** The last position, `Infinity` where there is no end. */
  readonly last: number;
  /** Where a subscriber without a cursor begins. */
  live(): number;
  seqOf(position: number): number;
  /** The first position whose sequence number is this one or a higher one. */
  bySeq(seq: number): number;
  /** Everything up to this position was sent to somebody. */
  sent(position: number): void;
  /** The last position that was sent to somebody; 0: none. */
  newestSent(): number;
}

/** Events of Jetstream. */
export interface EventStore extends Positions {
  /** Microseconds since 1970; `undefined` where no event can be older, as none has a time yet. */
  timeOf(position: number): number | undefined;
  /** The first position whose time is this one or a later one. */
  byTime(time_us: number): number;
  /** The message, or `undefined` where the subscriber does not want it, or its wire cannot carry it. */
  read(position: number, wire: Wire, wants: Wants | undefined): string | undefined;
}

/** Frames of a relay or a labeler. */
export interface FrameStore extends Positions {
  /** The frame. */
  read(position: number): Uint8Array;
}
