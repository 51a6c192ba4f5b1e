/**
 * Zstd frames made by hand (RFC 8878, section 3.1): they need no compressor, and may be as odd as a test wants.
 *
 * @module
 */
import { Buffer } from "node:buffer";

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
const RAW = 0, RUN_LENGTH = 1;
const MOST_BLOCK_BYTES = 128 * 1024;

/** The text as one block that is not compressed, in a frame that names a dictionary and its size. */
export function storedFrame(text: string, dictionaryId: number): Buffer {
  const bytes = Buffer.from(text);
  const sizes = Buffer.alloc(8);
  sizes.writeUInt32LE(dictionaryId, 0);
  sizes.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([Buffer.from([...MAGIC, 0b1010_0011]), sizes, block(RAW, bytes.length, true), bytes]);
}

/** A few bytes that become `blocks` times 128 KiB, in a frame that does not say so. */
export function bombFrame(blocks: number, dictionaryId: number): Buffer {
  const id = Buffer.alloc(4);
  id.writeUInt32LE(dictionaryId);
  const parts = Array.from({ length: blocks }, (_, i) => [
    block(RUN_LENGTH, MOST_BLOCK_BYTES, i === blocks - 1),
    Buffer.from("0"),
  ]);
  return Buffer.concat([Buffer.from([...MAGIC, 0b0000_0011, (17 - 10) << 3]), id, ...parts.flat()]);
}

function block(type: number, size: number, last: boolean): Buffer {
  const head = Buffer.alloc(3);
  head.writeUIntLE(size << 3 | type << 1 | Number(last), 0, 3);
  return head;
}

/** The messages of a file in which each has its length (u32 LE) in front. */
export function framesOf(file: Uint8Array): Buffer[] {
  const bytes = Buffer.from(file);
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 + bytes.readUInt32LE(at);
    frames.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return frames;
}

/** The same frame or dictionary with another id at `offset`. */
export function withId(bytes: Uint8Array, id: number, offset: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt32LE(id, offset);
  return copy;
}
