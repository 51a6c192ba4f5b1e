/**
 * The bytes of a bulk.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Write } from "../../transforms/elasticsearch/writes.ts";

/** One write of a batch, and what it belongs to. */
export interface Line {
  /** What to write. */
  readonly write: Write;
  /** The alias or index to write it to. */
  readonly index: string;
  /** The place of its event in the batch. */
  readonly item: number;
  /** Where a document is that somebody else wrote with a routing. */
  readonly routing?: string;
}

/** Lines that are sent together. */
export interface BulkBody {
  readonly lines: readonly Line[];
  /** NDJSON in UTF-8: an action, and under it the document if there is one. */
  readonly bytes: Buffer;
  /** Where in `bytes` each line ends. */
  readonly ends: readonly number[];
}

/** Room for bodies. Used again and again, because fresh bytes for each are garbage that nobody is in a hurry to collect. */
export interface Room {
  bytes: Uint8Array;
}

/** A UTF-16 unit becomes three bytes of UTF-8 at most. */
const MOST_BYTES_A_UNIT = 3;
const FIRST_BYTES = 65_536;

const encoder = new TextEncoder();
/** As JSON. */
const INDICES = new Map<string, string>();

/** Room that grows with what is put into it. */
export function newRoom(): Room {
  return { bytes: new Uint8Array(FIRST_BYTES) };
}

/**
 * Builds bodies of at most `maxBytes()` bytes, asked before each; a line that has more by itself goes alone. Each one is good until the
 * next is asked for, because they all use the same room.
 *
 * Each line is encoded by itself: measured, one text of all takes twice as long, and a single Japanese post doubles its size.
 *
 * @param lines In the order in which they are sent.
 */
export function* bulkBodies(lines: readonly Line[], maxBytes: () => number, room = newRoom()): Generator<BulkBody> {
  let ends: number[] = [];
  let from = 0, end = 0;
  for (const [i, line] of lines.entries()) {
    const text = textOf(line);
    fit(room, end, text.length * MOST_BYTES_A_UNIT);
    const { written } = encoder.encodeInto(text, room.bytes.subarray(end));
    if (i > from && end + written > maxBytes()) {
      yield bodyOf(lines.slice(from, i), room, ends);
      room.bytes.copyWithin(0, end, end + written);
      from = i;
      end = 0;
      ends = [];
    }
    end += written;
    ends.push(end);
  }
  if (from < lines.length) yield bodyOf(lines.slice(from), room, ends);
}

function bodyOf(lines: readonly Line[], { bytes }: Room, ends: readonly number[]): BulkBody {
  return { lines, bytes: Buffer.from(bytes.buffer, 0, ends.at(-1)), ends };
}

/** Makes `room` larger where there are no `more` bytes behind those that are used. */
function fit(room: Room, used: number, more: number): void {
  if (used + more <= room.bytes.length) return;
  const larger = new Uint8Array(Math.max(room.bytes.length * 2, used + more));
  larger.set(room.bytes.subarray(0, used));
  room.bytes = larger;
}

/** Cuts a body into such of at most `maxBytes` bytes. */
function cut(body: BulkBody, maxBytes: number): BulkBody[] {
  const { lines, ends } = body;
  const bodies: BulkBody[] = [];
  let from = 0;
  lines.forEach((_, i) => {
    if (i > from && ends[i]! - startOf(body, from) > maxBytes) {
      bodies.push(part(body, from, i));
      from = i;
    }
  });
  if (lines.length > from) bodies.push(part(body, from, lines.length));
  return bodies;
}

/** A body with too much in it as two or more, each of at most half the lines and `maxBytes` bytes. */
export function halves(body: BulkBody, maxBytes: number): BulkBody[] {
  const { length } = body.lines;
  const middle = Math.ceil(length / 2);
  return [...cut(part(body, 0, middle), maxBytes), ...cut(part(body, middle, length), maxBytes)];
}

function part(body: BulkBody, from: number, to: number): BulkBody {
  const { lines, bytes, ends } = body;
  if (from === 0 && to === lines.length) return body;
  const start = startOf(body, from);
  return {
    lines: lines.slice(from, to),
    bytes: bytes.subarray(start, ends[to - 1]),
    ends: ends.slice(from, to).map((end) => end - start),
  };
}

function startOf({ ends }: BulkBody, line: number): number {
  return line === 0 ? 0 : ends[line - 1]!;
}

/** There are only a few indices. */
function quoted(index: string): string {
  let text = INDICES.get(index);
  if (text === undefined) INDICES.set(index, text = JSON.stringify(index));
  return text;
}

/** The version is written as it is, because a JavaScript number would print it rounded. */
function textOf({ write: { action, id, version, body }, index, routing }: Line): string {
  const place = `"_index":${quoted(index)},"_id":${JSON.stringify(id)}` +
    (routing === undefined ? "" : `,"routing":${JSON.stringify(routing)}`);
  const head = `{"${action}":{${place},"version":${version},"version_type":"external_gte"}}\n`;
  return body === undefined ? head : `${head}${body}\n`;
}
