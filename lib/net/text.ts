/**
 * Texts from outside.
 *
 * @module
 */
import { Buffer } from "node:buffer";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a message. Throws a `TypeError` when it is not UTF-8. */
export function textOf(data: Buffer): string {
  const text = data.toString("utf8");
  // A replacement character is the only trace that bad bytes leave; looking for it is quicker than a strict decoder.
  return text.includes("\uFFFD") ? strict.decode(data) : text;
}

/** Whether a text has at most so many bytes as UTF-8. */
export function fitsInto(text: string, bytes: number): boolean {
  return text.length * 3 <= bytes || Buffer.byteLength(text) <= bytes;
}

/** Shorter texts are no secrets, and would be found everywhere. */
const LEAST_SECRET = 6;

/** What takes secrets out of a text: a server may repeat what it was sent. */
export function hiding(secrets: readonly string[]): (text: string) => string {
  const hidden = secrets.filter(({ length }) => length >= LEAST_SECRET);
  return (text) => hidden.reduce((shown, each) => shown.replaceAll(each, "***"), text);
}

/** A value if it is a text that is not empty, else `undefined`. */
export function textOrNone(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
