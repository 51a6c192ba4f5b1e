/**
 * The zstd dictionary of simulated servers. It was trained on generated events (`scripts/train_dictionary.ts`), and serves both
 * wires: messages of about 550 bytes shrink to a third.
 *
 * @module
 */
import { ConfigError } from "../pipeline/errors.ts";
import { idOfDictionary } from "../net/zstd/dictionary.ts";
import { DICTIONARY_BASE64 } from "./dictionary_data.ts";
import { type Answer, xrpcAnswer } from "./http.ts";

export { SIMULATE_DICTIONARY_ID } from "../net/zstd/ids.ts";

/** A dictionary, and the id by which clients and frames name it. */
export interface Dictionary {
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** The bytes of the project's own dictionary; its id is {@link SIMULATE_DICTIONARY_ID}. */
export function simulateDictionary(): Uint8Array {
  return Uint8Array.fromBase64(DICTIONARY_BASE64);
}

/**
 * The dictionary that a server works with.
 *
 * @throws {ConfigError} when the bytes are no zstd dictionary.
 */
export function dictionaryOf(bytes: Uint8Array): Dictionary {
  const id = idOfDictionary(bytes);
  if (id === undefined) throw new ConfigError("Cannot use zstd dictionary: it does not begin with 37 A4 30 EC");
  return { id, bytes };
}

/** The answer to `getZstdDictionary`, as in golden answers of the 2026 server. */
export function dictionaryAnswer(query: URLSearchParams, { id, bytes }: Dictionary): Answer {
  const asked = query.get("id");
  if (asked !== null && !/^[+-]?\d+$/.test(asked)) {
    return xrpcAnswer(400, "InvalidRequest", "id must be an integer zstd dictionary ID");
  }
  if (asked !== null && Number(asked) !== id) {
    const message = `no dictionary with id ${Number(asked)}; current dictionary id is ${id}`;
    return xrpcAnswer(404, "DictionaryNotFound", message);
  }
  const headers = {
    "ETag": `"zstd-dict-${id}"`,
    "X-Zstd-Dictionary-Id": String(id),
    "Cache-Control": "public, max-age=31536000, immutable",
  };
  return { status: 200, type: "application/octet-stream", body: bytes, headers };
}
