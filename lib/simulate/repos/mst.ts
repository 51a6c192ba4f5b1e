/**
 * The Merkle search tree of a repo (https://atproto.com/specs/repository#mst-structure).
 *
 * A tree is kept as a binary one, which never changes once it is made: a parent's layer is above its left child's and not below
 * its right child's. There is only one such tree for a set of keys, so that equal sets have equal roots whatever their history.
 * Keys of one layer that follow each other by their right children are one node of the Merkle search tree.
 *
 * @module
 */
import { hash } from "node:crypto";
import type { MstBlock } from "./mst_blocks.ts";

/** A key with its value, and what is below it; `undefined` is the empty tree. */
export interface Leaf {
  /** `collection/rkey`; only ASCII. */
  readonly key: string;
  /** CID of the record. */
  readonly value: string;
  /** Leading zero bit pairs of the key's SHA-256. */
  readonly layer: number;
  readonly left: Tree;
  readonly right: Tree;
  /** The block that begins with this leaf, made when it is first asked for. */
  block?: MstBlock;
}

/** A tree, or a part of one. */
export type Tree = Leaf | undefined;

/** How deep a key lies, counted from the leaves. */
export function layerOf(key: string): number {
  const hex = hash("sha256", key, "hex");
  const zeros = hex.search(/[^0]/); // each of them stands for two pairs
  return zeros * 2 + (hex[zeros]! < "4" ? 1 : 0);
}

/** The value of a key. */
export function valueOf(tree: Tree, key: string): string | undefined {
  while (tree !== undefined && tree.key !== key) tree = key < tree.key ? tree.left : tree.right;
  return tree?.value;
}

/** The tree with another value for a key, which may be new. */
export function withKey(tree: Tree, key: string, value: string): Leaf {
  return valueOf(tree, key) === undefined
    ? insert(tree, { key, value, layer: layerOf(key), left: undefined, right: undefined })
    : replace(tree!, key, value);
}

/** The tree without a key that it has. */
export function withoutKey(tree: Tree, key: string): Tree {
  if (tree === undefined) return undefined;
  if (tree.key === key) return joined(tree.left, tree.right);
  return key < tree.key
    ? changed(tree, { left: withoutKey(tree.left, key) })
    : changed(tree, { right: withoutKey(tree.right, key) });
}

/** All leaves in the order of their keys. */
export function* leaves(tree: Tree): Generator<Leaf> {
  if (tree === undefined) return;
  yield* leaves(tree.left);
  yield tree;
  yield* leaves(tree.right);
}

function changed(
  { key, value, layer, left, right }: Leaf,
  change: Partial<Pick<Leaf, "value" | "left" | "right">>,
): Leaf {
  return { key, value, layer, left, right, ...change };
}

function replace(tree: Leaf, key: string, value: string): Leaf {
  if (tree.key === key) return changed(tree, { value });
  return key < tree.key
    ? changed(tree, { left: replace(tree.left!, key, value) })
    : changed(tree, { right: replace(tree.right!, key, value) });
}

function insert(tree: Tree, leaf: Leaf): Leaf {
  if (tree === undefined) return leaf;
  const below = tree.layer > leaf.layer || tree.layer === leaf.layer && tree.key < leaf.key;
  if (!below) {
    const [left, right] = divided(tree, leaf.key);
    return changed(leaf, { left, right });
  }
  return leaf.key < tree.key
    ? changed(tree, { left: insert(tree.left, leaf) })
    : changed(tree, { right: insert(tree.right, leaf) });
}

/** What lies before a key that the tree does not have, and what behind it. */
function divided(tree: Tree, key: string): [before: Tree, behind: Tree] {
  if (tree === undefined) return [undefined, undefined];
  if (tree.key < key) {
    const [before, behind] = divided(tree.right, key);
    return [changed(tree, { right: before }), behind];
  }
  const [before, behind] = divided(tree.left, key);
  return [before, changed(tree, { left: behind })];
}

/** Two trees as one; every key of `a` is before those of `b`. */
function joined(a: Tree, b: Tree): Tree {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return a.layer >= b.layer ? changed(a, { right: joined(a.right, b) }) : changed(b, { left: joined(a, b.left) });
}
