/**
 * Vectors as JSON text, every number as the shortest decimal that gives the same float32 back. The doubles that `JSON.stringify`
 * would print are half as long again, and a bulk of vectors is little else than numbers.
 *
 * Digits are put into bytes, and each vector becomes a text only once: putting texts of numbers together takes three times as long.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { PoisonError } from "../../pipeline/errors.ts";

/** No float32 has more as text, with its comma: `-123456790000000000000,`. */
const MAX_CHARACTERS = 24;
const MINUS = 45, POINT = 46, ZERO = 48, COMMA = 44, OPEN = 91, CLOSE = 93;
/** The text of a vector while it grows. */
let bytes = Buffer.alloc(0);
let view = new DataView(bytes.buffer);

/** @throws {PoisonError} `not_finite` where JSON has no such number. */
export function checkFinite(vector: Float32Array): void {
  for (let i = 0; i < vector.length; i++) {
    const value = vector[i]!;
    // What is not finite is the only thing that does not give 0.
    if (value - value !== 0) throw new PoisonError("not_finite", `Cannot write vector: it contains ${value}`);
  }
}

/**
 * A vector as a JSON array.
 *
 * @throws {PoisonError} `not_finite` where JSON has no such number.
 */
export function vectorText(vector: Float32Array): string {
  if (vector.length === 0) return "[]";
  const room = vector.length * MAX_CHARACTERS + 2;
  if (bytes.length < room) {
    bytes = Buffer.from(new ArrayBuffer(room));
    view = new DataView(bytes.buffer);
  }
  const bits = new Uint32Array(vector.buffer, vector.byteOffset, vector.length);
  let low = 0;
  for (let i = 0; i < bits.length; i++) low |= bits[i]!;
  const end = (low & 0x1fff) === 0 ? putHalves(vector, bits) : putFloats(vector);
  bytes[0] = OPEN;
  bytes[end - 1] = CLOSE; // in place of the last comma
  return bytes.toString("latin1", 0, end);
}

/** Bytes of one text in {@link TEXTS}: no float16 between its smallest normal number and 65,504 needs more as float32. */
const SLOT = 16;
/** The texts of the float16 numbers by their sixteen bits, each with its comma, filled as they occur: 1 MiB if all do. */
const TEXTS = new Uint32Array(65_536 * SLOT / 4);
/** How long each of them is; 0: not filled yet. */
const LENGTHS = new Uint8Array(65_536);

/** For vectors whose numbers lose nothing as float16: their last thirteen bits are 0. The answer is the end of the text. */
function putHalves(vector: Float32Array, bits: Uint32Array): number {
  let at = 1;
  for (let i = 0; i < bits.length; i++) {
    const each = bits[i]!;
    const exponent = (each >>> 23) & 0xff;
    if (exponent > 112 && exponent < 143) {
      const half = (each >>> 16 & 0x8000) | (exponent - 112) << 10 | (each >>> 13 & 0x3ff);
      const length = LENGTHS[half]! || fillText(half, vector[i]!);
      const from = half * 4;
      // Always the whole slot: what is behind the text is written over by the next one.
      view.setUint32(at, TEXTS[from]!, true);
      view.setUint32(at + 4, TEXTS[from + 1]!, true);
      view.setUint32(at + 8, TEXTS[from + 2]!, true);
      view.setUint32(at + 12, TEXTS[from + 3]!, true);
      at += length;
    } else at = putText(vector[i]!, at);
  }
  return at;
}

function fillText(half: number, value: number): number {
  const text = `${floatText(value)},`;
  for (let i = 0; i < text.length; i++) TEXTS[half * 4 + (i >> 2)]! |= text.charCodeAt(i) << (i & 3) * 8;
  return LENGTHS[half] = text.length;
}

/**
 * One float32 as the shortest decimal.
 *
 * @throws {PoisonError} `not_finite`.
 */
export function floatText(value: number): string {
  if (!Number.isFinite(value)) throw new PoisonError("not_finite", `Cannot write vector: it contains ${value}`);
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  let digits = 1;
  // Nine digits are enough for every float32.
  while (digits < 9 && Math.fround(Number(value.toPrecision(digits))) !== value) digits++;
  return String(Number(value.toPrecision(digits)));
}

function putText(value: number, start: number): number {
  const text = `${floatText(value)},`;
  for (let i = 0; i < text.length; i++) bytes[start + i] = text.charCodeAt(i);
  return start + text.length;
}

const LEAST = 1e-6;

/** For all other vectors. */
function putFloats(vector: Float32Array): number {
  let at = 1;
  for (let i = 0; i < vector.length; i++) {
    const value = vector[i]!;
    const size = Math.abs(value);
    at = size >= LEAST && size < 1 ? putFraction(value, size, at) : putText(value, at);
  }
  return at;
}

/** Powers of ten, up to six leading zeros and nine digits. */
const TENS = Float64Array.from({ length: 16 }, (_, i) => Number(`1e${i}`));
/** The text of every number of four digits, as a little-endian integer. */
const QUARTETS = Uint32Array.from({ length: 10_000 }, (_, number) => {
  const [a, b, c, d] = String(number).padStart(4, "0");
  return a!.charCodeAt(0) | b!.charCodeAt(0) << 8 | c!.charCodeAt(0) << 16 | d!.charCodeAt(0) << 24;
});

/** Writes a number between {@link LEAST} and 1 from `start` on; the answer is the end of its text. */
function putFraction(value: number, size: number, start: number): number {
  // Most need seven digits or eight. Those with fewer end with zeros then, as long as neighbours are nearer than that, which
  // below 0.001 not all are: there six digits come first.
  let places = size >= 0.1 ? 7 : size >= 0.01 ? 8 : size >= 0.0001 ? 9 : size >= 0.00001 ? 10 : 11;
  let number = (size * TENS[places]! + 0.5) | 0;
  while (Math.fround(number / TENS[places]!) !== size) number = (size * TENS[++places]! + 0.5) | 0;
  for (; number % 10 === 0; number = (number / 10) | 0) places--;
  const digits = value < 0 ? start + 3 : start + 2;
  const end = digits + places;
  // From behind, four at a time; up to three zeros too many are where the sign, zero and point go.
  for (let at = end - 4, rest = number; at > digits - 4; at -= 4, rest = (rest / 10_000) | 0) {
    view.setUint32(at, QUARTETS[rest % 10_000]!, true);
  }
  bytes[start - 1] = COMMA;
  if (value < 0) bytes[start++] = MINUS;
  bytes[start] = ZERO;
  bytes[start + 1] = POINT;
  bytes[end] = COMMA;
  return end + 1;
}
