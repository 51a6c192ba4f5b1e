/**
 * External versions: with them the later state of a record wins, in whatever order writes arrive and however often.
 *
 * @module
 */

/** What is written at one time outranks each other so: the last one stays. Multiples of 256, as updates add 1. */
export const RANK = { plain: 0, enriched: 512, deleted: 768 } as const;

/** One of {@link RANK}. */
export type Rank = (typeof RANK)[keyof typeof RANK];

/** How far a rev may lie after the time at which it was witnessed, in microseconds: clocks differ. */
const MAX_AHEAD_US = 600_000_000;

const DIGITS = "234567abcdefghijklmnopqrstuvwxyz";
/** The value of a digit by its character code; -1 for all else. */
const VALUES = new Int8Array(128).fill(-1);
for (let i = 0; i < DIGITS.length; i++) VALUES[DIGITS.charCodeAt(i)] = i;

/** The number that five bits a digit give from `from` to `to`, negative where a character is no digit. */
function digitsOf(tid: string, from: number, to: number): number {
  let number = 0;
  let fault = 0;
  for (let i = from; i < to; i++) {
    const value = VALUES[tid.charCodeAt(i)] ?? -1;
    fault |= value;
    number = number * 32 + value;
  }
  return fault < 0 ? -1 : number;
}

/**
 * The time in a TID, in microseconds since 1970; `undefined` for a text that is none (https://atproto.com/specs/tid: 13
 * digits, the last ten bits are the clock's number).
 */
export function tidMicros(tid: unknown): number | undefined {
  if (typeof tid !== "string" || tid.length !== 13) return undefined;
  const time = digitsOf(tid, 0, 11);
  // The two highest of the 65 bits are always 0.
  return time < 0 || time > Number.MAX_SAFE_INTEGER || digitsOf(tid, 11, 13) < 0 ? undefined : time;
}

/**
 * The time that orders the states of a record, in microseconds: the rev's, except where that lies more than ten minutes after
 * the time at which it was witnessed.
 */
export function revMicros(rev: unknown, timeUs: number): number {
  const us = tidMicros(rev);
  return us === undefined || us > timeUs + MAX_AHEAD_US ? timeUs : us;
}

/**
 * An external version: `us * 1024 + rank` as decimal text, a positive int64.
 *
 * @param us Microseconds since 1970; what lies before or after the range of safe integers becomes its end.
 */
export function versionOf(us: number, rank: Rank): string {
  const bounded = us >= 1 ? Math.min(Math.floor(us), Number.MAX_SAFE_INTEGER) : 1;
  return (BigInt(bounded) * 1024n + BigInt(rank)).toString();
}
