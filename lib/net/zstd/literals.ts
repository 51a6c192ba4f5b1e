/**
 * Literals of a zstd block (RFC 8878, section 3.1.1.3.1): the bytes that matches do not give.
 *
 * @module
 */
import { badFrame, type Input, nextByte } from "./bits.ts";
import { MAX_BLOCK } from "./header.ts";
import {
  type HuffmanTable,
  type HuffmanWorkspace,
  newHuffmanTable,
  newHuffmanWorkspace,
  readHuffmanStream,
  readHuffmanTable,
} from "./huffman.ts";

/** A block's literals, and what they are decoded with. */
export interface Literals {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  length: number;
  /** In use now, also for a block that repeats it; `undefined` where a block has to bring its own. */
  table: HuffmanTable | undefined;
  /** Where a block's own table is made. */
  readonly own: HuffmanTable;
  readonly work: HuffmanWorkspace;
}

/** No literals yet. */
export function newLiterals(): Literals {
  const bytes = new Uint8Array(MAX_BLOCK + 8); // copied in steps of four
  const view = new DataView(bytes.buffer);
  return { bytes, view, length: 0, table: undefined, own: newHuffmanTable(), work: newHuffmanWorkspace() };
}

/**
 * Reads the literals, with which the block begins.
 *
 * @throws {PoisonError} `bad_frame`: they cannot be decoded, or are more than `maxBlock` bytes.
 */
export function readLiterals(literals: Literals, input: Input, maxBlock: number): void {
  const head = nextByte(input);
  const type = head & 3, format = (head >> 2) & 3;
  if (type > 1) readCompressed(literals, input, head, maxBlock);
  else {
    // One, two or three bytes, the first of which has a bit more where one is enough.
    let length = head >> 3;
    if (format === 1) length = (head >> 4) | nextByte(input) << 4;
    else if (format === 3) length = (head >> 4) | nextByte(input) << 4 | nextByte(input) << 12;
    if (length > maxBlock) throw badFrame("it has too many literals");
    literals.length = length;
    if (type === 1) literals.bytes.fill(nextByte(input), 0, length);
    else {
      const end = input.at + length;
      if (end > input.end) throw badFrame("its literals are cut off");
      literals.bytes.set(input.bytes.subarray(input.at, end));
      input.at = end;
    }
  }
}

/** Literals by a Huffman code: the block's own, or the one before. */
function readCompressed(literals: Literals, input: Input, head: number, maxBlock: number): void {
  const type = head & 3, format = (head >> 2) & 3;
  const sizeBits = [10, 10, 14, 18][format]!;
  let sizes = head >> 4;
  for (let i = 4; i < 2 * sizeBits; i += 8) sizes += nextByte(input) * 2 ** i;
  const length = sizes % (1 << sizeBits);
  const end = input.at + Math.floor(sizes / (1 << sizeBits));
  if (length > maxBlock) throw badFrame("it has too many literals");
  if (end > input.end) throw badFrame("its literals are cut off");
  const blockEnd = input.end;
  input.end = end;
  if (type === 2) {
    readHuffmanTable(literals.own, literals.work, input);
    literals.table = literals.own;
  }
  if (literals.table === undefined) throw badFrame("it repeats a Huffman table that it does not have");
  if (format === 0) readHuffmanStream(literals.table, input.view, input.at, end, literals.bytes, 0, length);
  else readFourStreams(literals, literals.table, input, length);
  literals.length = length;
  input.at = end;
  input.end = blockEnd;
}

/** Four streams of a quarter each; a table in front says how long the first three are. */
function readFourStreams({ bytes }: Literals, table: HuffmanTable, input: Input, length: number): void {
  const { view, at, end } = input;
  const quarter = (length + 3) >> 2;
  if (at + 6 > end || 3 * quarter > length) throw badFrame("its literals are cut off");
  let start = at + 6;
  for (let i = 0; i < 4; i++) {
    const stop = i < 3 ? start + view.getUint16(at + 2 * i, true) : end;
    if (stop > end) throw badFrame("its literals are cut off");
    readHuffmanStream(table, view, start, stop, bytes, i * quarter, i < 3 ? (i + 1) * quarter : length);
    start = stop;
  }
}
