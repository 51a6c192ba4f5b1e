/**
 * Records and their paths (https://atproto.com/specs/record-key, https://atproto.com/specs/data-model).
 *
 * @module
 */
import { PoisonError } from "../pipeline/errors.ts";
import { type CborMap, decodeJson, isMapAt } from "./cbor.ts";
import { isNsid } from "./syntax.ts";

/** The most bytes of a record that the network accepts. */
export const MAX_RECORD_BYTES = 1_000_000;

/**
 * A record as JSON: see `decodeJson`; unknown fields and old forms pass. Keys keep the block's order, but for those that look like array
 * indices, which JavaScript's objects have first.
 *
 * @throws {PoisonError} `op-size`, or `op-record` for a block that is no map or cannot be decoded; `detail.cbor` then has the code.
 */
export function recordJson(block: Uint8Array): CborMap {
  if (block.length > MAX_RECORD_BYTES) throw new PoisonError("op-size", "Cannot read record: it is too large");
  if (!isMapAt(block, 0)) throw new PoisonError("op-record", "Cannot read record: it is not a map");
  try {
    return decodeJson(block) as CborMap;
  } catch (cause) {
    if (!(cause instanceof PoisonError)) throw cause;
    const why = cause.message.replace("Cannot decode CBOR: ", "");
    throw new PoisonError("op-record", `Cannot read record: ${why}`, { cause, detail: { cbor: cause.reason } });
  }
}

/** Where a record is in its repo. */
export interface RecordPath {
  /** An NSID. */
  readonly collection: string;
  /** The record's key within it. */
  readonly rkey: string;
}

const RKEY = /^[A-Za-z0-9.\-_:~]{1,512}$/;

/** The parts of `collection/rkey`; `undefined` where the collection is no NSID or the key no record key. */
export function splitPath(path: string): RecordPath | undefined {
  const slash = path.indexOf("/");
  const collection = path.slice(0, slash);
  const rkey = path.slice(slash + 1);
  if (slash < 0 || !isNsid(collection) || !RKEY.test(rkey) || rkey === "." || rkey === "..") return undefined;
  return { collection, rkey };
}
