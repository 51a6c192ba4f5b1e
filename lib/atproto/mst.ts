/**
 * The tree of a repo's records (https://atproto.com/specs/repository#mst-structure).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { PoisonError } from "../pipeline/errors.ts";
import type { Car } from "./car.ts";
import { decodeCbor, isMap } from "./cbor.ts";
import { Cid } from "./cid.ts";

/** More than any path of a record has; prefixes could make keys grow with every entry. */
const MAX_KEY_BYTES = 1024;

/** A record in the tree. */
export interface TreeEntry {
  /** `collection/rkey`; not checked, as a tree may have any keys. */
  readonly key: string;
  /** Of the record. */
  readonly cid: Cid;
}

interface Entry {
  readonly key: string;
  readonly value: Cid;
  /** The node between this key and the next. */
  readonly right: Cid | undefined;
}

interface Node {
  /** The node before the first key. */
  readonly left: Cid | undefined;
  readonly entries: readonly Entry[];
}

/**
 * Every record of the tree in the order of the keys.
 *
 * @param root `data` of the commit.
 * @throws {PoisonError} `mst-node` (missing or malformed), `mst-order` or `mst-layer`; the last one also for cycles.
 */
export function* walk(car: Car, root: Cid): Generator<TreeEntry, void> {
  let last: Buffer | undefined;
  for (const entry of walkNode(car, root, Infinity)) {
    const key = Buffer.from(entry.key);
    if (last !== undefined && Buffer.compare(last, key) >= 0) throw bad("order", "its keys are not in order");
    last = key;
    yield entry;
  }
}

function bad(reason: string, why: string): PoisonError {
  return new PoisonError(`mst-${reason}`, `Cannot read tree: ${why}`);
}

/** @param above The layer of the node that this one hangs on; infinite for the root. */
function* walkNode(car: Car, cid: Cid, above: number): Generator<TreeEntry, void> {
  const { left, entries } = readNode(car, cid);
  const [first] = entries;
  // Only between other nodes may one have no keys. As each is right below its parent, no way down is endless.
  const layer = first === undefined ? above - 1 : layerOf(first.key);
  const isPlaced = above === Infinity ? first !== undefined || left === undefined : layer === above - 1 && layer >= 0;
  if (!isPlaced) throw bad("layer", "a node is not in the layer below its parent");
  if (left !== undefined) yield* walkNode(car, left, layer);
  for (const { key, value, right } of entries) {
    if (layerOf(key) !== layer) throw bad("layer", "a key is not in its layer");
    yield { key, cid: value };
    if (right !== undefined) yield* walkNode(car, right, layer);
  }
}

/** Leading pairs of zero bits in the key's hash. */
function layerOf(key: string): number {
  const bits = BigInt(`0x${hash("sha256", key, "hex")}`).toString(2).length;
  return Math.floor((256 - bits) / 2);
}

function readNode(car: Car, cid: Cid): Node {
  const block = car.find(cid.bytes);
  if (block === undefined) throw bad("node", "a node is missing");
  const node = decodeCbor(block);
  if (!isMap(node) || !Array.isArray(node.e)) throw malformed();
  const entries: Entry[] = [];
  let key = Buffer.alloc(0);
  for (const entry of node.e) {
    if (!isMap(entry)) throw malformed();
    const { p, k, v } = entry;
    if (!(k instanceof Uint8Array) || !(v instanceof Cid)) throw malformed();
    if (!Number.isInteger(p) || (p as number) < 0 || (p as number) > key.length) throw malformed();
    key = Buffer.concat([key.subarray(0, p as number), k]);
    if (key.length > MAX_KEY_BYTES) throw malformed();
    entries.push({ key: key.toString(), value: v, right: linkOf(entry.t) });
  }
  return { left: linkOf(node.l), entries };
}

function linkOf(value: unknown): Cid | undefined {
  if (value instanceof Cid) return value;
  if (value !== null && value !== undefined) throw malformed();
  return undefined;
}

function malformed(): PoisonError {
  return bad("node", "a node is not what it should be");
}
