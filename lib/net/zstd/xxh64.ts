/**
 * The checksum of a zstd frame: the lower half of XXH64 with seed 0 (https://github.com/Cyan4973/xxHash,
 * doc/xxhash_spec.md).
 *
 * Numbers of 64 bits are two halves here: BigInt was measured at ten times the time.
 *
 * @module
 */

const P1 = [0x9e3779b1 | 0, 0x85ebca87 | 0] as const;
const P2 = [0xc2b2ae3d | 0, 0x27d4eb4f | 0] as const;
const P3 = [0x165667b1 | 0, 0x9e3779f9 | 0] as const;
const P4 = [0x85ebca77 | 0, 0xc2b2ae63 | 0] as const;
const P5 = [0x27d4eb2f | 0, 0x165667c5 | 0] as const;
const [P1_HIGH, P1_LOW] = P1;
const [P2_HIGH, P2_LOW] = P2;

/** The upper half of the product of two unsigned numbers of 32 bits. */
function upper(a: number, b: number): number {
  const a0 = a & 0xffff, a1 = a >>> 16, b0 = b & 0xffff, b1 = b >>> 16;
  const one = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0;
  const other = (Math.imul(a0, b1) + (one & 0xffff)) | 0;
  return (Math.imul(a1, b1) + (one >>> 16) + (other >>> 16)) | 0;
}

/** The upper half of the product of two numbers of 64 bits; the lower one is `Math.imul` of the lower halves. */
function upperHalf(high: number, low: number, byHigh: number, byLow: number): number {
  return (upper(low, byLow) + Math.imul(high, byLow) + Math.imul(low, byHigh)) | 0;
}

// What `mix` gives back, without making an array of it.
let mixedHigh = 0, mixedLow = 0;

/** Of every fourth word from `at` to `end`: `sum = rotl(sum + word * P2, 31) * P1`. */
function mix(view: DataView, at: number, end: number, sumHigh: number, sumLow: number): void {
  for (; at < end; at += 32) {
    const wordLow = view.getInt32(at, true), wordHigh = view.getInt32(at + 4, true);
    const partLow = Math.imul(wordLow, P2_LOW);
    const partHigh = upperHalf(wordHigh, wordLow, P2_HIGH, P2_LOW);
    const low = (sumLow + partLow) | 0;
    const high = (sumHigh + partHigh + (low >>> 0 < partLow >>> 0 ? 1 : 0)) | 0;
    const turnedLow = (low << 31) | (high >>> 1), turnedHigh = (high << 31) | (low >>> 1);
    sumLow = Math.imul(turnedLow, P1_LOW);
    sumHigh = upperHalf(turnedHigh, turnedLow, P1_HIGH, P1_LOW);
  }
  mixedHigh = sumHigh;
  mixedLow = sumLow;
}

// The hash so far.
let hashHigh = 0, hashLow = 0;

function multiply([byHigh, byLow]: readonly [number, number]): void {
  hashHigh = upperHalf(hashHigh, hashLow, byHigh, byLow);
  hashLow = Math.imul(hashLow, byLow);
}

function add(high: number, low: number): void {
  hashLow = (hashLow + low) | 0;
  hashHigh = (hashHigh + high + (hashLow >>> 0 < low >>> 0 ? 1 : 0)) | 0;
}

/** Turns to the left by `bits`, below 32. */
function turn(bits: number): void {
  const low = (hashLow << bits) | (hashHigh >>> (32 - bits));
  hashHigh = (hashHigh << bits) | (hashLow >>> (32 - bits));
  hashLow = low;
}

/** XORs the product of a small number and a prime. */
function mixSmall(value: number, [byHigh, byLow]: readonly [number, number]): void {
  hashHigh ^= upperHalf(0, value, byHigh, byLow);
  hashLow ^= Math.imul(value, byLow);
}

function mixWord(view: DataView, at: number): void {
  mix(view, at, at + 1, 0, 0);
  hashHigh ^= mixedHigh;
  hashLow ^= mixedLow;
}

/** The four sums. */
const sums = new DataView(new ArrayBuffer(32));

function keepSum(at: number): void {
  sums.setInt32(at, mixedLow, true);
  sums.setInt32(at + 4, mixedHigh, true);
}

/** Takes whole stripes of 32 bytes: four sums, then all in one. */
function takeStripes(view: DataView, at: number, end: number): void {
  mix(view, at, end, 0x60ea27ee, 0xadc0b5d6); // P1 + P2
  keepSum(0);
  mix(view, at + 8, end, P2_HIGH, P2_LOW);
  keepSum(8);
  mix(view, at + 16, end, 0, 0);
  keepSum(16);
  mix(view, at + 24, end, 0x61c8864e, 0x7a143579); // -P1
  keepSum(24);
  const turned = [1, 7, 12, 18];
  let high = 0, low = 0;
  for (let i = 0; i < 4; i++) {
    hashLow = sums.getInt32(8 * i, true);
    hashHigh = sums.getInt32(8 * i + 4, true);
    turn(turned[i]!);
    add(high, low);
    high = hashHigh;
    low = hashLow;
  }
  for (let i = 0; i < 32; i += 8) {
    mixWord(sums, i);
    multiply(P1);
    add(P4[0], P4[1]);
  }
}

/** What is left behind the stripes. */
function takeRest(view: DataView, at: number, end: number): void {
  for (; at + 8 <= end; at += 8) {
    mixWord(view, at);
    turn(27);
    multiply(P1);
    add(P4[0], P4[1]);
  }
  if (at + 4 <= end) {
    mixSmall(view.getInt32(at, true), P1);
    turn(23);
    multiply(P2);
    add(P3[0], P3[1]);
    at += 4;
  }
  for (; at < end; at++) {
    mixSmall(view.getUint8(at), P5);
    turn(11);
    multiply(P1);
  }
}

/** The lower 32 bits of the hash of the bytes from `start` to `end`, unsigned. */
export function xxh64Low(view: DataView, start: number, end: number): number {
  const stripes = start + ((end - start) & ~31);
  if (stripes > start) takeStripes(view, start, stripes);
  else [hashHigh, hashLow] = P5;
  add(0, end - start);
  takeRest(view, stripes, end);
  hashLow ^= hashHigh >>> 1; // shifted by 33
  multiply(P2);
  const low = hashLow ^ ((hashLow >>> 29) | (hashHigh << 3));
  hashHigh ^= hashHigh >>> 29;
  hashLow = low;
  multiply(P3);
  return (hashLow ^ hashHigh) >>> 0;
}
