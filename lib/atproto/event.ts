/**
 * The event type that every source produces. Its shape is that of Jetstream's v1 wire, because users know it and v1 text can
 * pass through untouched.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** Where an event came from; one frozen object a connection. */
export interface Origin {
  /** Which command's source read it: `jetstream`, `firehose`, ... */
  readonly source: string;
  /** What it looked like there. */
  readonly wire: "v1" | "v2" | "relay" | "row" | "repo";
  /** The server, or the file. */
  readonly host: string;
}

/** What a relay's frame says besides; not part of the JSON text. */
export interface Relayed {
  /** When the relay saw it, as it says so; of a downloaded repo: when that was fetched, RFC 3339. */
  readonly time: string;
  /** CID of the signed commit. */
  readonly commit?: string;
}

/** What every event has. */
export interface EventBase {
  /** Whose repo or account it is about. */
  readonly did: string;
  /** Microseconds since 1970, UTC: when the upstream witnessed it. */
  readonly time_us: number;
  /** The upstream's own position number, only comparable within `origin.host`. */
  readonly seq?: number;
  /** Where it came from. */
  readonly origin: Origin;
  /** The JSON text exactly as received; only set where the wire is v1-shaped already. */
  readonly raw?: string;
  /** Only of Megastream rows. */
  readonly enriched?: Enriched;
  /** Only of relays' frames and downloaded repos. */
  readonly relay?: Relayed;
}

/** What a Megastream row knows of a post besides the event. */
export interface Enriched {
  /** The file's name. */
  readonly file: string;
  /** The rowid. */
  readonly row: number;
  /** URI of the post that the thread began with, as hydration found it. */
  readonly root?: string;
  /** URI of the post that was answered, likewise. */
  readonly parent?: string;
  /** URI of the post that was quoted, likewise. */
  readonly quote?: string;
  /** When the row was enriched, as the database has it: `YYYY-MM-DD HH:MM:SS`, UTC. */
  readonly created_at?: string;
  /** What models said, as JSON text. */
  readonly inferences?: string;
}

/** One record that was created, updated or deleted. */
export interface Commit {
  /** The repo's revision: a TID. Not an event id, as one commit may carry several operations. */
  readonly rev?: string;
  /** What happened to the record. */
  readonly operation: "create" | "update" | "delete";
  /** The NSID of the record's type. */
  readonly collection: string;
  /** The record's key within its collection. */
  readonly rkey: string;
  /** Not validated against its lexicon; absent on delete. */
  readonly record?: Record<string, unknown>;
  /** Absent on delete. */
  readonly cid?: string;
}

/** A handle or DID document may have changed. */
export interface Identity {
  /** Whose handle or document it is. */
  readonly did: string;
  /** The handle, where the relay knew it. */
  readonly handle?: string;
  /** The relay's number, whatever host the event came by. */
  readonly seq?: number;
  /** When the relay saw it, RFC 3339. */
  readonly time?: string;
}

/** An account was (de)activated, taken down, deleted. */
export interface Account {
  /** Whether the account's content may be shown. */
  readonly active: boolean;
  /** Whose account it is. */
  readonly did: string;
  /** The relay's number, whatever host the event came by. */
  readonly seq?: number;
  /** An open set: `deactivated`, `takendown`, `suspended`, `deleted`, ... */
  readonly status?: string;
  /** When the relay saw it, RFC 3339. */
  readonly time?: string;
}

/** A repo's state was declared anew, without its operations. */
export interface Sync {
  /** Whose repo it is. */
  readonly did: string;
  /** The revision that the repo has now. */
  readonly rev: string;
  /** The relay's number, whatever host the event came by. */
  readonly seq?: number;
  /** When the relay saw it, RFC 3339. */
  readonly time?: string;
  /** A CAR with the commit block, base64. */
  readonly blocks?: { readonly $bytes: string };
}

/** See {@link Commit}. */
export interface CommitEvent extends EventBase {
  /** The kind. */
  readonly kind: "commit";
  /** What happened. */
  readonly commit: Commit;
}
/** See {@link Identity}. */
export interface IdentityEvent extends EventBase {
  /** The kind. */
  readonly kind: "identity";
  /** What changed. */
  readonly identity: Identity;
}
/** See {@link Account}. */
export interface AccountEvent extends EventBase {
  /** The kind. */
  readonly kind: "account";
  /** What changed. */
  readonly account: Account;
}
/** See {@link Sync}; on Jetstream only the v2 wire has it. */
export interface SyncEvent extends EventBase {
  /** The kind. */
  readonly kind: "sync";
  /** What was declared. */
  readonly sync: Sync;
}
/** An event of the network. */
export type AtEvent = CommitEvent | IdentityEvent | AccountEvent | SyncEvent;
/** The kinds of {@link AtEvent}. */
export type Kind = AtEvent["kind"];
/** All kinds, in the order in which they are listed to users. */
export const KINDS: readonly Kind[] = ["commit", "identity", "account", "sync"];

/** A label that a labeler set or, with `neg`, took back (com.atproto.label.defs#label). */
export interface LabelEvent {
  /** The kind. */
  readonly kind: "label";
  /** `cts`, in microseconds since 1970. */
  readonly time_us: number;
  /** The labeler's position number. */
  readonly seq?: number;
  /** Where it came from. */
  readonly origin: Origin;
  /** The label as the labeler sent it. */
  readonly label: {
    readonly ver?: number;
    readonly src: string;
    readonly uri: string;
    readonly cid?: string;
    readonly val: string;
    readonly neg?: boolean;
    readonly cts: string;
    readonly exp?: string;
    readonly sig?: { readonly $bytes: string };
  };
}

/** A repo that a relay or PDS hosts (com.atproto.sync.listRepos). */
export interface RepoEvent {
  /** The kind. */
  readonly kind: "repo";
  /** Whose repo it is. */
  readonly did: string;
  /** When it was listed, in microseconds since 1970. */
  readonly time_us: number;
  /** Where it was listed. */
  readonly origin: Origin;
  /** The repo as it was listed. */
  readonly repo: {
    readonly did: string;
    readonly head?: string;
    readonly rev?: string;
    readonly active?: boolean;
    readonly status?: string;
  };
}

/** Everything that a sink may be given. */
export type AnyEvent = AtEvent | LabelEvent | RepoEvent;

/** The canonical JSON text that every text sink writes: v1 text as received, else v1's members in v1's order. */
export function toJson(event: AnyEvent): string {
  switch (event.kind) {
    case "label":
      return JSON.stringify({ time_us: event.time_us, seq: event.seq, kind: event.kind, label: event.label });
    case "repo":
      return JSON.stringify({ did: event.did, time_us: event.time_us, kind: event.kind, repo: event.repo });
    default:
      return event.raw ?? JSON.stringify(toV1(event));
  }
}

/** The object whose text {@link toJson} prints, for events that were not received as v1 text. */
function toV1(event: AtEvent): Record<string, unknown> {
  const { did, time_us, seq, kind, enriched } = event;
  const head = { did, time_us, cursor: seq, kind }; // JSON.stringify leaves out what is absent
  switch (kind) {
    case "commit":
      return { ...head, commit: event.commit, enriched };
    case "identity":
      return { ...head, identity: event.identity, enriched };
    case "account":
      return { ...head, account: event.account, enriched };
    case "sync":
      return { ...head, sync: event.sync };
  }
}

/** What makes an event itself, whatever host or wire it came by. */
export function dedupeKey(event: AnyEvent): string {
  switch (event.kind) {
    case "commit": {
      const c = event.commit;
      return `${event.did}\n${c.collection}\n${c.rkey}\n${c.rev ?? c.cid ?? event.time_us}\n${c.operation}`;
    }
    case "identity":
      return `identity\n${event.did}\n${event.identity.seq ?? event.identity.time ?? event.time_us}`;
    case "account":
      return `account\n${event.did}\n${event.account.seq ?? event.account.time ?? event.time_us}`;
    case "sync":
      return `sync\n${event.did}\n${event.sync.rev}`;
    case "label": {
      const l = event.label;
      return `${l.src}\n${l.uri}\n${l.cid ?? ""}\n${l.val}\n${l.cts}\n${l.neg ?? false}`;
    }
    case "repo":
      return `repo\n${event.did}\n${event.repo.rev ?? ""}`;
  }
}

/** 32 hex digits, equal over restarts, hosts, wires and re-sent overlaps: the start of SHA-256 of {@link dedupeKey}. */
export function eventId(event: AnyEvent): string {
  return createHash("sha256").update(dedupeKey(event)).digest("hex").slice(0, 32);
}

/** `at://did/collection/rkey`: where the record of a commit is. */
export function atUri(event: CommitEvent): string {
  return `at://${event.did}/${event.commit.collection}/${event.commit.rkey}`;
}
