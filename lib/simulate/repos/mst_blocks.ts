/**
 * The blocks of a Merkle search tree: `{l: cid | null, e: [{p, k, v, t}]}`, where `k` is a key after the `p` bytes that it
 * shares with the key before it in the block.
 *
 * @module
 */
import { encodeCbor, link } from "./cbor.ts";
import { cidOf } from "./cid.ts";
import type { Leaf, Tree } from "./mst.ts";

/** An encoded node. */
export interface MstBlock {
  readonly cid: string;
  readonly bytes: Uint8Array;
}

const encoder = new TextEncoder();
const EMPTY = blockOf({ l: null, e: [] });

/** The root of a tree. */
export function rootOf(tree: Tree): MstBlock {
  return tree === undefined ? EMPTY : nodeOf(tree);
}

/** Every node of a tree, the root first. */
export function allNodes(tree: Tree): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  collect(tree, tree?.layer ?? 0, () => true, found);
  return found;
}

/**
 * The nodes that say what the value of a key is, or that it has none, and whose neighbours it has: enough to undo its creation,
 * update or deletion.
 */
export function nodesAround(tree: Tree, key: string): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  const near = (before: Leaf | undefined, behind: Leaf | undefined) =>
    (before === undefined || before.key <= key) && (behind === undefined || behind.key >= key);
  collect(tree, tree?.layer ?? 0, near, found);
  return found;
}

/** Whether to look at what lies between two neighbours of one node. */
type Near = (before: Leaf | undefined, behind: Leaf | undefined) => boolean;

function collect(tree: Tree, layer: number, near: Near, found: Map<string, Uint8Array>): void {
  if (tree === undefined) {
    if (found.size === 0) found.set(EMPTY.cid, EMPTY.bytes);
    return;
  }
  for (const { cid, bytes } of blocksAt(tree, layer)) found.set(cid, bytes);
  const members = membersOf(tree);
  for (let n = 0; n <= members.length; n++) {
    const below = n < members.length ? members[n]!.left : endOf(members);
    if (below && near(members[n - 1], members[n])) collect(below, tree.layer - 1, near, found);
  }
}

/** The leaves of the node that begins with `head`. */
function membersOf(head: Leaf): Leaf[] {
  const members = [head];
  for (let next = head.right; next?.layer === head.layer; next = next.right) members.push(next);
  return members;
}

/** What lies behind the last leaf of a node. */
function endOf(members: readonly Leaf[]): Tree {
  return members.at(-1)!.right;
}

/** The node of a tree, below the nodes without leaves that lead to it from a layer above its own. */
function blocksAt(tree: Leaf, layer: number): MstBlock[] {
  const blocks = [nodeOf(tree)];
  for (let above = tree.layer; above < layer; above++) blocks.unshift(blockOf({ l: link(blocks[0]!.cid), e: [] }));
  return blocks;
}

function nodeOf(head: Leaf): MstBlock {
  return head.block ??= encodeNode(membersOf(head));
}

function encodeNode(members: readonly Leaf[]): MstBlock {
  const below = members[0]!.layer - 1;
  const pointer = (tree: Tree) => tree === undefined ? null : link(blocksAt(tree, below)[0]!.cid);
  let last = "";
  const e = members.map(({ key, value }, n) => {
    const p = shared(last, key);
    last = key;
    const t = pointer(n + 1 < members.length ? members[n + 1]!.left : endOf(members));
    return { p, k: encoder.encode(key.slice(p)), v: link(value), t };
  });
  return blockOf({ l: pointer(members[0]!.left), e });
}

function shared(a: string, b: string): number {
  let count = 0;
  while (count < a.length && a[count] === b[count]) count++;
  return count;
}

function blockOf(node: unknown): MstBlock {
  const bytes = encodeCbor(node);
  return { cid: cidOf(bytes), bytes };
}
