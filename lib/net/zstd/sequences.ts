/**
 * Sequences of a zstd block (RFC 8878, section 3.1.1.3.2): so many literals, then so many bytes from so far back.
 *
 * @module
 */
import { backwardStart, badFrame, bitsAt, type Input, nextByte } from "./bits.ts";
import {
  buildFseTable,
  buildRleTable,
  type Distribution,
  type FseLimits,
  type FseTable,
  newDistribution,
  newFseTable,
  readDistribution,
} from "./fse.ts";
import type { History } from "./history.ts";
import type { Literals } from "./literals.ts";

/** The three tables that codes of sequences are read with; `undefined` where a block has to bring its own. */
export interface SequenceTables {
  lengths: FseTable | undefined;
  offsets: FseTable | undefined;
  matches: FseTable | undefined;
}

/** The codes of one kind: how they are limited, and the table that needs no description. */
export interface Kind {
  readonly limits: FseLimits;
  readonly predefined: FseTable;
}

const LITERAL_LENGTH_BITS = Uint8Array.from(
  [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
);
const MATCH_LENGTH_BITS = new Uint8Array(53);
MATCH_LENGTH_BITS.set([1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], 32);
const LITERAL_LENGTH_BASE = bases(LITERAL_LENGTH_BITS, 0);
const MATCH_LENGTH_BASE = bases(MATCH_LENGTH_BITS, 3);

/** Each code begins where the one before it ends. */
function bases(bits: Uint8Array, first: number): Int32Array {
  const base = new Int32Array(bits.length);
  base[0] = first;
  for (let i = 1; i < bits.length; i++) base[i] = base[i - 1]! + (1 << bits[i - 1]!);
  return base;
}

/** Literal lengths. */
export const LENGTHS: Kind = kind(6, 9, [
  ...[4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1],
  ...[-1, -1, -1, -1],
]);
/** Offsets; a code above 30 would be farther back than anything that is kept here. */
export const OFFSETS: Kind = {
  ...kind(5, 8, [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1]),
  limits: { maxLog: 8, maxSymbol: 31 },
};
/** Match lengths. */
export const MATCHES: Kind = kind(6, 9, [
  ...[1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
  ...[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1],
]);

function kind(log: number, maxLog: number, counts: readonly number[]): Kind {
  const distribution = newDistribution();
  distribution.counts.set(counts);
  const predefined = newFseTable(log);
  buildFseTable(predefined, { ...distribution, log, length: counts.length });
  return { limits: { maxLog, maxSymbol: counts.length - 1 }, predefined };
}

/** What sequences are decoded with; a frame after the other uses the same. */
export interface SequenceReader {
  /** In use now, also for a block that repeats them. */
  readonly current: SequenceTables;
  /** Where a block's own tables are made. */
  readonly own: { readonly lengths: FseTable; readonly offsets: FseTable; readonly matches: FseTable };
  readonly distribution: Distribution;
  /** The last three offsets, the newest first. */
  readonly repeated: Int32Array;
}

/** A reader without tables. */
export function newSequenceReader(): SequenceReader {
  return {
    current: { lengths: undefined, offsets: undefined, matches: undefined },
    own: { lengths: newFseTable(9), offsets: newFseTable(8), matches: newFseTable(9) },
    distribution: newDistribution(),
    repeated: new Int32Array(3),
  };
}

/** The table that a block asks for: a predefined one, one symbol, a described one, or the one before. */
function chooseTable(
  { limits, predefined }: Kind,
  mode: number,
  own: FseTable,
  before: FseTable | undefined,
  distribution: Distribution,
  input: Input,
): FseTable {
  if (mode === 0) return predefined;
  if (mode === 3) {
    if (before === undefined) throw badFrame("it repeats a table that it does not have");
    return before;
  }
  if (mode === 1) {
    const symbol = nextByte(input);
    if (symbol > limits.maxSymbol) throw badFrame("a table has a wrong symbol");
    buildRleTable(own, symbol);
  } else {
    readDistribution(distribution, input, limits);
    buildFseTable(own, distribution);
  }
  return own;
}

/**
 * Reads the sequences of a block, which are the rest of the input, and executes them on the history.
 *
 * @throws {PoisonError} `bad_frame`: they make no block of at most `maxBlock` bytes.
 */
export function readSequences(
  reader: SequenceReader,
  input: Input,
  literals: Literals,
  history: History,
  maxBlock: number,
): void {
  const count = readCount(input);
  const limit = history.at + maxBlock;
  let used = 0;
  if (count > 0) {
    const modes = nextByte(input);
    if ((modes & 3) !== 0) throw badFrame("a reserved bit is set");
    const { current, own, distribution } = reader;
    current.lengths = chooseTable(LENGTHS, modes >> 6, own.lengths, current.lengths, distribution, input);
    current.offsets = chooseTable(OFFSETS, (modes >> 4) & 3, own.offsets, current.offsets, distribution, input);
    current.matches = chooseTable(MATCHES, (modes >> 2) & 3, own.matches, current.matches, distribution, input);
    used = executeSequences(reader, count, input, literals, history, limit);
  } else if (input.at !== input.end) throw badFrame("a block has a rest that means nothing");
  const rest = literals.length - used;
  if (history.at + rest > limit) throw badFrame("a block is too large");
  copyBytes(literals.bytes, literals.view, used, history.bytes, history.view, history.at, rest);
  history.at += rest;
}

function readCount(input: Input): number {
  const first = nextByte(input);
  if (first < 128) return first;
  if (first < 255) return ((first - 128) << 8) + nextByte(input);
  const low = nextByte(input);
  return low + (nextByte(input) << 8) + 0x7f00;
}

/** Executes the sequences, all that one takes in a single loop for its speed. Gives back how many literals they took. */
function executeSequences(
  { current, repeated }: SequenceReader,
  count: number,
  { view, at: start, end }: Input,
  literals: Literals,
  history: History,
  limit: number,
): number {
  const { log: lengthLog, cells: lengthCells } = current.lengths!;
  const { log: offsetLog, cells: offsetCells } = current.offsets!;
  const { log: matchLog, cells: matchCells } = current.matches!;
  const { bytes, view: out } = history;
  const floor = start * 8;
  let bit = backwardStart(view, start, end);
  let lengthCell = lengthCells[bitsAt(view, bit -= lengthLog, lengthLog)]!;
  let offsetCell = offsetCells[bitsAt(view, bit -= offsetLog, offsetLog)]!;
  let matchCell = matchCells[bitsAt(view, bit -= matchLog, matchLog)]!;
  let newest = repeated[0]!, second = repeated[1]!, third = repeated[2]!;
  let at = history.at;
  let used = 0;
  for (let left = count; left > 0; left--) {
    const offsetCode = offsetCell & 255, matchCode = matchCell & 255, lengthCode = lengthCell & 255;
    if (offsetCode > 30 || bit < floor) throw badFrame("its sequences make no sense");
    const high = offsetCode > 16 ? offsetCode - 16 : 0;
    const low = offsetCode - high;
    let offset = (1 << high | bitsAt(view, bit -= high, high)) << low;
    offset |= bitsAt(view, bit -= low, low);
    const matchBits = MATCH_LENGTH_BITS[matchCode]!;
    const match = MATCH_LENGTH_BASE[matchCode]! + bitsAt(view, bit -= matchBits, matchBits);
    const lengthBits = LITERAL_LENGTH_BITS[lengthCode]!;
    const length = LITERAL_LENGTH_BASE[lengthCode]! + bitsAt(view, bit -= lengthBits, lengthBits);

    if (offset > 3) {
      offset -= 3;
      third = second;
      second = newest;
      newest = offset;
    } else {
      // One of the last three; without literals between, the newest one would be pointless, so that all count one more.
      const which = length === 0 ? offset + 1 : offset;
      if (which > 1) {
        const chosen = which === 2 ? second : which === 3 ? third : newest - 1;
        if (which > 2) third = second;
        second = newest;
        newest = chosen;
      }
      offset = newest;
    }
    if (left > 1) {
      const forLength = (lengthCell >> 8) & 255, forMatch = (matchCell >> 8) & 255, forOffset = (offsetCell >> 8) & 255;
      lengthCell = lengthCells[(lengthCell >> 16) + bitsAt(view, bit -= forLength, forLength)]!;
      matchCell = matchCells[(matchCell >> 16) + bitsAt(view, bit -= forMatch, forMatch)]!;
      offsetCell = offsetCells[(offsetCell >> 16) + bitsAt(view, bit -= forOffset, forOffset)]!;
    }

    const from = at + length - offset;
    if (used + length > literals.length || at + length + match > limit) throw badFrame("a block is too large");
    if (from < 0 || offset < 1) throw badFrame("an offset leads to nowhere");
    copyBytes(literals.bytes, literals.view, used, bytes, out, at, length);
    used += length;
    at += length;
    copyMatch(bytes, out, from, at, match);
    at += match;
  }
  if (bit !== floor) throw badFrame("its sequences do not end where they should");
  repeated[0] = newest;
  repeated[1] = second;
  repeated[2] = third;
  history.at = at;
  return used;
}

/** From this many bytes on, the engine's own way of copying is the faster one. */
const LONG = 64;

/** Copies from one buffer to another. May write up to three bytes more, which what comes next replaces. */
function copyBytes(
  bytes: Uint8Array,
  view: DataView,
  from: number,
  intoBytes: Uint8Array,
  into: DataView,
  at: number,
  length: number,
): void {
  if (length >= LONG) intoBytes.set(bytes.subarray(from, from + length), at);
  else for (let i = 0; i < length; i += 4) into.setInt32(at + i, view.getInt32(from + i, true), true);
}

/** Copies within the history, where what is copied may only come into being by it. */
function copyMatch(bytes: Uint8Array, view: DataView, from: number, at: number, length: number): void {
  if (length >= LONG && at - from >= length) bytes.copyWithin(at, from, from + length);
  else if (at - from >= 4) {
    for (let i = 0; i < length; i += 4) view.setInt32(at + i, view.getInt32(from + i, true), true);
  } else for (let i = 0; i < length; i++) bytes[at + i] = bytes[from + i]!;
}
