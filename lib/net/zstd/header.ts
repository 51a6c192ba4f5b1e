/**
 * The headers of a zstd frame and of its blocks (RFC 8878, section 3.1.1), which say what is needed before anything is
 * decoded.
 *
 * @module
 */
import { badFrame } from "./bits.ts";

/** What the header of a frame says. */
export interface FrameHeader {
  /** The dictionary that the frame was made with; 0: none is named. */
  readonly dictionaryId: number;
  /** Bytes of the decoded frame; `undefined`: not said. */
  readonly contentSize: number | undefined;
  /** Whether four bytes of checksum end the frame. */
  readonly checksum: boolean;
  /** How far back a match may reach, in bytes, the dictionary aside. */
  readonly windowSize: number;
  /** Bytes of the header itself: the first block begins there. */
  readonly length: number;
}

/** The bytes of the field that the descriptor's two bits of dictionary id ask for. */
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
/** The same for the content size; the first one is 1 in a single segment. */
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;

/** Whether this begins as a zstd frame: 28 B5 2F FD. */
export function isZstdFrame(bytes: Uint8Array): boolean {
  return bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd;
}

/**
 * Reads the header, and nothing behind it.
 *
 * @throws {PoisonError} `bad_frame`: no zstd frame, a reserved bit is set, or the header is cut off.
 */
export function readFrameHeader(frame: Uint8Array): FrameHeader {
  if (!isZstdFrame(frame)) throw badFrame("the magic number is missing");
  const descriptor = frame[4];
  if (descriptor === undefined) throw badFrame("the header is cut off");
  if ((descriptor & 8) !== 0) throw badFrame("a reserved bit is set");
  const singleSegment = (descriptor & 0x20) !== 0;
  const idBytes = DICTIONARY_ID_BYTES[descriptor & 3]!;
  const sizeBytes = descriptor >>> 6 === 0 && singleSegment ? 1 : CONTENT_SIZE_BYTES[descriptor >>> 6]!;
  const idAt = singleSegment ? 5 : 6;
  const length = idAt + idBytes + sizeBytes;
  if (frame.length < length) throw badFrame("the header is cut off");

  const sizeAt = idAt + idBytes;
  const size = littleEndian(frame, sizeAt, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  return {
    dictionaryId: littleEndian(frame, idAt, idBytes),
    contentSize: sizeBytes === 0 ? undefined : size,
    checksum: (descriptor & 4) !== 0,
    windowSize: singleSegment ? size : windowSize(frame[5]!),
    length,
  };
}

/** A content size above 2^53 is not exact, but far beyond every limit all the same. */
function littleEndian(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let i = length - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!;
  return value;
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 7);
}

/** The most bytes that a block may make, whatever its frame says. */
export const MAX_BLOCK = 128 * 1024;

/** What the header of a block says. Its data are the bytes `start` to `end` of the frame. */
export interface BlockHeader {
  /** Bytes as they are, one byte many times, or compressed. */
  readonly type: "raw" | "repeated" | "compressed";
  /** Bytes that the block makes; of a compressed one, the bytes that it has. */
  readonly size: number;
  readonly last: boolean;
  readonly start: number;
  readonly end: number;
}

const BLOCK_TYPES = ["raw", "repeated", "compressed"] as const;

/**
 * Reads the header of the block that begins at byte `at`.
 *
 * @throws {PoisonError} `bad_frame`: the block is cut off, larger than `maxBlock` bytes, or of an unknown type.
 */
export function readBlockHeader(frame: Uint8Array, at: number, maxBlock: number): BlockHeader {
  const start = at + 3;
  if (start > frame.length) throw badFrame("it is cut off");
  const head = frame[at]! | frame[at + 1]! << 8 | frame[at + 2]! << 16;
  const type = BLOCK_TYPES[(head >> 1) & 3];
  const size = head >> 3;
  if (type === undefined || size > maxBlock) throw badFrame("it has a block that cannot be");
  const end = start + (type === "repeated" ? 1 : size);
  if (end > frame.length) throw badFrame("it is cut off");
  return { type, size, last: (head & 1) === 1, start, end };
}
