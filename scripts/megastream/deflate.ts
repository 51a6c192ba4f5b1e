/**
 * Compression whose bytes never change: the zlib of a runtime may pack the same data differently in another version or on
 * another processor, and fixtures are compared byte for byte. It knows one block type (fixed codes) and looks for repetitions
 * in one place only: it packs a third worse than zlib.
 *
 * @module
 */

const LONGEST = 258, SHORTEST = 4, WINDOW = 32_768;

/** Length code, its first length and its extra bits, by length (3 to 258); RFC 1951 section 3.2.5. */
const LENGTHS = codes(257, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5], 3);
/** First distance and extra bits of each distance code. */
const DISTANCES = Array.from({ length: 30 }, (_, code) => {
  const extra = Math.max(0, (code >> 1) - 1);
  return { code, extra, first: code < 4 ? code + 1 : (2 + (code & 1)) * 2 ** extra + 1 };
});
const END_OF_BLOCK = 256;

interface Code {
  readonly code: number;
  readonly extra: number;
  readonly first: number;
}

function codes(code: number, extras: readonly number[], first: number): readonly Code[] {
  const all: Code[] = [];
  for (const extra of extras) {
    const entry = { code: code++, extra, first };
    for (let n = 0; n < 2 ** extra; n++) all[first++] = entry;
  }
  all[LONGEST] = { code: 285, extra: 0, first: LONGEST };
  return all;
}

/** The bits of a Huffman code come the other way round than those of numbers. */
function reversed(bits: number, count: number): number {
  let result = 0;
  for (let i = 0; i < count; i++) result |= ((bits >> i) & 1) << (count - 1 - i);
  return result;
}

/** Bits and their number for each literal and length code; RFC 1951 section 3.2.6. */
const SYMBOLS = Array.from({ length: 288 }, (_, n) => {
  if (n < 144) return { bits: reversed(0x30 + n, 8), count: 8 };
  if (n < 256) return { bits: reversed(0x190 + n - 144, 9), count: 9 };
  if (n < 280) return { bits: reversed(n - 256, 7), count: 7 };
  return { bits: reversed(0xc0 + n - 280, 8), count: 8 };
});

/** A raw deflate stream of one block (RFC 1951). */
export function deflateRaw(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bits = bitWriter(Math.ceil(data.length * 9 / 8) + 16);
  const symbol = (n: number) => bits.write(SYMBOLS[n]!.bits, SYMBOLS[n]!.count);
  const latest = new Int32Array(1 << 15).fill(-1);
  bits.write(0b011, 3); // last block, fixed codes
  for (let at = 0; at < data.length;) {
    const hash = hashOf(data, at);
    const before = latest[hash]!;
    latest[hash] = at;
    const length = before >= 0 && at - before <= WINDOW ? commonLength(data, before, at) : 0;
    if (length < SHORTEST) {
      symbol(data[at++]!);
      continue;
    }
    const { code, extra, first } = LENGTHS[length]!;
    symbol(code);
    bits.write(length - first, extra);
    const distance = distanceCode(at - before);
    bits.write(reversed(distance.code, 5), 5);
    bits.write(at - before - distance.first, distance.extra);
    for (let i = 1; i < length; i += 3) latest[hashOf(data, at + i)] = at + i;
    at += length;
  }
  symbol(END_OF_BLOCK);
  return bits.end();
}

/** A zlib stream (RFC 1950). */
export function zlib(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const packed = deflateRaw(data);
  const stream = new Uint8Array(packed.length + 6);
  stream.set([0x78, 0x9c]);
  stream.set(packed, 2);
  new DataView(stream.buffer).setUint32(packed.length + 2, adler32(data));
  return stream;
}

function adler32(data: Uint8Array): number {
  let a = 1, b = 0;
  for (const byte of data) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  return b * 65_536 + a;
}

function hashOf(data: Uint8Array, at: number): number {
  const four = data[at]! | data[at + 1]! << 8 | data[at + 2]! << 16 | data[at + 3]! << 24;
  return Math.imul(four, 0x9e3779b1) >>> 17;
}

function commonLength(data: Uint8Array, before: number, at: number): number {
  const most = Math.min(LONGEST, data.length - at);
  let length = 0;
  while (length < most && data[before + length] === data[at + length]) length++;
  return length;
}

function distanceCode(distance: number): Code {
  let code = DISTANCES.length - 1;
  while (DISTANCES[code]!.first > distance) code--;
  return DISTANCES[code]!;
}

function bitWriter(size: number) {
  const bytes = new Uint8Array(size);
  let length = 0, held = 0, count = 0;
  return {
    /** Appends up to 16 bits. */
    write(bits: number, more: number): void {
      held |= bits << count;
      count += more;
      for (; count >= 8; count -= 8) {
        bytes[length++] = held & 0xff;
        held >>>= 8;
      }
    },
    end(): Uint8Array<ArrayBuffer> {
      if (count > 0) bytes[length++] = held & 0xff;
      return bytes.slice(0, length);
    },
  };
}
