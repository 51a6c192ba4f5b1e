/**
 * Commit objects, the roots of repos (https://atproto.com/specs/repository#commit-objects).
 *
 * @module
 */
import { PoisonError } from "../pipeline/errors.ts";
import { decodeCbor, isMap } from "./cbor.ts";
import { Cid } from "./cid.ts";

/** A signed commit. */
export interface CommitObject {
  /** Whose repo it is. */
  readonly did: string;
  /** Of the tree's root node. */
  readonly data: Cid;
  /** The repo's revision. */
  readonly rev: string;
  /** Of the commit before; unused since version 3. */
  readonly prev: Cid | undefined;
  /** As it is, not verified. */
  readonly sig: Uint8Array;
}

/**
 * Decodes a commit block of version 3.
 *
 * @throws {PoisonError} `commit-field`, or `cbor-*`.
 */
export function decodeCommit(block: Uint8Array): CommitObject {
  const commit = decodeCbor(block);
  if (!isMap(commit)) throw bad("it is not a map");
  const { did, version, data, rev, prev = null, sig } = commit;
  if (version !== 3) throw bad("it is not of version 3");
  if (typeof did !== "string") throw bad("did is not a text");
  if (typeof rev !== "string") throw bad("rev is not a text");
  if (!(data instanceof Cid)) throw bad("data is not a link");
  if (prev !== null && !(prev instanceof Cid)) throw bad("prev is neither a link nor null");
  if (!(sig instanceof Uint8Array)) throw bad("sig is not a byte string");
  return { did, data, rev, prev: prev ?? undefined, sig };
}

function bad(why: string): PoisonError {
  return new PoisonError("commit-field", `Cannot read commit: ${why}`);
}
