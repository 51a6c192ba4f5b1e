/**
 * What the dead letter says of a row.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { fitsInto } from "../../net/text.ts";
import type { Row } from "./files.ts";

/** A column is kept up to this many bytes. */
const MAX_BYTES = 1024 * 1024;

/**
 * The members of a dead letter's entry by which a row is found again, all of them fit for JSON.
 *
 * @param file The name of the file that has it.
 */
export function rowDetail({ row, at_uri, did, raw_post }: Row, file: string): Readonly<Record<string, unknown>> {
  return { wire: "row", host: file, row, at_uri: shown(at_uri), did: shown(did), raw_post: shown(raw_post) };
}

/** A text is cut between two characters, a BLOB becomes `{"$bytes": base64}`, as AT Protocol writes bytes in JSON. */
function shown(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value.subarray(0, MAX_BYTES)).toString("base64") };
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "string" || fitsInto(value, MAX_BYTES)) return value;
  const bytes = new Uint8Array(MAX_BYTES);
  const { written } = new TextEncoder().encodeInto(value, bytes);
  // Decoded and not sliced: a slice would keep the whole text in memory.
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, written));
}

/** A column as it was before it became a member of a dead letter. */
export function bytesShown(value: unknown): unknown {
  const base64 = (value as { readonly $bytes?: unknown } | null | undefined)?.$bytes;
  return typeof base64 === "string" ? new Uint8Array(Buffer.from(base64, "base64")) : value;
}
