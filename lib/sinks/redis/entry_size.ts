/**
 * Entries that are too large.
 *
 * @module
 */
import { PoisonError } from "../../pipeline/errors.ts";
import type { Rejection } from "../../pipeline/sink.ts";
import type { StreamEntry } from "../../transforms/stream_events.ts";

const MOST_BYTES = 8 * 1024 * 1024;
const UTF8_BYTES_PER_UNIT = 3;

/** Those that have more than `most` bytes; default 8 MiB. */
export function refusalsOf(entries: readonly StreamEntry[], most: number = MOST_BYTES): Rejection[] {
  return entries.flatMap(({ value, index }) => {
    if (value.length * UTF8_BYTES_PER_UNIT <= most) return [];
    const bytes = new TextEncoder().encode(value).length;
    if (bytes <= most) return [];
    const text = `Cannot write an entry of ${bytes} bytes: --redis-max-entry is ${most}`;
    return [{ index, error: new PoisonError("entry_size", text, { detail: { bytes } }) }];
  });
}
