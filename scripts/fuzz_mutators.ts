/**
 * Ways to spoil an input.
 *
 * @module
 */

/** Numbers from 0 to below 1, as `randomFrom` in tests/support/random.ts makes them. */
type Random = () => number;

/** Makes a spoiled copy of `input`; `samples` are other good inputs to borrow from. */
export type Mutator = (input: Uint8Array, random: Random, samples: readonly Uint8Array[]) => Uint8Array;

const encoder = new TextEncoder();

const below = (limit: number, random: Random): number => Math.floor(random() * limit);

function pick<T>(choices: readonly T[], random: Random): T {
  return choices[below(choices.length, random)]!;
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Puts `middle` in the place of the bytes from `from` to `to`. */
function replace(input: Uint8Array, from: number, to: number, middle: Uint8Array): Uint8Array {
  return join(input.subarray(0, from), middle, input.subarray(to));
}

function insert(input: Uint8Array, random: Random, middle: Uint8Array): Uint8Array {
  const at = below(input.length + 1, random);
  return replace(input, at, at, middle);
}

const flipBits: Mutator = (input, random) => {
  const out = input.slice();
  for (let n = 1 + below(8, random); n > 0 && out.length > 0; n--) {
    out[below(out.length, random)]! ^= 1 << below(8, random);
  }
  return out;
};

const truncate: Mutator = (input, random) => input.slice(0, below(input.length, random));

/** The beginning of this input, then the end of another one. */
const splice: Mutator = (input, random, samples) => {
  const other = pick(samples, random);
  return join(input.subarray(0, below(input.length, random)), other.subarray(below(other.length, random)));
};

/** Writes an extreme number of 1 to 8 bytes over what could be a length. */
const lengthField: Mutator = (input, random) => {
  const out = input.slice();
  const width = pick([1, 2, 4, 8], random);
  const at = below(Math.max(1, out.length - width), random);
  const first = pick([0x00, 0x7f, 0x80, 0xff], random);
  out.fill(first === 0x7f || first === 0xff ? 0xff : 0x00, at, at + width);
  if (at < out.length) out[at] = first;
  return out;
};

const DEEP = ["[", '{"a":', "[[", "{a=", "\x81", "\xa1\x61a"].map((text) =>
  Uint8Array.from(text, (c) => c.charCodeAt(0))
);

const nest: Mutator = (input, random) => {
  const unit = pick(DEEP, random);
  const times = pick([10, 1_000, 20_000], random);
  return insert(input, random, join(...Array<Uint8Array>(times).fill(unit)));
};

const NUMBERS = [
  "1e999",
  "-1e999",
  "9".repeat(400),
  "9007199254740993",
  "-0",
  "0x1p9",
  "1e-400",
  "18446744073709551616",
];

/** Puts an extreme number in the place of a number of the text. */
const hugeNumber: Mutator = (input, random) => {
  const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;
  const offset = below(input.length, random);
  const found = input.subarray(offset).findIndex(isDigit);
  const from = found === -1 ? offset : offset + found;
  let to = from;
  while (isDigit(input[to])) to++;
  return replace(input, from, to, encoder.encode(pick(NUMBERS, random)));
};

/** A lone continuation, an overlong form, a surrogate, beyond U+10FFFF, a cut sequence, NUL, a byte order mark. */
const BAD_UTF8 = [[0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82], [0x00], [
  0xef,
  0xbb,
  0xbf,
]];

const invalidUtf8: Mutator = (input, random) => insert(input, random, Uint8Array.from(pick(BAD_UTF8, random)));

/** Repeats what is between two commas or line feeds: a key that comes twice, a line that comes twice. */
const repeatPiece: Mutator = (input, random) => {
  const isEnd = (byte: number): boolean => byte === 0x2c || byte === 0x0a;
  const offset = below(input.length, random);
  const from = input.subarray(0, offset).findLastIndex(isEnd) + 1;
  const length = input.subarray(from).findIndex(isEnd) + 1;
  const piece = input.subarray(from, from + length);
  return replace(input, from, from, piece);
};

/** All ways, by name. */
export const MUTATORS: Readonly<Record<string, Mutator>> = {
  flipBits,
  truncate,
  splice,
  lengthField,
  nest,
  hugeNumber,
  invalidUtf8,
  repeatPiece,
};

/** What databases are made of here. */
export const PAGE_BYTES = 512;

/** Puts a page in the place of another one. */
const movePage: Mutator = (input, random) => {
  const out = input.slice();
  const page = () => below(Math.max(1, out.length / PAGE_BYTES), random) * PAGE_BYTES;
  const from = page();
  out.copyWithin(page(), from, from + PAGE_BYTES);
  return out;
};

/** Spoils the beginning of a page, where its structure is. */
const pageHead: Mutator = (input, random) => {
  const out = input.slice();
  const at = below(Math.max(1, out.length / PAGE_BYTES), random) * PAGE_BYTES + below(40, random);
  if (at < out.length) out[at] = below(256, random);
  return out;
};

/** Ways that leave everything else where it is: what is shifted is no database any more, and nothing in it is looked at. */
export const IN_PLACE: readonly Mutator[] = [flipBits, lengthField, truncate, movePage, pageHead, pageHead];

/** One of the samples, spoiled in one to four ways. */
export function mutate(
  samples: readonly Uint8Array[],
  random: Random,
  mutators: readonly Mutator[] = Object.values(MUTATORS),
): Uint8Array {
  let input = pick(samples, random);
  for (let n = 1 + below(4, random); n > 0; n--) input = pick(mutators, random)(input, random, samples);
  return input;
}
