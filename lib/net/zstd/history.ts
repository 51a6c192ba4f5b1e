/**
 * What a decoder has written so far, behind what its dictionary holds: matches reach back into both.
 *
 * @module
 */

/** Bytes behind the room, as copies go in steps of four. */
const SLACK = 8;

/** The bytes so far. */
export interface History {
  bytes: Uint8Array<ArrayBuffer>;
  view: DataView;
  /** Where the frame's content begins, behind the dictionary's. */
  readonly begin: number;
  /** Where the next byte goes. */
  at: number;
  /** How large the buffer may become. */
  readonly capacity: number;
}

/** A history with a dictionary's content, and room for `room` bytes behind it, which may become `most`. */
export function newHistory(content: Uint8Array, room: number, most: number): History {
  const begin = content.length;
  const bytes = new Uint8Array(begin + room + SLACK);
  bytes.set(content);
  return { bytes, view: new DataView(bytes.buffer), begin, at: begin, capacity: begin + most + SLACK };
}

/** Makes room for `room` more bytes. A larger buffer is kept: if each large frame made its own, garbage would pile up. */
export function makeRoom(history: History, room: number): void {
  const needed = history.at + room + SLACK;
  if (needed <= history.bytes.length) return;
  const bytes = new Uint8Array(Math.max(needed, Math.min(2 * history.bytes.length, history.capacity)));
  bytes.set(history.bytes.subarray(0, history.at));
  history.bytes = bytes;
  history.view = new DataView(bytes.buffer);
}
