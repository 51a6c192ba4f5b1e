/**
 * Unsigned varints, as CIDs and CAR files have them: seven bits a byte, the lowest first (https://github.com/multiformats/unsigned-varint).
 *
 * @module
 */

/** Where a reader is in its bytes; what reads moves it on. */
export interface Position {
  /** The next byte. */
  at: number;
}

/**
 * The number at a position; -1 where the bytes end within it, where it is longer than 9 bytes as the specification allows, or above
 * 2^53 - 1. `position` is behind it then, or anywhere after a failure.
 */
export function readVarint(bytes: Uint8Array, position: Position): number {
  let number = 0;
  for (let scale = 1, length = 1; length <= 9; scale *= 128, length++) {
    const byte = bytes[position.at++];
    if (byte === undefined) return -1;
    number += (byte & 0x7f) * scale;
    if (byte < 0x80) return Number.isSafeInteger(number) ? number : -1;
  }
  return -1;
}
