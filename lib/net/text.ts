/**
 * Bytes from outside as text.
 *
 * @module
 */
import type { Buffer } from "node:buffer";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a message. Throws a `TypeError` when it is not UTF-8. */
export function textOf(data: Buffer): string {
  const text = data.toString("utf8");
  // A replacement character is the only trace that bad bytes leave; looking for it is quicker than a strict decoder.
  return text.includes("\uFFFD") ? strict.decode(data) : text;
}
