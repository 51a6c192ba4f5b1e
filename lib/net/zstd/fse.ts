/**
 * Finite state entropy (RFC 8878, section 4.1): how often each symbol comes, and the table that this makes.
 *
 * @module
 */
import { badFrame, bitsAt, highBit, type Input } from "./bits.ts";

/** A decoding table: each of its `1 << log` states is a symbol and the way to the next state. */
export interface FseTable {
  log: number;
  /** By state: symbol | bits to read << 8 | what to add to them << 16. */
  readonly cells: Int32Array;
}

/** How often the symbols come, in parts of `1 << log`; -1 is "less than once". */
export interface Distribution {
  log: number;
  /** Symbols in use: the others are 0. */
  length: number;
  readonly counts: Int16Array;
}

/** An empty table for at most `1 << log` states. */
export function newFseTable(log: number): FseTable {
  return { log: 0, cells: new Int32Array(1 << log) };
}

/** A distribution to read into. */
export function newDistribution(): Distribution {
  return { log: 0, length: 0, counts: new Int16Array(256) };
}

/** The limits of a table. */
export interface FseLimits {
  readonly maxLog: number;
  readonly maxSymbol: number;
}

/**
 * Reads the description of a distribution.
 *
 * @throws {PoisonError} `bad_frame`: it does not add up, exceeds the limits, or is cut off.
 */
export function readDistribution(into: Distribution, input: Input, { maxLog, maxSymbol }: FseLimits): void {
  const { view } = input;
  const { counts } = into;
  const stop = input.end * 8;
  let at = input.at * 8;
  const log = bitsAt(view, at, 4) + 5;
  if (log > maxLog) throw badFrame("a table is too large");
  at += 4;
  let remaining = 1 << log;
  let symbol = 0;
  while (remaining > 0) {
    if (symbol > maxSymbol || at > stop) throw badFrame("a table's description does not add up");
    // A number from 0 to `remaining + 1` in as few bits as possible: the lowest ones take one bit less.
    const bits = highBit(remaining + 1);
    const short = (2 << bits) - 2 - remaining;
    let value = bitsAt(view, at, bits);
    at += bits;
    if (value >= short) {
      value = bitsAt(view, at - bits, bits + 1);
      at++;
      if (value >= 1 << bits) value -= short;
    }
    counts[symbol++] = value - 1;
    remaining -= Math.abs(value - 1);
    if (value !== 1) continue;
    // How many more zeros come, in steps of up to three.
    for (let zeros = 3; zeros === 3;) {
      zeros = bitsAt(view, at, 2);
      at += 2;
      if (symbol + zeros > maxSymbol + 1) throw badFrame("a table has too many symbols");
      counts.fill(0, symbol, symbol + zeros);
      symbol += zeros;
    }
  }
  if (at > stop) throw badFrame("a table's description is cut off");
  into.log = log;
  into.length = symbol;
  input.at = (at + 7) >> 3;
}

const next = new Uint16Array(256);

/** Makes the table of a distribution. */
export function buildFseTable(into: FseTable, { log, length, counts }: Distribution): void {
  const { cells } = into;
  const size = 1 << log;
  let high = size - 1;
  for (let symbol = 0; symbol < length; symbol++) {
    const count = counts[symbol]!;
    next[symbol] = Math.abs(count);
    if (count === -1) cells[high--] = symbol;
  }
  const step = (size >> 1) + (size >> 3) + 3;
  let state = 0;
  for (let symbol = 0; symbol < length; symbol++) {
    for (let i = counts[symbol]!; i > 0; i--) {
      cells[state] = symbol;
      do state = (state + step) & (size - 1); while (state > high);
    }
  }
  for (let i = 0; i < size; i++) {
    const symbol = cells[i]!;
    const count = next[symbol]!;
    next[symbol] = count + 1;
    const bits = log - highBit(count);
    cells[i] = symbol | bits << 8 | ((count << bits) - size) << 16;
  }
  into.log = log;
}

/** Makes the table that always gives the same symbol. */
export function buildRleTable(into: FseTable, symbol: number): void {
  into.cells[0] = symbol;
  into.log = 0;
}
