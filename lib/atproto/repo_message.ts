/**
 * Messages of `com.atproto.sync.subscribeRepos` (https://atproto.com/specs/sync#firehose, lexicon com.atproto.sync.subscribeRepos).
 *
 * @module
 */
import { Cid } from "./cid.ts";
import { badField, decodeBody, isSeq, MAX_LIST } from "./frame.ts";
import { isMap } from "./cbor.ts";
import { isDid } from "./syntax.ts";

/** One operation as it was sent: what is wrong with it costs this operation alone, so that nothing was checked. */
export interface RepoOp {
  /** `create`, `update` or `delete`. */
  readonly action: unknown;
  /** `collection/rkey`. */
  readonly path: unknown;
  /** A {@link Cid}; null with delete. */
  readonly cid: unknown;
  /** The {@link Cid} before, with update and delete. */
  readonly prev: unknown;
}

/** What all messages with a position have. */
export interface Numbered {
  /** The position. */
  readonly seq: number;
  /** Whose repo or account it is about. */
  readonly did: string;
  /** When the server saw it, as it was sent: may be no time. */
  readonly time: string;
}

/** Some records of a repo changed. */
export interface CommitMessage extends Numbered {
  /** As in the frame's header. */
  readonly type: "#commit";
  /** Of the commit block. */
  readonly commit: Cid;
  /** The repo's revision. */
  readonly rev: string;
  /** The revision before this one. */
  readonly since: string | undefined;
  /** A CAR, as a view of the frame; may be empty. */
  readonly blocks: Uint8Array;
  /** In the order in which they were sent; may be empty. */
  readonly ops: readonly RepoOp[];
  /** Of the tree before this commit; old servers send none. */
  readonly prevData: Cid | undefined;
  /** The dead flags `tooBig` and `rebase`: worth a warning. */
  readonly outdated: boolean;
}

/** A repo's state was declared anew. */
export interface SyncMessage extends Numbered {
  /** As in the frame's header. */
  readonly type: "#sync";
  /** A CAR with the commit block, as a view of the frame. */
  readonly blocks: Uint8Array;
  /** The revision that the repo has now. */
  readonly rev: string;
}

/** A handle or DID document may have changed. */
export interface IdentityMessage extends Numbered {
  /** As in the frame's header. */
  readonly type: "#identity";
  /** A hint, often missing. */
  readonly handle: string | undefined;
}

/** An account's status. */
export interface AccountMessage extends Numbered {
  /** As in the frame's header. */
  readonly type: "#account";
  /** Whether the account's content may be shown. */
  readonly active: boolean;
  /** An open set. */
  readonly status: string | undefined;
}

/** The server's words about the stream; without a position. */
export interface InfoMessage {
  /** As in the frame's header. */
  readonly type: "#info";
  /** `OutdatedCursor`, or others. */
  readonly name: string;
  /** For people. */
  readonly message: string | undefined;
}

/** A message that has a position. */
export type NumberedMessage = CommitMessage | SyncMessage | IdentityMessage | AccountMessage;
/** Every message that this version knows. */
export type RepoMessage = NumberedMessage | InfoMessage;

type Body = Readonly<Record<string, unknown>>;

/**
 * Decodes the body of a message; `undefined` for types that are not known, or were removed (`#handle`, `#tombstone`, `#migrate`): these
 * may have a position still, see `seqOf`. A `#handle` has the fields of an `#identity` and can be decoded as one.
 *
 * @param type With its `#`.
 * @throws {PoisonError} `frame-body`, `frame-trailing`, `cbor-*`, or `field-<name>` for a field that is missing or of the wrong type.
 */
export function decodeRepoMessage(type: string, body: Uint8Array): RepoMessage | undefined {
  switch (type) {
    case "#commit":
      return commitOf(decodeBody(body));
    case "#sync":
      return syncOf(decodeBody(body));
    case "#identity":
      return identityOf(decodeBody(body));
    case "#account":
      return accountOf(decodeBody(body));
    case "#info":
      return infoOf(decodeBody(body));
    default:
      return undefined;
  }
}

function commitOf(body: Body): CommitMessage {
  const { ops } = body;
  if (!Array.isArray(ops) || ops.length > MAX_LIST || !ops.every(isMap)) throw badField("ops");
  return {
    type: "#commit",
    seq: seqField(body),
    did: didField(body, "repo"),
    commit: linkField(body, "commit") ?? missing("commit"),
    rev: revField(body),
    since: textField(body, "since"),
    blocks: blocksField(body),
    ops: ops.map(opOf),
    time: textField(body, "time") ?? missing("time"),
    prevData: linkField(body, "prevData"),
    outdated: body.tooBig === true || body.rebase === true,
  };
}

function opOf({ action, path, cid, prev }: Body): RepoOp {
  return { action, path, cid, prev };
}

function syncOf(body: Body): SyncMessage {
  const { seq, did, time } = headOf(body);
  return { type: "#sync", seq, did, blocks: blocksField(body), rev: revField(body), time };
}

function identityOf(body: Body): IdentityMessage {
  const { seq, did, time } = headOf(body);
  return { type: "#identity", seq, did, time, handle: textField(body, "handle") };
}

function accountOf(body: Body): AccountMessage {
  const { seq, did, time } = headOf(body);
  const { active } = body;
  if (typeof active !== "boolean") throw badField("active");
  return { type: "#account", seq, did, time, active, status: textField(body, "status") };
}

function infoOf(body: Body): InfoMessage {
  return {
    type: "#info",
    name: textField(body, "name") ?? missing("name"),
    message: textField(body, "message"),
  };
}

function headOf(body: Body): Numbered {
  return { seq: seqField(body), did: didField(body, "did"), time: textField(body, "time") ?? missing("time") };
}

function missing(name: string): never {
  throw badField(name);
}

function seqField({ seq }: Body): number {
  if (!isSeq(seq)) throw badField("seq");
  return seq;
}

function didField(body: Body, name: "did" | "repo"): string {
  const did = body[name];
  if (typeof did !== "string" || !isDid(did)) throw badField(name);
  return did;
}

function revField({ rev }: Body): string {
  if (typeof rev !== "string" || rev === "") throw badField("rev");
  return rev;
}

function blocksField({ blocks }: Body): Uint8Array {
  if (!(blocks instanceof Uint8Array)) throw badField("blocks");
  return blocks;
}

/** Null counts as absent. */
function textField(body: Body, name: string): string | undefined {
  const value = body[name] ?? undefined;
  if (value !== undefined && typeof value !== "string") throw badField(name);
  return value;
}

/** Null counts as absent. */
function linkField(body: Body, name: string): Cid | undefined {
  const value = body[name] ?? undefined;
  if (value !== undefined && !(value instanceof Cid)) throw badField(name);
  return value;
}
