/**
 * A signed repo (https://atproto.com/specs/repository), and the commits that a relay would send of it.
 *
 * @module
 */
import { encodeCar } from "./car.ts";
import { encodeCbor, link } from "./cbor.ts";
import { cidOf } from "./cid.ts";
import type { SigningKey } from "./keys.ts";
import { leaves, type Tree, valueOf, withKey, withoutKey } from "./mst.ts";
import { allNodes, nodesAround, rootOf } from "./mst_blocks.ts";

/** What happens to a record. */
export interface Write {
  readonly action: "create" | "update" | "delete";
  /** `collection/rkey`; that it is a valid one is not checked. */
  readonly path: string;
  /** As the data model's JSON; a `Uint8Array` is a block to be taken as it is, whatever it holds. Absent on delete. */
  readonly record?: unknown;
}

/** A link, as {@link encodeCbor} wants it. */
export type Link = ReturnType<typeof link>;

/** One of a commit's `ops`. */
export interface RepoOp {
  readonly action: string;
  readonly path: string;
  readonly cid: Link | null;
  /** With update and delete. */
  readonly prev?: Link;
}

/** A commit object before it is signed. */
export interface UnsignedCommit {
  readonly did: string;
  readonly version: number;
  readonly data: Link;
  readonly rev: string;
  readonly prev: null;
}

/** Makes the commit object that is stored; the honest one is {@link signed}, others are in `test_broken.ts`. */
export type Seal = (commit: UnsignedCommit, key: SigningKey) => UnsignedCommit & { readonly sig: Uint8Array };

/** A commit as `#commit` says it, but `seq`, `time` and `blocks`, and the blocks for its CAR. */
export interface RepoCommit {
  readonly body: {
    readonly repo: string;
    readonly commit: Link;
    readonly rev: string;
    readonly since: string | null;
    readonly ops: readonly RepoOp[];
    readonly blobs: readonly Link[];
    readonly rebase: boolean;
    readonly tooBig: boolean;
    readonly prevData?: Link;
  };
  /** The commit object, the nodes that prove and undo the ops, the records. */
  readonly blocks: ReadonlyMap<string, Uint8Array>;
}

/** Options of {@link createRepo}. */
export interface RepoOptions {
  readonly did: string;
  readonly key: SigningKey;
  /** The first revision: a TID. */
  readonly rev: string;
  /** Records that it has from the beginning, by their paths. */
  readonly records?: Iterable<readonly [path: string, record: unknown]>;
  /** How its commits are sealed. Default {@link signed}. */
  readonly seal?: Seal;
}

/** How one commit is made. */
export interface CommitOptions {
  /** The new revision: a TID. */
  readonly rev: string;
  /** How this one is sealed. */
  readonly seal?: Seal;
}

/** A repo; writes change it. */
export interface Repo {
  readonly did: string;
  readonly key: SigningKey;
  readonly rev: string;
  /** CID of the commit object. */
  readonly head: string;
  /** CID of the tree's root. */
  readonly data: string;
  /** CIDs of the records by path, in order. */
  readonly records: ReadonlyMap<string, string>;
  /** The block of a record. */
  block(path: string): Uint8Array | undefined;
  /** Writes, without making a commit of it. */
  apply(writes: readonly Write[], rev: string): void;
  /** Writes, and says what a relay would send. */
  commit(writes: readonly Write[], options: CommitOptions): RepoCommit;
  /** The state under another revision, as `#sync` says it; a CAR with the commit object only. */
  sync(options: CommitOptions): { readonly did: string; readonly rev: string; readonly blocks: Uint8Array };
  /** Everything, as `getRepo` answers, but the blocks of these CIDs. */
  car(without?: readonly string[]): Uint8Array;
}

/** Signs with the repo's key. */
export const signed: Seal = (commit, key) => ({ ...commit, sig: key.sign(encodeCbor(commit)) });

/** Signs nothing, for load tests: the signature has the right length only. */
export const unsigned: Seal = (commit) => ({ ...commit, sig: new Uint8Array(64) });

/** A repo with its first commit. */
export function createRepo(options: RepoOptions): Repo {
  const { did, key } = options;
  let tree: Tree, rev = options.rev, head: Sealed | undefined, seal = options.seal ?? signed;
  const contents = new Map<string, Uint8Array>();

  const write = ({ action, path, record }: Write) => {
    if (action === "delete") {
      tree = withoutKey(tree, path);
      contents.delete(path);
      return;
    }
    const block = record instanceof Uint8Array ? record : encodeCbor(record);
    tree = withKey(tree, path, cidOf(block));
    contents.set(path, block);
  };
  const sealed = () => head ??= sealWith(seal, { did, version: 3, data: link(rootOf(tree).cid), rev, prev: null }, key);
  const apply = (writes: readonly Write[], next: CommitOptions) => {
    writes.forEach(write);
    rev = next.rev;
    seal = next.seal ?? options.seal ?? signed;
    head = undefined;
  };

  for (const [path, record] of options.records ?? []) write({ action: "create", path, record });
  return {
    did,
    key,
    get rev() {
      return rev;
    },
    get head() {
      return sealed().cid;
    },
    get data() {
      return rootOf(tree).cid;
    },
    get records() {
      return new Map(leaves(tree).map(({ key, value }) => [key, value]));
    },
    block: (path) => contents.get(path),
    apply: (writes, rev) => apply(writes, { rev }),
    commit(writes, next) {
      const before = tree, since = rev, prevData = link(rootOf(tree).cid);
      apply(writes, next);
      const ops = writes.map(({ action, path }) => opOf(action, path, before, tree));
      const { cid, bytes } = sealed(), root = rootOf(tree);
      const blocks = new Map([[cid, bytes], [root.cid, root.bytes]]);
      for (const { path } of writes) nodesAround(tree, path).forEach((node, id) => blocks.set(id, node));
      for (const { path, cid } of ops) if (cid) blocks.set(cid.$link, contents.get(path)!);
      const dead = { blobs: [], rebase: false, tooBig: false };
      return { body: { repo: did, commit: link(cid), rev, since, ops, prevData, ...dead }, blocks };
    },
    sync(next) {
      apply([], next);
      const { cid, bytes } = sealed();
      return { did, rev, blocks: encodeCar(cid, new Map([[cid, bytes]])) };
    },
    car(without = []) {
      const { cid, bytes } = sealed();
      const blocks = new Map([[cid, bytes], ...allNodes(tree)]);
      for (const { key, value } of leaves(tree)) blocks.set(value, contents.get(key)!);
      for (const cid of without) blocks.delete(cid);
      return encodeCar(cid, blocks);
    },
  };
}

/** A commit object with its CID. */
interface Sealed {
  readonly cid: string;
  readonly bytes: Uint8Array;
}

function sealWith(seal: Seal, commit: UnsignedCommit, key: SigningKey): Sealed {
  const bytes = encodeCbor(seal(commit, key));
  return { cid: cidOf(bytes), bytes };
}

function opOf(action: Write["action"], path: string, before: Tree, after: Tree): RepoOp {
  const old = valueOf(before, path), now = valueOf(after, path);
  return {
    action,
    path,
    cid: action === "delete" ? null : link(now!),
    ...(action !== "create" && old !== undefined && { prev: link(old) }),
  };
}
