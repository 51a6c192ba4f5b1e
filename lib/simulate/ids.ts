/**
 * Valid identifiers made from 32-bit numbers: DIDs, CIDs, TIDs. They are put together from tables of ready-made syllables, as
 * the generator makes hundreds of thousands of them a second.
 *
 * @module
 */

/** RFC 4648, lower case: `did:plc` and CIDs. */
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
/** https://atproto.com/specs/tid */
const SORTABLE = "234567abcdefghijklmnopqrstuvwxyz";

/** Every text of `length` letters, in the alphabet's order. */
function syllables(alphabet: string, length: number): readonly string[] {
  let all = [""];
  for (let n = 0; n < length; n++) all = all.flatMap((head) => [...alphabet].map((letter) => head + letter));
  return all;
}

const TWO = syllables(BASE32, 2);
const THREE = syllables(BASE32, 3);
const SORTABLE_TWO = syllables(SORTABLE, 2);
const SORTABLE_THREE = syllables(SORTABLE, 3);

const FACTOR_1 = 0x21f0aaad, INVERSE_1 = 0x333c4925, FACTOR_2 = 0x735a2d97, INVERSE_2 = 0x97132227;

/** 32 well spread bits of two 32-bit numbers; for one `salt` no two values of `n` give the same. */
export function mix(n: number, salt: number): number {
  let x = (n + Math.imul(salt, 0x9e3779b9)) | 0;
  x = Math.imul(x ^ (x >>> 16), FACTOR_1);
  x = Math.imul(x ^ (x >>> 15), FACTOR_2);
  return (x ^ (x >>> 15)) >>> 0;
}

/** The number that {@link mix} made these bits from: its steps backwards, with the inverses of its factors modulo 2^32. */
function unmix(bits: number, salt: number): number {
  let x = bits ^ (bits >>> 15) ^ (bits >>> 30);
  x = Math.imul(x, INVERSE_2);
  x = Math.imul(x ^ (x >>> 15) ^ (x >>> 30), INVERSE_1);
  return ((x ^ (x >>> 16)) - Math.imul(salt, 0x9e3779b9)) >>> 0;
}

/** 4,096 texts of 16 letters: longer pieces make a CID cheaper. */
const SIXTEEN = Array.from(
  { length: 4096 },
  (_, n) => flat(`${six(mix(n, 1))}${six(mix(n, 2))}${THREE[n]!}${BASE32[n % 32]!}`),
);

/**
 * The same text, laid out in one piece. V8 keeps a text that was put together as a tree of its parts until somebody looks
 * into it, and copying such a tree costs more the finer it is: worth it for texts that are used again and again.
 */
export function flat(text: string): string {
  text.charCodeAt(0);
  return text;
}

/** Six letters from 30 of 32 bits. */
function six(bits: number): string {
  return THREE[bits >>> 17]! + THREE[(bits >>> 2) & 0x7fff]!;
}

/** A `did:plc` with 24 letters. */
export function did(n: number, salt: number): string {
  return `did:plc:${six(mix(n, salt))}${six(mix(n, salt + 1))}${six(mix(n, salt + 2))}${six(mix(n, salt + 3))}`;
}

/** The number that {@link did} made this text from, `undefined` where it did not: looked for without trying them all. */
export function didNumber(text: string, salt: number): number | undefined {
  const letters = /^did:plc:([a-z2-7]{6})[a-z2-7]{18}$/.exec(text)?.[1];
  if (letters === undefined) return undefined;
  const bits = [...letters].reduce((sum, letter) => sum << 5 | BASE32.indexOf(letter), 0) << 2;
  return [0, 1, 2, 3].map((rest) => unmix(bits | rest, salt)).find((n) => did(n, salt) === text);
}

/**
 * A CIDv1 (59 letters) of a SHA-256 hash: `bafyrei` is what the bytes 01 71 12 20 (dag-cbor, sha2-256, 32 bytes) begin
 * with. The letter after it holds three bits of the hash, and so does the last one.
 */
export function cid(n: number, salt: number, head = "bafyrei"): string {
  const edge = mix(n, salt), middle = mix(n, salt + 1);
  return head + BASE32[edge >>> 29]! + TWO[middle >>> 22]! + SIXTEEN[edge & 0xfff]! + SIXTEEN[(edge >>> 12) & 0xfff]! +
    SIXTEEN[middle & 0xfff]! + BASE32[((middle >>> 12) & 7) << 2]!;
}

/** A blob's CID: as {@link cid}, of raw bytes. */
export function blobCid(n: number, salt: number): string {
  return cid(n, salt, "bafkrei");
}

/** A TID: microseconds since 1970 (up to 2^55) and a clock number, of which 10 bits count. */
export function tid(time_us: number, clock: number): string {
  const high = Math.floor(time_us / 2 ** 30);
  const low = time_us - high * 2 ** 30;
  return SORTABLE_TWO[high >>> 15]! + SORTABLE_THREE[high & 0x7fff]! + SORTABLE_THREE[low >>> 15]! +
    SORTABLE_THREE[low & 0x7fff]! + SORTABLE_TWO[clock & 0x3ff]!;
}

const DIGITS = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, "0"));

/** A point in time as the wires write it. */
export interface TimeTexts {
  /** Microseconds since 1970: `1783175888085434`. */
  micros(time_us: number): string;
  /** RFC 3339 with six fraction digits: `2026-07-04T14:38:08.085434Z`. */
  rfc3339(time_us: number): string;
  /** RFC 3339 with three: `2026-07-04T14:38:08.085Z`. */
  millis(time_us: number): string;
}

/** Remembers the second that was written last, as times that follow each other mostly share it. */
export function createTimeTexts(): TimeTexts {
  let second = -1, count = "", date = "";
  const rest = (time_us: number) => {
    const now = Math.floor(time_us / 1_000_000);
    if (now !== second) {
      second = now;
      count = String(now);
      date = new Date(now * 1000).toISOString().slice(0, 20);
    }
    return time_us - now * 1_000_000;
  };
  return {
    micros(time_us) {
      const us = rest(time_us);
      return count + DIGITS[(us / 1000) | 0]! + DIGITS[us % 1000]!;
    },
    rfc3339(time_us) {
      const us = rest(time_us);
      return date + DIGITS[(us / 1000) | 0]! + DIGITS[us % 1000]! + "Z";
    },
    millis(time_us) {
      const us = rest(time_us);
      return date + DIGITS[(us / 1000) | 0]! + "Z";
    },
  };
}
