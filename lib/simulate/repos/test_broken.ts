/**
 * Commits that are wrong, each in one way: what a reader has to notice.
 *
 * Where a member of a `#commit` is to be another one (`time`, `tooBig`, `blobs`, ...), `commitFrame` takes it as it is.
 *
 * @module
 */
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { concatBytes } from "./bytes.ts";
import { encodeCbor, type link } from "./cbor.ts";
import type { SigningKey } from "./keys.ts";
import { type RepoCommit, type RepoOp, type Seal, signed, type UnsignedCommit } from "./repo.ts";

/** Signed with somebody else's key. */
export function foreignKey(key: SigningKey): Seal {
  return (commit) => signed(commit, key);
}

/** Changed after it was signed. */
export function changedAfterSigning(change: Partial<UnsignedCommit>): Seal {
  return (commit, key) => ({ ...signed(commit, key), ...change });
}

/** Signed with the other `s` that the curve allows: it is in the upper half, which AT Protocol does not allow. */
export const signedHighS: Seal = (commit, key) => {
  const { sig } = signed(commit, key);
  const s = BigInt(`0x${sig.subarray(32).toHex()}`);
  const other = (curveOf(key).Point.CURVE().n - s).toString(16).padStart(64, "0");
  return { ...commit, sig: Uint8Array.fromHex(sig.subarray(0, 32).toHex() + other) };
};

/** Signed as other software does it: in ASN.1 DER. */
export const signedDer: Seal = (commit, key) => {
  const { sig } = signed(commit, key);
  return { ...commit, sig: curveOf(key).Signature.fromBytes(sig).toBytes("der") };
};

function curveOf({ curve }: SigningKey) {
  return curve === "k256" ? secp256k1 : p256;
}

/** One op changed: `prev`, `cid`, `action`, ... */
export function withOp(commit: RepoCommit, path: string, change: Partial<RepoOp>): RepoCommit {
  return withOps(commit, commit.body.ops.map((op) => op.path === path ? { ...op, ...change } : op));
}

/** Something was written that `ops` do not say. */
export function withoutOp(commit: RepoCommit, path: string): RepoCommit {
  return withOps(commit, commit.body.ops.filter((op) => op.path !== path));
}

/** `ops` name a path twice. */
export function withOpTwice(commit: RepoCommit, path: string): RepoCommit {
  return withOps(commit, commit.body.ops.flatMap((op) => op.path === path ? [op, op] : [op]));
}

/** Another tree is said to have been there before; `undefined`: none is named, as old PDSs do. */
export function withPrevData(commit: RepoCommit, prevData: ReturnType<typeof link> | undefined): RepoCommit {
  const { prevData: _, ...body } = commit.body;
  return { ...commit, body: prevData === undefined ? body : { ...body, prevData } };
}

/** Blocks are missing. */
export function withoutBlocks(commit: RepoCommit, cids: readonly string[]): RepoCommit {
  return { ...commit, blocks: new Map([...commit.blocks].filter(([cid]) => !cids.includes(cid))) };
}

/** A block holds something else than its CID says. */
export function withBlock(commit: RepoCommit, cid: string, bytes: Uint8Array): RepoCommit {
  return { ...commit, blocks: new Map([...commit.blocks, [cid, bytes]]) };
}

function withOps(commit: RepoCommit, ops: readonly RepoOp[]): RepoCommit {
  return { ...commit, body: { ...commit.body, ops } };
}

/** A map with `$type`, and `x` with bytes that no encoder here would write. */
function recordWith(...x: number[]): Uint8Array {
  const head = encodeCbor({ x: null, $type: "com.example.thing" });
  return concatBytes([head.subarray(0, 3), Uint8Array.from(x), head.subarray(4)]);
}

/** Blocks of records that DAG-CBOR does not allow, by what is wrong with them. */
export const BAD_RECORDS: Readonly<Record<string, Uint8Array>> = {
  "no map": encodeCbor([1, 2, 3]),
  "NaN": recordWith(0xfb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0),
  "infinity": recordWith(0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0),
  "2^53": recordWith(0x1b, 0, 0x20, 0, 0, 0, 0, 0, 0),
  "duplicate key": recordWith(0xa2, 0x61, 0x61, 0x01, 0x61, 0x61, 0x02),
  "integer key": recordWith(0xa1, 0x01, 0x02),
  "indefinite length": recordWith(0x9f, 0x01, 0xff),
  "non-minimal integer": recordWith(0x18, 0x01),
  "tag 43": recordWith(0xd8, 0x2b, 0x41, 0x00),
  "lone surrogate": recordWith(0x63, 0xed, 0xa0, 0x80),
  "too deep": nestedRecord(20_000),
  "cut": recordWith(0x63, 0x61).subarray(0, 5),
  "something behind it": concatBytes([encodeCbor({ $type: "com.example.thing" }), Uint8Array.of(0)]),
};

/** A record whose lists lie in each other, `depth` deep with the record itself. */
export function nestedRecord(depth: number): Uint8Array {
  return recordWith(...new Array(depth - 2).fill(0x81), 0x80);
}
