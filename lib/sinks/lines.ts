/**
 * Events as NDJSON.
 *
 * @module
 */
import { type AnyEvent, toJson } from "../atproto/event.ts";

/** A chunk holds whole lines and is closed when it has this many characters. */
const CHUNK_CHARACTERS = 1_048_576;

/** The event's JSON text on one line. Text as received may be spread over several; in JSON that is mere white space. */
export function lineOf(event: AnyEvent): string {
  const text = toJson(event);
  return /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]/g, " ") : text;
}

/** UTF-8 chunks of whole lines, about 1 MiB each: memory stays small however large the batch is. */
export function* chunksOf(events: readonly AnyEvent[]): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  let text = "";
  for (const event of events) {
    text += lineOf(event) + "\n";
    if (text.length < CHUNK_CHARACTERS) continue;
    yield encoder.encode(text);
    text = "";
  }
  if (text !== "") yield encoder.encode(text);
}
