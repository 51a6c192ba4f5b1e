/**
 * How much of a file is whole: what a killed process has left unfinished must go before anything is appended.
 *
 * @module
 */
import { ConfigError } from "../../pipeline/errors.ts";

/** Reads up to `length` bytes at `at`. */
export type ReadAt = (at: number, length: number) => Uint8Array;

/** A compressed format whose files are sequences of members that decompress one after the other. */
export interface MemberFormat {
  readonly name: string;
  /** How every member of ours begins. Behind it comes the length of the whole member: 4 bytes, the lowest first. */
  readonly prefix: Uint8Array;
  /** One complete member. */
  encode(data: Uint8Array): Uint8Array;
  /** Throws unless a member of ours is sound. */
  check(member: Uint8Array): void;
  /** Where a member that another program made ends; `undefined` where it does not. */
  foreignEnd(read: ReadAt, at: number, size: number): Promise<number | undefined>;
}

/** One member: `prefix`, the length, `parts`. */
export function member(prefix: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const head = prefix.length + LENGTH_BYTES;
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, head));
  bytes.set(prefix);
  new DataView(bytes.buffer).setUint32(prefix.length, bytes.length, true);
  let at = head;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const LENGTH_BYTES = 4;
const STEP_BYTES = 65_536;
const NEWLINE = 0x0a;

/** Random access to an open file. Synchronous: it happens before anything runs, and awaiting each small read costs more. */
export function reader(file: Pick<Deno.FsFile, "seekSync" | "readSync">): ReadAt {
  return (at, length) => {
    const buffer = new Uint8Array(length);
    file.seekSync(at, Deno.SeekMode.Start);
    let count = 0;
    while (count < length) {
      const more = file.readSync(buffer.subarray(count));
      if (more === null) break;
      count += more;
    }
    return buffer.subarray(0, count);
  };
}

/** Where the last whole line of a text ends. Reads only the unfinished line and a little more. */
export function wholeLines(read: ReadAt, size: number): number {
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - STEP_BYTES);
    const newline = read(start, end - start).lastIndexOf(NEWLINE);
    if (newline >= 0) return start + newline + 1;
    end = start;
  }
  return 0;
}

/**
 * Where the last whole member of a compressed file ends. Members of ours are skipped by the length that they carry (a few
 * bytes read for each, about a second for 10 GB), only the last one is decompressed. Those of other programs have to be
 * read: gzip is decompressed (some 5 s for each GB), of zstd only the blocks' headers are read.
 *
 * @throws {ConfigError} where an unfinished or damaged member is not ours, so that cutting it off could destroy whole lines.
 */
export async function wholeMembers(read: ReadAt, size: number, format: MemberFormat, path: string): Promise<number> {
  let at = 0;
  let last: Uint8Array | undefined; // of ours, and at the end of the file
  while (at < size) {
    const header = read(at, format.prefix.length + LENGTH_BYTES);
    const length = lengthOf(header, format.prefix);
    if (length !== undefined && at + length > size) break;
    if (length !== undefined) {
      at += length;
      last = at === size ? read(at - length, length) : undefined;
      continue;
    }
    const end = await format.foreignEnd(read, at, size);
    if (end === undefined) {
      if (isRemnant(header, format.prefix, at)) break;
      throw new ConfigError(`Cannot append to ${path}: at byte ${at} it is not ${format.name}, or damaged`, {
        hint: "Name another file with --out, or repair this one",
      });
    }
    at = end;
  }
  return last === undefined || isSound(last, format) ? at : at - last.length;
}

/** The length of a member of ours; `undefined` for others and where the file ends before it is told. */
function lengthOf(header: Uint8Array, prefix: Uint8Array): number | undefined {
  if (header.length < prefix.length + LENGTH_BYTES || prefix.some((byte, i) => header[i] !== byte)) return undefined;
  return new DataView(header.buffer, header.byteOffset).getUint32(prefix.length, true);
}

/** What a kill or a power cut leaves: too short to be anything, or nothing but zeros. */
function isRemnant(header: Uint8Array, prefix: Uint8Array, at: number): boolean {
  if (header.every((byte) => byte === 0)) return true;
  const short = header.length < prefix.length + LENGTH_BYTES;
  return short && (at > 0 || header.every((byte, i) => i >= prefix.length || byte === prefix[i]));
}

function isSound(last: Uint8Array, format: MemberFormat): boolean {
  try {
    format.check(last);
    return true;
  } catch {
    return false;
  }
}
