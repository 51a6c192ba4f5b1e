/**
 * The lines of a dead letter, read a piece at a time.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** What ends a line. */
export const NEWLINE = 0x0a;
/** So much is read, or written, at once. */
export const CHUNK_BYTES = 65_536;

const UTF8 = new TextDecoder("utf-8", { fatal: true });
const ABOUT_ANOTHER = ['"mark"', '"retry_of"'].map((name) => Buffer.from(name));

/** One entry as it was written. */
export interface DeadLetterEntry {
  /** A ULID. */
  readonly id: string;
  /** RFC 3339, UTC. */
  readonly at: string;
  /** The command that wrote it. */
  readonly command: string;
  /** Its state key. */
  readonly key: string;
  /** `source`, `filter`, or the sink's name. */
  readonly stage: string;
  /** A short code for grouping. */
  readonly reason: string;
  /** One sentence. */
  readonly error: string;
  /** The event, or the message with its place: the rest depends on `stage`. */
  readonly [member: string]: unknown;
}

/** The lines of the first `size` bytes, without their ends: what comes behind is still being written. */
export async function* linesOf(file: Deno.FsFile, size: number): AsyncGenerator<Uint8Array> {
  await file.seek(0, Deno.SeekMode.Start);
  const chunk = new Uint8Array(CHUNK_BYTES);
  let parts: Uint8Array[] = [];
  for (let left = size; left > 0;) {
    const count = await file.read(chunk.subarray(0, Math.min(left, CHUNK_BYTES)));
    if (count === null) break;
    left -= count;
    let start = 0;
    for (let end; (end = chunk.subarray(0, count).indexOf(NEWLINE, start)) >= 0; start = end + 1) {
      yield joined([...parts, chunk.slice(start, end)]);
      parts = [];
    }
    if (start < count) parts.push(chunk.slice(start, count));
  }
  if (parts.length > 0) yield joined(parts);
}

/** Several pieces as one. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** An entry, or a later word on an entry's state; the last one counts. */
export type Line = { readonly entry: DeadLetterEntry } | { readonly mark: string; readonly state: string };

/** `undefined` for what is neither. */
export function parseLine(line: Uint8Array): Line | undefined {
  let value: unknown;
  try {
    value = JSON.parse(UTF8.decode(line));
  } catch {
    return undefined;
  }
  const members = Object(value) as Record<string, unknown>;
  const { mark, state } = members;
  if (typeof mark === "string" && typeof state === "string") return { mark, state };
  const whole = ["id", "at", "stage", "reason", "error"].every((name) => typeof members[name] === "string");
  return whole ? { entry: members as DeadLetterEntry } : undefined;
}

/**
 * The ids of entries that are dealt with: those whose last mark says so. An entry that names another one was written in its
 * place, which counts as a mark, as a kill may have come between the two; but for one in the place of a `part`.
 */
export async function retriedIds(file: Deno.FsFile, size: number): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for await (const line of linesOf(file, size)) {
    // Most lines are entries, long ones: they are not parsed. Inside of a text these names would have backslashes.
    if (!ABOUT_ANOTHER.some((name) => Buffer.from(line.buffer, line.byteOffset, line.length).includes(name))) continue;
    const parsed = parseLine(line);
    if (parsed === undefined) continue;
    if (!("entry" in parsed)) {
      if (parsed.state === "retried") ids.add(parsed.mark);
      else ids.delete(parsed.mark);
    } else if (typeof parsed.entry.retry_of === "string" && parsed.entry.part !== true) ids.add(parsed.entry.retry_of);
  }
  return ids;
}
