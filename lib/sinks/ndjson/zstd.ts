/**
 * zstd frames (RFC 8878), each behind a skippable frame that carries its length.
 *
 * @module
 */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { member, type MemberFormat, type ReadAt } from "./whole.ts";

/** A skippable frame of 8 bytes: "bski", then the length of both frames. */
const PREFIX = Uint8Array.of(0x5b, 0x2a, 0x4d, 0x18, 8, 0, 0, 0, 0x62, 0x73, 0x6b, 0x69);
const FRAME_MAGIC = 0xfd2fb528, SKIPPABLE_MAGIC = 0x184d2a50;
/** Magic number, descriptor, window, dictionary id and content size at their longest. */
const FRAME_HEADER_BYTES = 18;
const RLE_BLOCK = 1;

/** See {@link MemberFormat}. */
export const ZSTD: MemberFormat = {
  name: "zstd",
  prefix: PREFIX,
  encode: (data) => member(PREFIX, zstdCompressSync(data, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })),
  check(bytes) {
    const start = PREFIX.length + 4;
    // Deno's zlib puts an empty frame behind about every second one.
    for (let at: number | undefined = start; at !== bytes.length;) {
      at = frameEnd((from, length) => bytes.subarray(from, from + length), at);
      if (at === undefined || at > bytes.length) throw new RangeError("Cut");
    }
    zstdDecompressSync(bytes.subarray(start)); // compares the checksum, but takes a cut frame for a whole one
  },
  foreignEnd(read, at, size) {
    const end = frameEnd(read, at);
    return Promise.resolve(end === undefined || end > size ? undefined : end);
  },
};

/** Where a frame ends, from the headers of its blocks; may lie behind the end of the file. */
function frameEnd(read: ReadAt, at: number): number | undefined {
  const header = read(at, FRAME_HEADER_BYTES);
  if (header.length < 8) return undefined;
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  const magic = view.getUint32(0, true);
  if ((magic & 0xfffffff0) === SKIPPABLE_MAGIC) return at + 8 + view.getUint32(4, true);
  if (magic !== FRAME_MAGIC) return undefined;
  const descriptor = header[4]!;
  for (let block = at + frameHeaderLength(descriptor);;) {
    const bytes = read(block, 3);
    if (bytes.length < 3) return undefined;
    const word = bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16);
    block += 3 + ((word >> 1 & 3) === RLE_BLOCK ? 1 : word >> 3);
    if (word & 1) return block + (descriptor & 4 ? 4 : 0); // the last block, then perhaps a checksum
  }
}

function frameHeaderLength(descriptor: number): number {
  const single = (descriptor & 32) !== 0;
  const dictionaryId = [0, 1, 2, 4][descriptor & 3]!;
  const contentSize = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  return 5 + (single ? 0 : 1) + dictionaryId + contentSize;
}
