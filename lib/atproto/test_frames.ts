/**
 * Frames, CARs and CBOR for tests, as wrong as a test wants them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { zstdDecompressSync } from "node:zlib";
import { Cid } from "./cid.ts";

/** Bytes that are put in the place of a value as they are. */
export class Raw {
  readonly bytes: Uint8Array;

  constructor(hex: string | Uint8Array) {
    this.bytes = typeof hex === "string" ? fromHex(hex) : hex;
  }
}

/** Bytes of hexadecimal text; spaces are for the reader. */
export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
}

/** CBOR of a value, keys in the order that it has them. */
export function encode(value: unknown): Buffer {
  if (value instanceof Raw) return Buffer.from(value.bytes);
  if (value instanceof Cid) {
    return Buffer.concat([fromHex("d82a"), head(2, value.bytes.length + 1), fromHex("00"), value.bytes]);
  }
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  if (typeof value === "string") {
    const text = Buffer.from(value);
    return Buffer.concat([head(3, text.length), text]);
  }
  if (typeof value === "number") return encodeNumber(value);
  if (value === null || typeof value === "boolean") return head(7, value === null ? 22 : value ? 21 : 20);
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(encode)]);
  const entries = Object.entries(value as object).filter(([, each]) => each !== undefined);
  return Buffer.concat([head(5, entries.length), ...entries.flat().map(encode)]);
}

function encodeNumber(value: number): Buffer {
  if (Number.isSafeInteger(value)) return value < 0 ? head(1, -1 - value) : head(0, value);
  const float = Buffer.alloc(9, 0xfb);
  float.writeDoubleBE(value, 1);
  return float;
}

function head(major: number, n: number): Buffer {
  const width = n < 24 ? 0 : n < 2 ** 8 ? 1 : n < 2 ** 16 ? 2 : n < 2 ** 32 ? 4 : 8;
  const bytes = Buffer.alloc(1 + width, (major << 5) | (width === 0 ? n : 24 + Math.log2(width)));
  if (width === 8) bytes.writeBigUInt64BE(BigInt(n), 1);
  else if (width > 0) bytes.writeUIntBE(n, 1, width);
  return bytes;
}

/** The CID of a block. */
export function cidOf(block: Uint8Array): Cid {
  return new Cid(Buffer.concat([fromHex("01711220"), hash("sha256", block, "buffer")]));
}

/** A CAR of these blocks; a pair is a block with another CID than its own. */
export function carOf(root: Cid, blocks: readonly (Uint8Array | readonly [Cid, Uint8Array])[]): Buffer {
  const sections = blocks.map((each) => {
    const [cid, block] = each instanceof Uint8Array ? [cidOf(each), each] : each;
    return withLength(Buffer.concat([cid.bytes, block]));
  });
  return Buffer.concat([withLength(encode({ roots: [root], version: 1 })), ...sections]);
}

function withLength(bytes: Uint8Array): Buffer {
  const varint: number[] = [];
  let rest = bytes.length;
  for (; rest > 127; rest >>= 7) varint.push((rest & 127) | 128);
  return Buffer.concat([Uint8Array.of(...varint, rest), bytes]);
}

/** A frame with a message. */
export function messageFrame(type: string, body: unknown): Buffer {
  return Buffer.concat([encode({ t: type, op: 1 }), encode(body)]);
}

/** Whose commits these are. */
export const DID = "did:plc:wq4aajammjtxdomz3e23667t";
/** Their revision. */
export const REV = "3mptbypluud2a";
/** Their time. */
export const TIME = "2026-07-04T14:38:07.517Z";

/** One operation of a {@link commitBody}: `record` becomes a block, a `Raw` one as it is, and `cid` that block's. */
export interface TestOp {
  readonly path?: unknown;
  readonly action?: unknown;
  readonly record?: unknown;
  readonly cid?: unknown;
  /** Leaves the block out. */
  readonly lost?: boolean;
}

/** The body of a `#commit`, right in all that `change` does not change, but for signature and tree. */
export function commitBody(ops: readonly TestOp[], change: Record<string, unknown> = {}): Record<string, unknown> {
  const signed = { did: DID, rev: REV, sig: new Uint8Array(64), data: cidOf(encode("tree")), prev: null, version: 3 };
  const commit = encode(signed);
  const blocks = [commit];
  const sent = ops.map(({ action = "create", path, record, cid, lost }, i) => {
    const block = record === undefined ? undefined : encode(record);
    if (block !== undefined && !lost) blocks.push(block);
    const own = cid === undefined ? block && cidOf(block) : cid;
    return { cid: own ?? null, path: path ?? `app.bsky.feed.post/${i}`, action };
  });
  return {
    ops: sent,
    rev: REV,
    seq: 7,
    repo: DID,
    time: TIME,
    blobs: [],
    since: null,
    blocks: carOf(cidOf(commit), blocks),
    commit: cidOf(commit),
    rebase: false,
    tooBig: false,
    ...change,
  };
}

/** The frames of a file of real ones: compressed, the length before each. */
export function framesOfFile(path: string): Buffer[] {
  const bytes = zstdDecompressSync(Deno.readFileSync(path));
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32LE(at);
    frames.push(bytes.subarray(at + 4, at += 4 + length));
  }
  return frames;
}
