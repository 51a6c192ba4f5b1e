/**
 * CAR files of version 1: blocks and their CIDs, one after the other (https://ipld.io/specs/transport/car/carv1/).
 *
 * @module
 */
import { PoisonError } from "../pipeline/errors.ts";
import { decodeCbor, isMap } from "./cbor.ts";
import { Cid, isCidAt, skipCid } from "./cid.ts";
import { type Position, readVarint } from "./varint.ts";

/** A CAR whose blocks were found, but not decoded. */
export interface Car {
  /** The first root: of a repo, the commit. */
  readonly root: Cid;
  /** How many blocks there are. */
  readonly size: number;
  /** The block with this CID, a view of the CAR whose hash was not checked; the first of several. */
  find(cid: Uint8Array): Uint8Array | undefined;
}

/** Where blocks are: the CID's start, the block's start and its end, for one after the other. */
type Index = number[];

/** Up to as many blocks, comparing their CIDs one by one is faster than a map; commits have about ten. */
const FEW = 64;

/**
 * Finds the blocks of a CAR.
 *
 * @throws {PoisonError} `car-header`, `car-block`.
 */
export function readCar(bytes: Uint8Array): Car {
  const position = { at: 0 };
  const root = readRoot(bytes, position);
  const index: Index = [];
  while (position.at < bytes.length) {
    const length = readVarint(bytes, position);
    const start = position.at;
    const end = start + length;
    if (length <= 0 || end > bytes.length) throw bad("block", "a block is longer than what is left");
    if (!skipCid(bytes, position) || position.at > end) throw bad("block", "a block has no CID");
    index.push(start, position.at, end);
    position.at = end;
  }
  const size = index.length / 3;
  let byCid: Map<string, number> | undefined;
  const find = (cid: Uint8Array): Uint8Array | undefined => {
    const i = size <= FEW ? search(bytes, index, cid) : (byCid ??= mapOf(bytes, index)).get(cid.toBase64());
    return i === undefined ? undefined : bytes.subarray(index[i + 1]!, index[i + 2]!);
  };
  return { root, size, find };
}

function bad(reason: string, why: string, options?: ErrorOptions): PoisonError {
  return new PoisonError(`car-${reason}`, `Cannot read CAR: ${why}`, options);
}

function readRoot(bytes: Uint8Array, position: Position): Cid {
  const length = readVarint(bytes, position);
  if (length < 0 || position.at + length > bytes.length) throw bad("header", "it ends within the header");
  const header = decodeHeader(bytes.subarray(position.at, position.at + length));
  position.at += length;
  if (!isMap(header) || header.version !== 1) throw bad("header", "it is not of version 1");
  const root: unknown = Array.isArray(header.roots) ? header.roots[0] : undefined;
  if (!(root instanceof Cid)) throw bad("header", "it has no root");
  return root;
}

function decodeHeader(bytes: Uint8Array): unknown {
  try {
    return decodeCbor(bytes);
  } catch (cause) {
    throw bad("header", "the header is not CBOR", { cause });
  }
}

function search(bytes: Uint8Array, index: Index, cid: Uint8Array): number | undefined {
  for (let i = 0; i < index.length; i += 3) {
    const start = index[i]!;
    if (index[i + 1]! - start === cid.length && isCidAt(bytes, start, cid)) return i;
  }
  return undefined;
}

function mapOf(bytes: Uint8Array, index: Index): Map<string, number> {
  const map = new Map<string, number>();
  for (let i = index.length - 3; i >= 0; i -= 3) map.set(bytes.subarray(index[i]!, index[i + 1]!).toBase64(), i);
  return map;
}
