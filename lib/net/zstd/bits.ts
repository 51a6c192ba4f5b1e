/**
 * The bits of a zstd block, and of the tables in a dictionary.
 *
 * @module
 */
import { PoisonError } from "../../pipeline/errors.ts";

/** Bytes in front of the data and behind it, so that a load of four bytes never leaves the buffer. */
const PADDING = 16;

/** What is read: `at` moves on to `end`. All positions are in bytes from the buffer's beginning. */
export interface Input {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
  end: number;
}

/** An input for at most `capacity` bytes. */
export function newInput(capacity: number): Input {
  const bytes = new Uint8Array(capacity + 2 * PADDING);
  return { bytes, view: new DataView(bytes.buffer), at: PADDING, end: PADDING };
}

/** Begins with these bytes. */
export function loadInput(input: Input, data: Uint8Array): void {
  input.bytes.set(data, PADDING);
  input.at = PADDING;
  input.end = PADDING + data.length;
}

/** A frame that cannot be decoded; `state` says what is wrong with it. */
export function badFrame(state: string): PoisonError {
  return new PoisonError("bad_frame", `Cannot decode zstd frame: ${state}`);
}

/** `count` bits (at most 25) from bit position `at` on; the first one is the lowest. */
export function bitsAt(view: DataView, at: number, count: number): number {
  return (view.getInt32(at >> 3, true) >>> (at & 7)) & ((1 << count) - 1);
}

/** The position of the highest bit that is set in a number above 0. */
export function highBit(value: number): number {
  return 31 - Math.clz32(value);
}

/** The next byte. */
export function nextByte(input: Input): number {
  if (input.at >= input.end) throw badFrame("it is cut off");
  return input.view.getUint8(input.at++);
}

/**
 * The bit position from which the bytes `start` to `end` are read backwards: below the highest bit of the last byte.
 *
 * @throws {PoisonError} `bad_frame`: there is no such bit.
 */
export function backwardStart(view: DataView, start: number, end: number): number {
  const last = end > start ? view.getUint8(end - 1) : 0;
  if (last === 0) throw badFrame("a stream of bits has no end mark");
  return (end - 1) * 8 + highBit(last);
}
