/**
 * Huffman codes of literals (RFC 8878, section 4.2).
 *
 * @module
 */
import { backwardStart, badFrame, bitsAt, highBit, type Input, nextByte } from "./bits.ts";
import {
  buildFseTable,
  type Distribution,
  type FseLimits,
  type FseTable,
  newDistribution,
  newFseTable,
  readDistribution,
} from "./fse.ts";

/** The longest code, in bits. */
const MAX_BITS = 11;
const WEIGHT_LIMITS: FseLimits = { maxLog: 6, maxSymbol: MAX_BITS };

/** What is found by the next `bits` bits: symbol | length of its code << 8. */
export interface HuffmanTable {
  bits: number;
  readonly cells: Uint16Array<ArrayBuffer>;
  /** The same cells in pairs, to fill them faster. */
  readonly pairs: Int32Array;
}

/** Where tables are made in; one serves all of a decoder's, one after the other. */
export interface HuffmanWorkspace {
  readonly weights: Uint8Array;
  readonly distribution: Distribution;
  readonly table: FseTable;
}

/** An empty table. */
export function newHuffmanTable(): HuffmanTable {
  const cells = new Uint16Array(1 << MAX_BITS);
  return { bits: 0, cells, pairs: new Int32Array(cells.buffer) };
}

/** A place for {@link readHuffmanTable} to work in. */
export function newHuffmanWorkspace(): HuffmanWorkspace {
  return { weights: new Uint8Array(256), distribution: newDistribution(), table: newFseTable(WEIGHT_LIMITS.maxLog) };
}

/**
 * Reads the description of a code, and makes its table.
 *
 * @throws {PoisonError} `bad_frame`: it makes no complete code, or is cut off.
 */
export function readHuffmanTable(into: HuffmanTable, work: HuffmanWorkspace, input: Input): void {
  const head = nextByte(input);
  const direct = head >= 128;
  const stop = input.at + (direct ? (head - 126) >> 1 : head);
  if (stop > input.end) throw badFrame("a Huffman table is cut off");
  const length = direct ? readPlainWeights(work, input, head - 127) : readCodedWeights(work, input, stop);
  buildTable(into, work.weights, length);
  input.at = stop;
}

/** Weights of four bits each, the first one of a byte above. */
function readPlainWeights({ weights }: HuffmanWorkspace, { view, at }: Input, length: number): number {
  for (let i = 0; i < length; i++) {
    const byte = view.getUint8(at + (i >> 1));
    weights[i] = (i & 1) === 0 ? byte >> 4 : byte & 15;
  }
  return length;
}

/** Weights by two states that take turns, until the bits are used up: the other state then has one more to give. */
function readCodedWeights(work: HuffmanWorkspace, input: Input, end: number): number {
  const { weights, distribution, table } = work;
  readDistribution(distribution, input, WEIGHT_LIMITS);
  buildFseTable(table, distribution);
  const { log, cells } = table;
  const { view } = input;
  const floor = input.at * 8;
  let at = backwardStart(view, input.at, end) - log;
  let cell = cells[bitsAt(view, at, log)]!;
  at -= log;
  if (at < floor) throw badFrame("a Huffman table is cut off");
  let other = cells[bitsAt(view, at, log)]!;
  let length = 0;
  while (length < 254) {
    weights[length++] = cell & 255;
    const bits = (cell >> 8) & 255;
    at -= bits;
    if (at < floor) {
      weights[length++] = other & 255;
      return length;
    }
    const following = cells[(cell >> 16) + bitsAt(view, at, bits)]!;
    cell = other;
    other = following;
  }
  throw badFrame("a Huffman table has too many symbols");
}

const ranks = new Int32Array(MAX_BITS + 2);

/** The last weight is not written: it is the one that makes the code complete. */
function buildTable(into: HuffmanTable, weights: Uint8Array, length: number): void {
  let sum = 0;
  ranks.fill(0);
  for (let i = 0; i < length; i++) {
    const weight = weights[i]!;
    if (weight > MAX_BITS) throw badFrame("a Huffman code is too long");
    ranks[weight]!++;
    sum += (1 << weight) >> 1;
  }
  if (sum === 0) throw badFrame("a Huffman table is empty");
  const bits = highBit(sum) + 1;
  const rest = (1 << bits) - sum;
  if (bits > MAX_BITS || (rest & (rest - 1)) !== 0) throw badFrame("a Huffman code is not complete");
  const last = highBit(rest) + 1;
  weights[length] = last;
  ranks[last]!++;
  if (ranks[1] === 0) throw badFrame("a Huffman code has no longest codes");
  fillTable(into, weights, length + 1, bits);
}

/** The longest codes come first, those of one length in the order of their symbols. */
function fillTable(into: HuffmanTable, weights: Uint8Array, length: number, bits: number): void {
  let start = 0;
  for (let weight = 1; weight <= bits; weight++) {
    const count = ranks[weight]!;
    ranks[weight] = start;
    start += count << (weight - 1);
  }
  const { cells, pairs } = into;
  for (let symbol = 0; symbol < length; symbol++) {
    const weight = weights[symbol]!;
    if (weight === 0) continue;
    const cell = symbol | (bits + 1 - weight) << 8;
    const from = ranks[weight]!;
    const to = from + ((1 << weight) >> 1);
    ranks[weight] = to;
    if (weight === 1) cells[from] = cell;
    else for (let i = from >> 1; i < to >> 1; i++) pairs[i] = cell | cell << 16;
  }
  into.bits = bits;
}

/**
 * Decodes one stream, the bytes `start` to `end`, into `out` from `at` until `to`.
 *
 * @throws {PoisonError} `bad_frame`: it does not hold exactly those symbols.
 */
export function readHuffmanStream(
  { bits, cells }: HuffmanTable,
  view: DataView,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
  to: number,
): void {
  const floor = start * 8;
  const shift = 32 - bits;
  let bit = backwardStart(view, start, end);
  // The next 32 bits, and the at least 24 behind them: as those are fetched ahead, no symbol waits for memory.
  let box = bitsBelow(view, bit) | (bitsBelow(view, bit - 24) >>> 24);
  for (; at + 1 < to; at += 2) {
    let behind = bitsBelow(view, bit - 32);
    const first = cells[box >>> shift]!;
    out[at] = first;
    const firstBits = first >> 8;
    box = (box << firstBits) | (behind >>> (32 - firstBits));
    behind <<= firstBits;
    const second = cells[box >>> shift]!;
    out[at + 1] = second;
    const secondBits = second >> 8;
    box = (box << secondBits) | (behind >>> (32 - secondBits));
    bit -= firstBits + secondBits;
    if (bit < floor) break;
  }
  if (at < to && bit >= floor) {
    const cell = cells[box >>> shift]!;
    out[at] = cell;
    bit -= cell >> 8;
  }
  if (bit !== floor) throw badFrame("a Huffman stream does not end where it should");
}

/** At least 24 bits below bit position `at`, the next one on top. */
function bitsBelow(view: DataView, at: number): number {
  return view.getInt32((at >> 3) - 3, true) << (8 - (at & 7));
}
