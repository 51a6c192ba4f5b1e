/**
 * What an event makes the sink `elasticsearch` do: which documents it writes and deletes, by which id and version.
 *
 * @module
 */
import { type AnyEvent, atUri, type CommitEvent } from "../../atproto/event.ts";
import { timeText } from "./created_at.ts";
import {
  accountBody,
  identityBody,
  labelBody,
  likeBody,
  recordBody,
  relationBody,
  repoBody,
  repostBody,
  tombstoneBody,
} from "./documents.ts";
import { documentId, labelId } from "./ids.ts";
import { isWanted, type Kind, kindOfCollection } from "./kinds.ts";
import type { Enrichment, PostCounters } from "../posts.ts";
import { postBody } from "./posts.ts";
import { commitMicros, RANK, revMicros, versionOf } from "./version.ts";

export type { Enrichment, PostCounters } from "../posts.ts";

/** What is written, and how. */
export interface DocumentOptions {
  /** The kinds to write; undefined: all but `accounts` and `identities`. `posts` brings `post_tombstones` along. */
  readonly documents?: readonly Kind[];
  /** `ignore`: delete events write nothing. */
  readonly deletes: "apply" | "ignore";
  /** The account statuses that purge an account, such as `deleted`; empty: none. */
  readonly purgeAccounts: readonly string[];
  /** The time for `indexed_at`, in milliseconds since 1970; default: `Date.now`. */
  readonly now?: () => number;
  /** What is known about a post besides its record; default: nothing. */
  readonly enrichmentOf?: (event: CommitEvent) => Enrichment | undefined;
  /** Told of what was repaired, cut and left out of posts. */
  readonly counters?: PostCounters;
}

/** One document to write or to delete. */
export interface Write {
  /** Where. */
  readonly kind: Kind;
  /** What to do. */
  readonly action: "index" | "delete";
  /** The `_id`. */
  readonly id: string;
  /** What the document is about: an AT-URI; for accounts, identities and repos the DID; for labels what was labelled. */
  readonly uri: string;
  /** The external version: a positive int64 in decimal digits. */
  readonly version: string;
  /** The document as JSON text, perhaps put together anew each time; only with `index`. */
  readonly body?: string;
}

/** An account whose documents have to go. */
export interface Purge {
  /** Whose. */
  readonly did: string;
  /** The external version of its deletes and tombstones, in decimal digits. */
  readonly version: string;
  /** When the upstream witnessed it, in microseconds since 1970: the tombstones' `deleted_at`. */
  readonly time_us: number;
  /** The account's status. */
  readonly status: string;
}

/**
 * Whether an event leads to anything at all under these options. Those that do not are left out before the sink and counted
 * as filtered.
 */
export function accepts(options: DocumentOptions): (event: AnyEvent) => boolean {
  return (event) => purgeOf(event, options) !== undefined || leadsToWrites(event, options);
}

/**
 * The purge that an event asks for, if it does. It needs no document kind: `purgeAccounts` alone decides. An account that says
 * it is active is not purged, whatever its status.
 */
export function purgeOf(event: AnyEvent, options: DocumentOptions): Purge | undefined {
  if (event.kind !== "account") return undefined;
  const { active, status } = event.account;
  if (active || status === undefined || !options.purgeAccounts.includes(status)) return undefined;
  const { did, time_us } = event;
  return { did, version: versionOf(time_us, RANK.deleted), time_us, status };
}

/**
 * The documents that an event writes and deletes, tombstones first. Empty for a purge and for what {@link accepts} refuses.
 *
 * @throws {PoisonError} `bad_subject`, `bad_record`, `too_deep` (nested deeper than 900 levels) or `not_finite`.
 */
export function toWrites(event: AnyEvent, options: DocumentOptions): readonly Write[] {
  if (!leadsToWrites(event, options) || purgeOf(event, options)) return [];
  const indexedAt = textOfNow((options.now ?? Date.now)());
  switch (event.kind) {
    case "commit":
      return event.commit.operation === "delete"
        ? deletesOf(event, options, indexedAt)
        : [indexOf(event, options, indexedAt)];
    case "account":
      return [stateOf("accounts", event.did, event.time_us, accountBody(event, indexedAt))];
    case "identity":
      return [stateOf("identities", event.did, event.time_us, identityBody(event, indexedAt))];
    case "repo": {
      const us = revMicros(event.repo.rev, event.time_us);
      return [stateOf("repos", event.did, us, repoBody(event, indexedAt))];
    }
    case "label": {
      const version = versionOf(event.time_us, RANK.plain);
      const { label } = event;
      return [{
        kind: "labels",
        action: "index",
        id: labelId(label),
        uri: label.uri,
        version,
        body: labelBody(event, indexedAt),
      }];
    }
    case "sync":
      return [];
  }
}

let lastNow = NaN;
let lastText = "";

/** Most documents of a moment have the same `indexed_at`: formatting it anew would cost half as much as all the rest. */
function textOfNow(now: number): string {
  if (now !== lastNow) {
    lastText = timeText(now * 1000);
    lastNow = now;
  }
  return lastText;
}

function leadsToWrites(event: AnyEvent, { documents, deletes }: DocumentOptions): boolean {
  switch (event.kind) {
    case "commit": {
      const kind = kindOfCollection(event.commit.collection);
      if (event.commit.operation !== "delete") return isWanted(kind, documents);
      if (deletes === "ignore") return false;
      return isWanted(kind, documents) || (kind === "posts" && isWanted("post_tombstones", documents));
    }
    case "account":
      return isWanted("accounts", documents);
    case "identity":
      return isWanted("identities", documents);
    case "label":
      return isWanted("labels", documents);
    case "repo":
      return isWanted("repos", documents);
    case "sync":
      return false;
  }
}

/** The write of what has one document a DID. */
function stateOf(kind: Kind, did: string, us: number, body: string): Write {
  return { kind, action: "index", id: documentId(did), uri: did, version: versionOf(us, RANK.plain), body };
}

/** `_id` and field are to be the same, and `_id` cannot have lone surrogates. */
function uriOf(event: CommitEvent): string {
  return atUri(event).toWellFormed();
}

function indexOf(event: CommitEvent, options: DocumentOptions, indexedAt: string): Write {
  const kind = kindOfCollection(event.commit.collection);
  const uri = uriOf(event);
  const enrichment = kind === "posts" ? options.enrichmentOf?.(event) : undefined;
  const rank = enrichment ? RANK.enriched : RANK.plain;
  const version = versionOf(commitMicros(event), rank);
  const head = { kind, action: "index", id: documentId(uri), uri, version } as const;
  if (kind !== "posts") return { ...head, body: bodyOf(kind, event, uri, indexedAt) };
  const body = postBody(event, { uri, indexedAt, enrichment, counters: options.counters });
  return {
    ...head,
    get body() {
      return body();
    },
  };
}

function bodyOf(kind: Kind, event: CommitEvent, uri: string, indexedAt: string): string {
  switch (kind) {
    case "likes":
      return likeBody(event, uri, indexedAt);
    case "reposts":
      return repostBody(event, uri, indexedAt);
    case "follows":
    case "blocks":
      return relationBody(event, uri, indexedAt);
    default:
      return recordBody(event, uri, indexedAt);
  }
}

function deletesOf(event: CommitEvent, { documents }: DocumentOptions, indexedAt: string): Write[] {
  const kind = kindOfCollection(event.commit.collection);
  const uri = uriOf(event);
  const id = documentId(uri);
  const version = versionOf(commitMicros(event), RANK.deleted);
  const writes: Write[] = [];
  if (kind === "posts" && isWanted("post_tombstones", documents)) {
    const body = tombstoneBody(event, uri, indexedAt);
    writes.push({ kind: "post_tombstones", action: "index", id, uri, version, body });
  }
  if (isWanted(kind, documents)) writes.push({ kind, action: "delete", id, uri, version });
  return writes;
}
