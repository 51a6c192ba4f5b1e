/**
 * Reads what this folder writes, for its tests: frames, CARs, trees; and undoes commits as a verifying reader would
 * (`Sync 1.1`, https://atproto.com/specs/sync).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { zstdDecompressSync } from "node:zlib";
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { decodeFirst, decodeJson } from "../../atproto/cbor.ts";
import { cidText } from "../../atproto/cid.ts";
import { readVarint } from "../../atproto/varint.ts";
import type { SigningKey } from "./keys.ts";
import { layerOf, type Leaf, type Tree, withKey, withoutKey } from "./mst.ts";

/** A frame as JSON, its `blocks` as bytes. */
export function readFrame(frame: Uint8Array) {
  const { end } = decodeFirst(frame);
  // deno-lint-ignore no-explicit-any -- each message has another shape
  const [header, body] = [frame.subarray(0, end), frame.subarray(end)].map((item) => decodeJson(item) as any);
  return { header, body, blocks: Buffer.from(body.blocks?.$bytes ?? "", "base64") };
}

/** Roots and blocks of a CAR. */
export function readCar(car: Uint8Array): { roots: readonly string[]; blocks: Map<string, Uint8Array> } {
  const position = { at: 0 };
  const headerEnd = readVarint(car, position) + position.at;
  const header = decodeJson(car.subarray(position.at, headerEnd)) as { roots: { $link: string }[] };
  const blocks = new Map<string, Uint8Array>();
  for (position.at = headerEnd; position.at < car.length;) {
    const length = readVarint(car, position), start = position.at + 36, end = position.at + length;
    blocks.set(cidText(car.subarray(position.at, start)), car.subarray(start, end));
    position.at = end;
  }
  return { roots: header.roots.map((root) => root.$link), blocks };
}

interface Node {
  readonly l: { $link: string } | null;
  readonly e: readonly { p: number; k: { $bytes: string }; v: { $link: string }; t: Node["l"] }[];
}

/**
 * The tree that begins with a node, as far as there are blocks of it; whoever looks into another part gets an error.
 *
 * @param above The layer of the node that leads here.
 */
export function loadTree(blocks: ReadonlyMap<string, Uint8Array>, cid: string, above = 33): Tree {
  const block = blocks.get(cid);
  if (block === undefined) return missing(cid, above - 1);
  const { l, e } = decodeJson(block) as Node;
  const below = (pointer: Node["l"], layer: number) => pointer ? loadTree(blocks, pointer.$link, layer) : undefined;
  if (e.length === 0) return below(l, above - 1);
  let key = "";
  const keys = e.map(({ p, k }) => key = key.slice(0, p) + Buffer.from(k.$bytes, "base64").toString("latin1"));
  const layer = layerOf(keys[0]!);
  let right = below(e.at(-1)!.t, layer);
  for (let n = e.length - 1; n >= 0; n--) {
    const left = below(n === 0 ? l : e[n - 1]!.t, layer);
    right = { key: keys[n]!, value: e[n]!.v.$link, layer, left, right };
  }
  return right;
}

function missing(cid: string, layer: number): Leaf {
  const fail = () => {
    throw new Error(`Cannot look into ${cid}: there is no such block`);
  };
  const block = { cid, bytes: new Uint8Array() };
  const part = { layer, block, left: undefined, right: undefined, value: "" };
  return Object.defineProperty(part, "key", { get: fail }) as Leaf;
}

/** One of a commit's `ops`. */
interface Op {
  readonly action: string;
  readonly path: string;
  readonly prev?: { readonly $link: string };
}

/** The tree before the ops: deletes are undone first, each group by path. */
export function undo(tree: Tree, ops: readonly Op[]): Tree {
  const byPath = [...ops].sort((a, b) => a.path < b.path ? -1 : 1);
  for (const { path, prev } of byPath.filter(({ action }) => action === "delete")) {
    tree = withKey(tree, path, prev!.$link);
  }
  for (const { action, path, prev } of byPath.filter(({ action }) => action !== "delete")) {
    tree = action === "create" ? withoutKey(tree, path) : withKey(tree, path, prev!.$link);
  }
  return tree;
}

/** Whether a signature is that of a key, in the form that AT Protocol allows. */
export function isSignedBy(bytes: Uint8Array, signature: Uint8Array, { curve, secret }: SigningKey): boolean {
  const { getPublicKey, verify } = curve === "k256" ? secp256k1 : p256;
  return verify(signature, bytes, getPublicKey(secret, true), { lowS: true });
}

/** Messages that each have their length in front. */
export function splitMessages(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const messages: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 + view.getUint32(at, true);
    messages.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return messages;
}

/** A file compressed with zstd. */
export function readZstd(path: string): Uint8Array {
  return zstdDecompressSync(Deno.readFileSync(path));
}
