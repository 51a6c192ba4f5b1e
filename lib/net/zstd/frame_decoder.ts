/**
 * Decodes zstd frames (RFC 8878) in TypeScript. The dictionary's tables are made once and no frame allocates more than
 * the view that it gives back.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { PoisonError } from "../../pipeline/errors.ts";
import { badFrame, type Input, loadInput, newInput } from "./bits.ts";
import type { Dictionary } from "./dictionary.ts";
import { type FrameHeader, MAX_BLOCK, readBlockHeader } from "./header.ts";
import { type History, makeRoom, newHistory } from "./history.ts";
import { type Literals, newLiterals, readLiterals } from "./literals.ts";
import { newSequenceReader, readSequences, type SequenceReader } from "./sequences.ts";
import { xxh64Low } from "./xxh64.ts";

/** Decodes a frame whose header has been read; see `Decompressor.decompress` for what it gives and throws. */
export type FrameDecoder = (frame: Uint8Array, header: FrameHeader) => Buffer;

/** The room that a decoder begins with, in bytes. */
const ROOM = 2 * MAX_BLOCK;

/** What a decoder works with, whatever the frame. */
interface Workspace {
  readonly input: Input;
  readonly literals: Literals;
  readonly sequences: SequenceReader;
}

/** A decoder for the frames of one dictionary, or of none. */
export function newFrameDecoder(dictionary: Dictionary | undefined, maxBytes: number): FrameDecoder {
  const history = newHistory(dictionary?.content ?? new Uint8Array(), ROOM, maxBytes + MAX_BLOCK);
  const work: Workspace = { input: newInput(MAX_BLOCK), literals: newLiterals(), sequences: newSequenceReader() };
  return (frame, header) => {
    history.at = history.begin;
    prepare(work, dictionary);
    const end = readBlocks(work, history, frame, header, maxBytes);
    checkContent(history, frame, header, end);
    return Buffer.from(history.bytes.buffer, history.begin, history.at - history.begin);
  };
}

/** Begins a frame: nothing is left of the one before. */
function prepare({ literals, sequences }: Workspace, dictionary: Dictionary | undefined): void {
  const { current, repeated } = sequences;
  literals.table = dictionary?.literals;
  current.lengths = dictionary?.tables.lengths;
  current.offsets = dictionary?.tables.offsets;
  current.matches = dictionary?.tables.matches;
  for (let i = 0; i < 3; i++) repeated[i] = dictionary ? dictionary.repeated[i]! : [1, 4, 8][i]!;
}

/** Decodes all blocks. Gives back where they end. */
function readBlocks(
  work: Workspace,
  history: History,
  frame: Uint8Array,
  { length, windowSize, contentSize }: FrameHeader,
  maxBytes: number,
): number {
  const maxBlock = Math.min(windowSize, MAX_BLOCK);
  let at = length;
  for (let more = true; more;) {
    const { type, size, last, start, end } = readBlockHeader(frame, at, maxBlock);
    makeRoom(history, MAX_BLOCK);
    if (type === "compressed") {
      loadInput(work.input, frame.subarray(start, end));
      readLiterals(work.literals, work.input, maxBlock);
      readSequences(work.sequences, work.input, work.literals, history, maxBlock);
    } else if (type === "repeated") history.bytes.fill(frame[start]!, history.at, history.at += size);
    else {
      history.bytes.set(frame.subarray(start, end), history.at);
      history.at += size;
    }
    const written = history.at - history.begin;
    if (written > maxBytes) throw oversize(`more than ${maxBytes}`, maxBytes);
    if (contentSize !== undefined && written > contentSize) throw badFrame("it has more content than its header says");
    at = end;
    more = !last;
  }
  return at;
}

/** The content is whole and genuine, and nothing follows. */
function checkContent({ view, begin, at }: History, frame: Uint8Array, header: FrameHeader, end: number): void {
  const { contentSize, checksum } = header;
  if (contentSize !== undefined && at - begin !== contentSize) {
    throw badFrame("it has less content than its header says");
  }
  checkEnd(frame, checksum ? end + 4 : end);
  if (!checksum) return;
  const said = (frame[end]! | frame[end + 1]! << 8 | frame[end + 2]! << 16 | frame[end + 3]! << 24) >>> 0;
  if (xxh64Low(view, begin, at) !== said) throw badChecksum();
}

/**
 * Checks that a frame ends where its input does.
 *
 * @throws {PoisonError} `bad_frame`
 */
export function checkEnd(frame: Uint8Array, end: number): void {
  if (frame.length < end) throw badFrame("it is cut off");
  if (frame.length > end) throw badFrame("something follows it");
}

/** A frame whose content is not what was compressed. */
export function badChecksum(): PoisonError {
  return new PoisonError("bad_checksum", "Cannot decode zstd frame: its checksum does not match");
}

/** A frame whose content exceeds the limit. */
export function oversize(size: string, limit: number): PoisonError {
  return new PoisonError("oversize", `Cannot decode zstd frame: it has ${size} bytes, the limit is ${limit}`);
}
