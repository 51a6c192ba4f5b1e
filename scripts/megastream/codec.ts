/**
 * The codec of embeddings, encoding only: base85 of zlib of float32 values.
 *
 * @module
 */
import { zlib } from "./deflate.ts";

/** RFC 1924. */
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

/** Base85 as Python's `b85encode` writes it: five characters for four bytes, k + 1 for the last k. */
export function base85(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4) {
    const taken = Math.min(4, bytes.length - at);
    let number = 0;
    for (let i = 0; i < 4; i++) number = number * 256 + (bytes[at + i] ?? 0);
    let group = "";
    for (let i = 0; i < 5; i++) {
      group = ALPHABET[number % 85]! + group;
      number = Math.floor(number / 85);
    }
    text += group.slice(0, taken + 1);
  }
  return text;
}

/** The bytes of float32 values, little-endian. */
export function floatBytes(values: readonly number[]): Uint8Array<ArrayBuffer> {
  const bytes = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, i) => bytes.setFloat32(i * 4, value, true));
  return new Uint8Array(bytes.buffer);
}

/** A vector as rows have it. */
export function encodeVector(values: readonly number[]): string {
  return base85(zlib(floatBytes(values)));
}
