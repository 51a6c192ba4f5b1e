/**
 * The text of a bulk.
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
  /** NDJSON: an action, and under it the document if there is one. */
  readonly text: string;
}

/** A UTF-16 unit becomes three bytes of UTF-8 at most. */
const MOST_BYTES_A_UNIT = 3;

/**
 * Builds bodies of at most `maxBytes` bytes of UTF-8; a line that has more by itself goes alone.
 *
 * @param lines In the order in which they are sent.
 */
export function bulkBodies(lines: readonly Line[], maxBytes: number): BulkBody[] {
  const texts = lines.map(textOf);
  const whole = texts.join("");
  if (whole.length * MOST_BYTES_A_UNIT <= maxBytes || Buffer.byteLength(whole) <= maxBytes) {
    return lines.length === 0 ? [] : [{ lines, text: whole }];
  }
  const bodies: BulkBody[] = [];
  let from = 0, bytes = 0;
  const close = (to: number) => {
    if (to > from) bodies.push({ lines: lines.slice(from, to), text: texts.slice(from, to).join("") });
    from = to;
    bytes = 0;
  };
  texts.forEach((text, i) => {
    const size = Buffer.byteLength(text);
    if (bytes + size > maxBytes) close(i);
    bytes += size;
  });
  close(lines.length);
  return bodies;
}

/** Both halves of lines that are too many. */
export function halves(lines: readonly Line[]): [readonly Line[], readonly Line[]] {
  const middle = Math.ceil(lines.length / 2);
  return [lines.slice(0, middle), lines.slice(middle)];
}

/** The version is written as it is, because a JavaScript number would print it rounded. */
function textOf({ write: { action, id, version, body }, index, routing }: Line): string {
  const place = `"_index":${JSON.stringify(index)},"_id":${JSON.stringify(id)}` +
    (routing === undefined ? "" : `,"routing":${JSON.stringify(routing)}`);
  const head = `{"${action}":{${place},"version":${version},"version_type":"external_gte"}}\n`;
  return body === undefined ? head : `${head}${body}\n`;
}
