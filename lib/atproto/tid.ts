/**
 * TIDs: record keys and revisions that tell a time.
 *
 * @module
 */

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
