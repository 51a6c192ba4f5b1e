/**
 * Base85 with the alphabet of RFC 1924: five characters are four bytes, big-endian, as Python's `b85decode` reads them.
 *
 * @module
 */

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
/** The value of a character by its code; above 127 for those that are none. */
const VALUES = new Uint8Array(65_536).fill(255);
for (let i = 0; i < ALPHABET.length; i++) VALUES[ALPHABET.charCodeAt(i)] = i;
/** The value of `~`, which fills up a last group that is not full. */
const FILL = 84;
const NO_VALUE = 128;

/**
 * The bytes that a text stands for; `undefined` where it is none: other characters, a single character left over, or a group
 * above 2^32 - 1.
 */
export function decodeBase85(text: string): Uint8Array | undefined {
  const { length } = text;
  const left = length % 5;
  if (left === 1) return undefined;
  const bytes = new Uint8Array(Math.ceil(length / 5) * 4);
  const view = new DataView(bytes.buffer);
  let fault = 0;
  for (let from = 0, at = 0; from < length; from += 5, at += 4) {
    const a = VALUES[text.charCodeAt(from)]!, b = VALUES[text.charCodeAt(from + 1)]!;
    const c = from + 2 < length ? VALUES[text.charCodeAt(from + 2)]! : FILL;
    const d = from + 3 < length ? VALUES[text.charCodeAt(from + 3)]! : FILL;
    const e = from + 4 < length ? VALUES[text.charCodeAt(from + 4)]! : FILL;
    const group = (((a * 85 + b) * 85 + c) * 85 + d) * 85 + e;
    fault |= a | b | c | d | e | (group > 0xffff_ffff ? NO_VALUE : 0);
    view.setUint32(at, group);
  }
  if (fault >= NO_VALUE) return undefined;
  return left === 0 ? bytes : bytes.subarray(0, bytes.length - 5 + left);
}
