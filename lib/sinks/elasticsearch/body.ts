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
  readonly ends: Uint32Array;
}

/** A UTF-16 unit becomes three bytes of UTF-8 at most. */
const MOST_BYTES_A_UNIT = 3;
/** A first guess; a small record with its action has 500. */
const BYTES_A_LINE = 640;

const encoder = new TextEncoder();

/**
 * Builds bodies of at most `maxBytes` bytes; a line that has more by itself goes alone.
 *
 * Each line is encoded by itself: measured, one text of all takes twice as long, and a single Japanese post doubles its size.
 *
 * @param lines In the order in which they are sent.
 */
export function bulkBodies(lines: readonly Line[], maxBytes: number): BulkBody[] {
  let bytes: Buffer = Buffer.allocUnsafeSlow(lines.length * BYTES_A_LINE);
  const ends = new Uint32Array(lines.length);
  let end = 0;
  lines.forEach((line, i) => {
    const text = textOf(line);
    const most = text.length * MOST_BYTES_A_UNIT;
    if (end + most > bytes.length) bytes = grown(bytes, end, most);
    end += encoder.encodeInto(text, bytes.subarray(end)).written;
    ends[i] = end;
  });
  return cut({ lines, bytes: bytes.subarray(0, end), ends }, maxBytes);
}

function grown(bytes: Buffer, used: number, more: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(bytes.length * 2, used + more));
  bytes.copy(larger, 0, 0, used);
  return larger;
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

/** The version is written as it is, because a JavaScript number would print it rounded. */
function textOf({ write: { action, id, version, body }, index, routing }: Line): string {
  const place = `"_index":${JSON.stringify(index)},"_id":${JSON.stringify(id)}` +
    (routing === undefined ? "" : `,"routing":${JSON.stringify(routing)}`);
  const head = `{"${action}":{${place},"version":${version},"version_type":"external_gte"}}\n`;
  return body === undefined ? head : `${head}${body}\n`;
}
