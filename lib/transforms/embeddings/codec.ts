/**
 * Vectors as Megastream files have them: `base85(zlib(float32 little-endian * dims))`.
 *
 * @module
 */
import { inflateSync, type InputType, type ZlibOptions } from "node:zlib";
import { decodeBase85 } from "./base85.ts";

/** Why a vector cannot be used; tried in this order. */
export type VectorFault = "type" | "base85" | "zlib" | "length" | "dims" | "not_finite" | "zero";

/** A vector, or what is wrong with it. */
export type DecodedVector = { readonly vector: Float32Array } | { readonly reason: VectorFault };

/** 4,096 numbers, the most that Elasticsearch takes; what becomes larger is not inflated further. */
const MAX_BYTES = 16_384;
/** Nearly every vector is a single chunk of that; measured, larger ones cost more to make than they save. */
const CHUNK_BYTES = 4096;

/**
 * Decodes a vector. Never throws.
 *
 * @param text Of whatever type.
 * @param dims How many numbers it must have.
 */
export function decodeVector(text: unknown, dims: number): DecodedVector {
  if (typeof text !== "string") return { reason: "type" };
  const compressed = decodeBase85(text);
  if (compressed === undefined) return { reason: "base85" };
  const inflated = inflate(compressed);
  if (inflated === undefined) return { reason: "zlib" };
  const { bytes, end } = inflated;
  if (bytes.length % 4 !== 0) return { reason: "length" };
  if (end < compressed.length) return { reason: "zlib" };
  if (bytes.length !== dims * 4) return { reason: "dims" };
  // A copy of its own, as a view needs offsets that are multiples of 4. Deno runs on little-endian machines only.
  const vector = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  let isZero = true;
  for (let i = 0; i < dims; i++) {
    const value = vector[i]!;
    if (!Number.isFinite(value)) return { reason: "not_finite" };
    if (value !== 0) isZero = false;
  }
  return isZero ? { reason: "zero" } : { vector };
}

/** What `inflateSync` answers with `info`, which its types do not say. */
type InflateWithInfo = (
  input: InputType,
  options: ZlibOptions & { readonly info: true },
) => { readonly buffer: Uint8Array<ArrayBuffer>; readonly engine: { readonly bytesWritten: number } };

/** What comes out, and how many bytes went in; `undefined` for what is damaged, cut off or too large. The Adler-32 is checked. */
function inflate(compressed: Uint8Array) {
  try {
    const options = { maxOutputLength: MAX_BYTES, chunkSize: CHUNK_BYTES, info: true } as const;
    const { buffer, engine } = (inflateSync as unknown as InflateWithInfo)(compressed, options);
    return { bytes: buffer, end: engine.bytesWritten };
  } catch {
    return undefined;
  }
}
