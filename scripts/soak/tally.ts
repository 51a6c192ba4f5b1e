/**
 * Whether a sink has what its source sent: each event once, in order, as it was sent.
 *
 * @module
 */

/** What was found so far. */
export interface Tally {
  /** Events that are in the sink, copies not counted. */
  readonly events: number;
  /** The highest sequence number that was found. */
  readonly last: number;
  readonly lost: number;
  readonly doubled: number;
  /** Events that are not what was sent. */
  readonly changed: number;
}

/** Counts what comes out of a sink. */
export interface Counting extends Tally {
  /** Takes the next event out of the sink. `isAsSent` is asked only where it is no copy. */
  add(seq: number, isAsSent: () => boolean): void;
}

/** Begins to count at sequence number 1. */
export function createTally(): Counting {
  const tally = {
    events: 0,
    last: 0,
    lost: 0,
    doubled: 0,
    changed: 0,
    add(seq: number, isAsSent: () => boolean): void {
      // What comes after a higher number is a copy; if it were only late, what it left open is counted as lost already.
      if (seq <= tally.last) return void tally.doubled++;
      tally.lost += seq - tally.last - 1;
      tally.last = seq;
      tally.events++;
      if (!isAsSent()) tally.changed++;
    },
  };
  return tally;
}
