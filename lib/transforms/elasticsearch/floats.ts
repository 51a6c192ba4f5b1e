/**
 * Vectors as JSON text, every number as the shortest decimal that gives the same float32 back. The doubles that `JSON.stringify`
 * would print are half as long again, and a bulk of vectors is little else than numbers.
 *
 * @module
 */
import { PoisonError } from "../../pipeline/errors.ts";

/**
 * A vector as a JSON array.
 *
 * @throws {PoisonError} `not_finite` where JSON has no such number.
 */
export function vectorText(vector: Float32Array): string {
  const bits = new Uint32Array(vector.buffer, vector.byteOffset, vector.length);
  let low = 0;
  for (let i = 0; i < bits.length; i++) low |= bits[i]!;
  return (low & 0x1fff) === 0 ? textOfHalves(vector, bits) : textOfFloats(vector);
}

/** The texts of the float16 numbers by their sixteen bits, filled as they occur. */
const HALVES: (string | undefined)[] = new Array(65_536);

/** For vectors whose numbers lose nothing as float16: their last thirteen bits are 0. */
function textOfHalves(vector: Float32Array, bits: Uint32Array): string {
  const texts: string[] = new Array(vector.length);
  for (let i = 0; i < texts.length; i++) {
    const each = bits[i]!;
    const exponent = (each >>> 23) & 0xff;
    if (exponent > 112 && exponent < 143) {
      const half = (each >>> 16 & 0x8000) | (exponent - 112) << 10 | (each >>> 13 & 0x3ff);
      texts[i] = HALVES[half] ??= floatText(vector[i]!);
    } else texts[i] = floatText(vector[i]!);
  }
  return `[${texts.join(",")}]`;
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

/** Powers of ten, up to six leading zeros and nine digits. */
const TENS = Float64Array.from({ length: 16 }, (_, i) => Number(`1e${i}`));
const LEAST = 1e-6;
/** A text of a float32 with its comma has at most 23: `-123456790000000000000,`. */
const MAX_CHARACTERS = 24;
const MINUS = 45, POINT = 46, ZERO = 48, COMMA = 44, OPEN = 91, CLOSE = 93;
const decoder = new TextDecoder();
let bytes = new Uint8Array(0);

/** For all other vectors: digit by digit into bytes, as texts put together would take twice as long. */
function textOfFloats(vector: Float32Array): string {
  const room = vector.length * MAX_CHARACTERS + 2;
  if (bytes.length < room) bytes = new Uint8Array(room);
  let end = 0;
  for (let i = 0; i < vector.length; i++) {
    const value = vector[i]!;
    bytes[end] = end === 0 ? OPEN : COMMA;
    const size = Math.abs(value);
    end = size >= LEAST && size < 1 ? putFraction(value, size, end + 1) : putOther(value, end + 1);
  }
  bytes[end++] = CLOSE;
  return decoder.decode(bytes.subarray(0, end));
}

/** Writes a number between {@link LEAST} and 1 from `start` on; the answer is the end of its text. */
function putFraction(value: number, size: number, start: number): number {
  let places = 6;
  while (size * TENS[places - 5]! < 1) places++; // six digits after the zeros
  let number = Math.round(size * TENS[places]!);
  while (Math.fround(number / TENS[places]!) !== size) number = Math.round(size * TENS[++places]!);
  for (; number % 10 === 0; number /= 10) places--;
  let at = start;
  if (value < 0) bytes[at++] = MINUS;
  bytes[at++] = ZERO;
  bytes[at++] = POINT;
  const end = at + places;
  let rest = number | 0;
  for (let i = end - 1; i >= at; i--) {
    const tenth = (rest / 10) | 0;
    bytes[i] = ZERO + rest - tenth * 10;
    rest = tenth;
  }
  return end;
}

function putOther(value: number, start: number): number {
  const text = floatText(value);
  for (let i = 0; i < text.length; i++) bytes[start + i] = text.charCodeAt(i);
  return start + text.length;
}
