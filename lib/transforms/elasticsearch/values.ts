/**
 * Values that strangers wrote: records may contain anything that JSON can.
 *
 * @module
 */
import type { CommitEvent } from "../../atproto/event.ts";
import { fitsInto, textOrNone } from "../../net/text.ts";
import { PoisonError } from "../../pipeline/errors.ts";

/**
 * The record of a commit that is no delete.
 *
 * @throws {PoisonError} `bad_record` where it is not an object.
 */
export function recordOf({ commit: { record } }: CommitEvent): Readonly<Record<string, unknown>> {
  if (typeof record === "object" && record !== null && !Array.isArray(record)) return record;
  throw new PoisonError("bad_record", "Cannot write record: it is not an object");
}

/** The start of a text that has at most so many bytes as UTF-8, cut between two code points. */
export function cutTo(text: string, bytes: number): string {
  if (fitsInto(text, bytes)) return text;
  return text.slice(0, new TextEncoder().encodeInto(text, new Uint8Array(bytes)).read);
}

const MAX_FIELD_BYTES = 32 * 1024;

/** A value as the text of a field; `undefined` for what is no text, and for an empty one. */
export type Clean = (value: unknown) => string | undefined;

/**
 * Makes texts that fit into a field: without lone surrogates, which no UTF-8 can hold, and cut at 32 KiB.
 *
 * @param onCut Told of each text that was cut.
 */
export function cleaner(onCut?: () => void): Clean {
  return (value) => {
    const text = textOrNone(value);
    if (text === undefined) return undefined;
    const cut = cutTo(text, MAX_FIELD_BYTES);
    if (cut.length < text.length) onCut?.();
    return cut.toWellFormed();
  };
}

/** A member of a value that may be anything; `undefined` where there is none. */
export function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** A member of a value that may be anything, if it is a list; else an empty one. */
export function listIn(value: unknown, name: string): readonly unknown[] {
  const member = memberOf(value, name);
  return Array.isArray(member) ? member : [];
}

/** The texts of a value that may be anything, cleaned; none where it is no list. */
export function textsOf(value: unknown, clean: Clean): readonly string[] {
  return Array.isArray(value) ? value.map(clean).filter((text) => text !== undefined) : [];
}
