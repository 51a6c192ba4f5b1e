/**
 * Documents of every kind but posts, as JSON text. The order of their keys is part of their form.
 *
 * @module
 */
import type { AccountEvent, CommitEvent, IdentityEvent, LabelEvent, RepoEvent } from "../../atproto/event.ts";
import { fitsInto, textOrNone } from "../../net/text.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { parseCreatedAt, timeText } from "./created_at.ts";
import { memberOf, recordOf } from "./values.ts";

const MAX_URI_BYTES = 8192, MAX_DID_BYTES = 2048;
/** Elasticsearch refuses what is nested deeper than 1,000 levels. */
const MAX_LEVELS = 900;

/**
 * A like.
 *
 * @throws {PoisonError} `bad_record`, `bad_subject`.
 */
export function likeBody(event: CommitEvent, uri: string, indexedAt: string): string {
  const record = recordOf(event);
  return JSON.stringify({
    uri,
    subject_uri: subjectUri(record),
    author_did: event.did,
    created_at: parseCreatedAt(record.createdAt, event.time_us).text,
    indexed_at: indexedAt,
  });
}

/**
 * A repost.
 *
 * @throws {PoisonError} `bad_record`, `bad_subject`.
 */
export function repostBody(event: CommitEvent, uri: string, indexedAt: string): string {
  const record = recordOf(event);
  return JSON.stringify({
    at_uri: uri,
    subject_uri: subjectUri(record),
    author_did: event.did,
    created_at: parseCreatedAt(record.createdAt, event.time_us).text,
    indexed_at: indexedAt,
  });
}

/**
 * A follow or a block.
 *
 * @throws {PoisonError} `bad_record`, `bad_subject`.
 */
export function relationBody(event: CommitEvent, uri: string, indexedAt: string): string {
  const record = recordOf(event);
  return JSON.stringify({
    at_uri: uri,
    author_did: event.did,
    subject_did: subjectDid(record),
    created_at: parseCreatedAt(record.createdAt, event.time_us).text,
    indexed_at: indexedAt,
  });
}

/**
 * A record of any other collection. `createdAt` is taken only where it is a time: other lexicons mean other things by it.
 *
 * @throws {PoisonError} `bad_record`, `too_deep`, `not_finite`.
 */
export function recordBody(event: CommitEvent, uri: string, indexedAt: string): string {
  const { collection, rkey, cid, rev } = event.commit;
  const record = recordOf(event);
  checkValues(record);
  const created = parseCreatedAt(record.createdAt, event.time_us);
  return JSON.stringify({
    at_uri: uri,
    author_did: event.did,
    collection,
    rkey,
    cid: textOrNone(cid),
    rev: textOrNone(rev),
    created_at: created.flag === "fallback" ? undefined : created.text,
    indexed_at: indexedAt,
    record,
  });
}

/** What is left of a deleted post. */
export function tombstoneBody(event: CommitEvent, uri: string, indexedAt: string): string {
  return JSON.stringify({
    at_uri: uri,
    author_did: event.did,
    deleted_at: timeText(event.time_us),
    indexed_at: indexedAt,
  });
}

/** The state of an account. */
export function accountBody({ did, account, time_us }: AccountEvent, indexedAt: string): string {
  return JSON.stringify({
    did,
    active: account.active,
    status: textOrNone(account.status),
    event_at: timeText(time_us),
    indexed_at: indexedAt,
  });
}

/** The identity of an account. */
export function identityBody({ did, identity, time_us }: IdentityEvent, indexedAt: string): string {
  return JSON.stringify({
    did,
    handle: textOrNone(identity.handle),
    event_at: timeText(time_us),
    indexed_at: indexedAt,
  });
}

/** A label, or its negation. */
export function labelBody({ label, time_us }: LabelEvent, indexedAt: string): string {
  const expiry = parseCreatedAt(label.exp, time_us);
  return JSON.stringify({
    src: label.src,
    uri: label.uri,
    cid: textOrNone(label.cid),
    val: label.val,
    neg: label.neg === true,
    cts: parseCreatedAt(label.cts, time_us).text,
    exp: expiry.flag === "fallback" ? undefined : expiry.text,
    indexed_at: indexedAt,
  });
}

/** A repo of a list. */
export function repoBody({ did, repo, origin, time_us }: RepoEvent, indexedAt: string): string {
  return JSON.stringify({
    did,
    host: origin.host,
    head: textOrNone(repo.head),
    rev: textOrNone(repo.rev),
    active: typeof repo.active === "boolean" ? repo.active : undefined,
    status: textOrNone(repo.status),
    listed_at: timeText(time_us),
    indexed_at: indexedAt,
  });
}

function subjectUri(record: Readonly<Record<string, unknown>>): string {
  const uri = memberOf(record.subject, "uri");
  if (typeof uri === "string" && uri.startsWith("at://") && fitsInto(uri, MAX_URI_BYTES)) return uri.toWellFormed();
  throw new PoisonError(
    "bad_subject",
    `Cannot write record: subject.uri is no at:// URI of ${MAX_URI_BYTES} bytes or less`,
  );
}

function subjectDid({ subject }: Readonly<Record<string, unknown>>): string {
  const isDid = typeof subject === "string" && subject.startsWith("did:") && fitsInto(subject, MAX_DID_BYTES);
  if (isDid) return subject.toWellFormed();
  throw new PoisonError("bad_subject", `Cannot write record: subject is no DID of ${MAX_DID_BYTES} bytes or less`);
}

/** Level by level, as a record may be nested deeper than a call stack. */
function checkValues(record: object): void {
  let level: object[] = [record];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MAX_LEVELS) {
      throw new PoisonError("too_deep", `Cannot write record: it is nested deeper than ${MAX_LEVELS} levels`);
    }
    const next: object[] = [];
    for (const node of level) {
      for (const value of Object.values(node)) {
        if (typeof value === "object" && value !== null) next.push(value);
        else if (typeof value === "number" && !Number.isFinite(value)) {
          throw new PoisonError("not_finite", `Cannot write record: it contains ${value}`);
        }
      }
    }
    level = next;
  }
}
