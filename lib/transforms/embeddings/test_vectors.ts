/**
 * The other way round, for tests: vectors as files have them.
 *
 * @module
 */
import { deflateSync } from "node:zlib";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

/** Base85 as Python's `b85encode` writes it. */
export function base85(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4) {
    const group = [...bytes.subarray(at, at + 4)];
    let number = [...group, 0, 0, 0].slice(0, 4).reduce((sum, byte) => sum * 256 + byte);
    const characters = Array.from({ length: 5 }, () => {
      const character = ALPHABET[number % 85]!;
      number = Math.floor(number / 85);
      return character;
    });
    text += characters.reverse().join("").slice(0, group.length + 1);
  }
  return text;
}

/** A vector's text. */
export function vectorCode(vector: Float32Array<ArrayBuffer>): string {
  return base85(deflateSync(new Uint8Array(vector.buffer)));
}
