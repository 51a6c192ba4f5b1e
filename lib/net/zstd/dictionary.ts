/**
 * Dictionaries of zstd (RFC 8878, section 5).
 *
 * @module
 */
import { ConfigError, PoisonError } from "../../pipeline/errors.ts";
import { type Input, loadInput, newInput } from "./bits.ts";
import { buildFseTable, type FseTable, newDistribution, newFseTable, readDistribution } from "./fse.ts";
import { type HuffmanTable, newHuffmanTable, newHuffmanWorkspace, readHuffmanTable } from "./huffman.ts";
import { type Kind, LENGTHS, MATCHES, OFFSETS, type SequenceTables } from "./sequences.ts";

/** A dictionary, ready to decode with. */
export interface Dictionary {
  readonly id: number;
  /** For literals that bring no table of their own. */
  readonly literals: HuffmanTable;
  /** The same for sequences. */
  readonly tables: Readonly<SequenceTables>;
  /** The offsets that a frame may begin to repeat. */
  readonly repeated: Int32Array;
  /** What matches may reach back into. */
  readonly content: Uint8Array;
}

/** The dictionary's id, or `undefined` where the bytes are no zstd dictionary (which begins 37 A4 30 EC). */
export function idOfDictionary(bytes: Uint8Array): number | undefined {
  if (bytes.length < 8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  return view.getUint32(0, true) === 0xec30a437 ? view.getUint32(4, true) : undefined;
}

/**
 * Reads a dictionary's tables.
 *
 * @throws {ConfigError} It is none, or damaged.
 */
export function readDictionary(bytes: Uint8Array): Dictionary {
  const id = idOfDictionary(bytes);
  if (id === undefined) {
    throw new ConfigError("Cannot use zstd dictionary: the bytes 37 A4 30 EC of its beginning are missing");
  }
  try {
    return readTables(id, bytes);
  } catch (error) {
    if (!(error instanceof PoisonError)) throw error;
    throw new ConfigError(`Cannot use zstd dictionary ${id}: it is damaged`, { cause: error });
  }
}

function readTables(id: number, bytes: Uint8Array): Dictionary {
  const input = newInput(bytes.length);
  loadInput(input, bytes);
  input.at += 8;
  const literals = newHuffmanTable();
  readHuffmanTable(literals, newHuffmanWorkspace(), input);
  const offsets = readTable(OFFSETS, input);
  const matches = readTable(MATCHES, input);
  const lengths = readTable(LENGTHS, input);
  const repeated = new Int32Array(3);
  if (input.at + 12 > input.end) throw new PoisonError("bad_dictionary", "Cannot read zstd dictionary: it is cut off");
  for (let i = 0; i < 3; i++) repeated[i] = input.view.getInt32(input.at + 4 * i, true);
  const content = input.bytes.slice(input.at + 12, input.end);
  if (repeated.some((offset) => offset < 1 || offset > content.length)) {
    throw new PoisonError("bad_dictionary", "Cannot read zstd dictionary: an offset leads to nowhere");
  }
  return { id, literals, tables: { lengths, offsets, matches }, repeated, content };
}

function readTable({ limits }: Kind, input: Input): FseTable {
  const distribution = newDistribution();
  readDistribution(distribution, input, limits);
  const table = newFseTable(limits.maxLog);
  buildFseTable(table, distribution);
  return table;
}
