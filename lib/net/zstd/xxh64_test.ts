import { equal } from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { xxh64Low } from "./xxh64.ts";

const P1 = 0x9e3779b185ebca87n, P2 = 0xc2b2ae3d27d4eb4fn, P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n, P5 = 0x27d4eb2f165667c5n;
const cut = (value: bigint): bigint => BigInt.asUintN(64, value);
const turn = (value: bigint, bits: bigint): bigint => cut(value << bits) | (value >> (64n - bits));
const round = (sum: bigint, word: bigint): bigint => cut(turn(cut(sum + word * P2), 31n) * P1);

/** The specification, word for word and slow. */
function reference(data: Buffer): number {
  let at = 0;
  let hash = P5;
  if (data.length >= 32) {
    const sums = [cut(P1 + P2), P2, 0n, cut(-P1)];
    for (; at + 32 <= data.length; at += 32) {
      for (let i = 0; i < 4; i++) sums[i] = round(sums[i]!, data.readBigUInt64LE(at + 8 * i));
    }
    const turns = [1n, 7n, 12n, 18n];
    hash = cut(sums.reduce((sum, each, i) => sum + turn(each, turns[i]!), 0n));
    for (const sum of sums) hash = cut((hash ^ round(0n, sum)) * P1 + P4);
  }
  hash = cut(hash + BigInt(data.length));
  for (; at + 8 <= data.length; at += 8) hash = cut(turn(hash ^ round(0n, data.readBigUInt64LE(at)), 27n) * P1 + P4);
  if (at + 4 <= data.length) {
    hash = cut(turn(hash ^ cut(BigInt(data.readUInt32LE(at)) * P1), 23n) * P2 + P3);
    at += 4;
  }
  for (; at < data.length; at++) hash = cut(turn(hash ^ cut(BigInt(data[at]!) * P5), 11n) * P1);
  hash = cut((hash ^ (hash >> 33n)) * P2);
  hash = cut((hash ^ (hash >> 29n)) * P3);
  return Number(BigInt.asUintN(32, hash ^ (hash >> 32n)));
}

function hashOf(data: Uint8Array): number {
  return xxh64Low(new DataView(data.buffer, data.byteOffset, data.length), 0, data.length);
}

Deno.test("the checksums of published examples", () => {
  equal(hashOf(Buffer.from("")), 0x51d8e999);
  equal(hashOf(Buffer.from("a")), 0xa98c6e5b);
  equal(hashOf(Buffer.from("abc")), 0xad770999);
  equal(hashOf(Buffer.from("The quick brown fox jumps over the lazy dog")), 0x1fda71bc);
});

Deno.test("property: any bytes have the checksum that the specification gives them", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => equal(hashOf(bytes), reference(Buffer.from(bytes)))),
    { numRuns: 2000 },
  );
});
