/**
 * What the plain bytes of a file hold, entry by entry.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { isZstdFrame } from "../../net/zstd/header.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import type { Chunks } from "./chunks.ts";
import { CUT } from "./decompress.ts";
import { ENTRY, ENTRY_HEAD_BYTES, entryTime, FRAME_HEAD_BYTES, MOST_MESSAGE_BYTES } from "./format.ts";

/** One entry of a recording, one line, or one frame. */
export interface Entry {
  /** From 1 on; of lines the number of the line. */
  readonly number: number;
  readonly type: "message" | "opened" | "closed" | "unknown";
  /** Bytes where they are not UTF-8: zstd frames are among them. */
  readonly data: string | Buffer;
  /** When it was received, in microseconds since 1970. */
  readonly at?: number;
  /** The last line, without its end: it may be a part of one. */
  readonly unfinished?: boolean;
}

const LINE_FEED = 0x0a, CARRIAGE_RETURN = 0x0d;
const TYPES: Readonly<Record<number, Entry["type"]>> = {
  [ENTRY.text]: "message",
  [ENTRY.binary]: "message",
  [ENTRY.opened]: "opened",
  [ENTRY.closed]: "closed",
};

/** Entries in the order of the file, in groups as they become complete. */
export type Entries = AsyncGenerator<readonly Entry[], void>;

/**
 * Lines; empty ones are counted and left out.
 *
 * @throws {PoisonError} `oversize` for a line above {@link MOST_MESSAGE_BYTES}: what follows cannot be found.
 */
export async function* lineEntries(chunks: Chunks): Entries {
  let parts: Buffer[] = [];
  let bytes = 0, number = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    bytes += chunk.length;
    if (!chunk.includes(LINE_FEED)) {
      if (bytes > MOST_MESSAGE_BYTES) throw unbelievable("oversize", `line ${number + 1} does not end`);
      continue;
    }
    const all = parts.length === 1 ? chunk : Buffer.concat(parts);
    const entries: Entry[] = [];
    let at = 0;
    for (let end; (end = all.indexOf(LINE_FEED, at)) >= 0; at = end + 1) {
      const data = lineOf(all, at, end);
      number++;
      if (data !== undefined) entries.push({ number, type: "message", data });
    }
    if (entries.length > 0) yield entries;
    parts = [all.subarray(at)];
    bytes = all.length - at;
  }
  const data = lineOf(Buffer.concat(parts), 0, bytes);
  if (data !== undefined) yield [{ number: number + 1, type: "message", data, unfinished: true }];
}

/** A line without its end; `undefined` for an empty one. */
function lineOf(bytes: Buffer, start: number, end: number): string | Buffer | undefined {
  const data = textOf(bytes, start, bytes[end - 1] === CARRIAGE_RETURN && end > start ? end - 1 : end);
  return typeof data === "string" && data.trim() === "" ? undefined : data;
}

/** How the entries of a format begin. */
interface Framing {
  readonly headBytes: number;
  /** Everything but the message, from the head at `offset`. */
  read(bytes: Buffer, offset: number): Pick<Entry, "type" | "at">;
}

const RECORDING: Framing = {
  headBytes: ENTRY_HEAD_BYTES,
  read: (bytes, offset) => ({ type: TYPES[bytes[offset + 4]!] ?? "unknown", at: entryTime(bytes, offset) }),
};
const FRAMES: Framing = { headBytes: FRAME_HEAD_BYTES, read: () => ({ type: "message" }) };

/** Entries of a recording, behind its first line. See {@link frameEntries} for what it throws. */
export function recordingEntries(chunks: Chunks): Entries {
  return framed(chunks, RECORDING);
}

/**
 * Messages that each have their length in front.
 *
 * @throws {PoisonError} `cut` where the last one is not whole, `framing` for a length that cannot be.
 */
export function frameEntries(chunks: Chunks): Entries {
  return framed(chunks, FRAMES);
}

async function* framed(chunks: Chunks, framing: Framing): Entries {
  let parts: Buffer[] = [];
  let bytes = 0, number = 0;
  /** Bytes of the next entry, as far as they are known. */
  let wanted = framing.headBytes;
  for await (const chunk of chunks) {
    parts.push(chunk);
    bytes += chunk.length;
    if (bytes < wanted) continue;
    const all = parts.length === 1 ? chunk : Buffer.concat(parts);
    const entries: Entry[] = [];
    let at = 0;
    for (; all.length - at >= (wanted = wantedAt(all, at, framing)); at += wanted) {
      const data = textOf(all, at + framing.headBytes, at + wanted);
      entries.push({ number: ++number, ...framing.read(all, at), data });
    }
    if (entries.length > 0) yield entries;
    if (wanted > MOST_MESSAGE_BYTES) {
      throw unbelievable("framing", `entry ${number + 1} claims to have ${wanted - framing.headBytes} bytes`);
    }
    parts = [all.subarray(at)];
    bytes = parts[0]!.length;
  }
  if (bytes > 0) throw new PoisonError(CUT, "Cannot read on: the last entry is not whole");
}

function wantedAt(bytes: Buffer, at: number, { headBytes }: Framing): number {
  return headBytes + (bytes.length - at >= headBytes ? bytes.readUInt32LE(at) : 0);
}

function unbelievable(reason: string, why: string): PoisonError {
  return new PoisonError(reason, `Cannot read on: ${why}`);
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A piece as text; as bytes where it is not UTF-8. */
function textOf(bytes: Buffer, start: number, end: number): string | Buffer {
  // No text begins in the middle of a character, as every frame of a relay does.
  if (bytes[start]! >> 6 === 0b10) return bytes.subarray(start, end);
  const text = bytes.toString("utf8", start, end);
  // A replacement character is the only trace that bad bytes leave; looking for it is quicker than a strict decoder.
  if (!text.includes("\uFFFD")) return text;
  const piece = bytes.subarray(start, end);
  if (isZstdFrame(piece)) return piece; // known for sure to be no text, which the decoder would be slow to find
  try {
    return strict.decode(piece);
  } catch {
    return piece;
  }
}
