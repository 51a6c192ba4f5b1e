/**
 * Which post a row is about.
 *
 * @module
 */
import { isDid } from "../../atproto/syntax.ts";
import { textOrNone } from "../../net/text.ts";
import { PoisonError } from "../../pipeline/errors.ts";

/** The one collection that Megastream files are about. */
export const POSTS = "app.bsky.feed.post";

/** What a row says in several places, as it says it. */
export interface Places {
  /** Column `at_uri`; undefined where it is NULL or empty. */
  readonly uri: string | undefined;
  /** Column `did`, likewise. */
  readonly did: string | undefined;
  /** `message` of `raw_post`. */
  readonly message: Readonly<Record<string, unknown>>;
  /** `message.commit`. */
  readonly commit: Readonly<Record<string, unknown>>;
}

/** A post's author and key. */
export interface PostName {
  readonly did: string;
  readonly rkey: string;
}

const AT_URI = /^at:\/\/([^/]+)\/([^/]+)\/([^/]+)$/;
/** https://atproto.com/specs/record-key */
const RECORD_KEY = /^(?!\.\.?$)[a-zA-Z0-9._:~-]{1,512}$/;

/** The collection that a row is about: the commit's, else the URI's; undefined where neither tells one. */
export function collectionOf({ uri, commit }: Places): string | undefined {
  return textOrNone(commit.collection) ?? (uri === undefined ? undefined : AT_URI.exec(uri)?.[2]);
}

/**
 * The post that a row is about. The URI's word counts; a row without one must name all of its parts.
 *
 * @throws {PoisonError} `no_uri`, `bad_uri`, or `uri_mismatch` where another place names another post.
 */
export function postNameOf({ uri, did, message, commit }: Places): PostName {
  const [, author = "", collection, rkey = ""] = AT_URI.exec(uri ?? builtUri(message, commit)) ?? [];
  if (collection !== POSTS || !isDid(author) || !RECORD_KEY.test(rkey)) {
    throw new PoisonError("bad_uri", `Cannot read row: its URI is not at://DID/${POSTS}/RKEY`);
  }
  const contradicts = (other: unknown, word: string) => !isAbsent(other) && other !== word;
  if (contradicts(did, author) || contradicts(message.did, author) || contradicts(commit.rkey, rkey)) {
    throw new PoisonError("uri_mismatch", "Cannot read row: its URI names another post than its did or rkey");
  }
  return { did: author, rkey };
}

function builtUri(message: Places["message"], commit: Places["commit"]): string {
  const parts = [message.did, commit.collection, commit.rkey].map(textOrNone);
  if (parts.includes(undefined)) {
    throw new PoisonError("no_uri", "Cannot read row: it has no URI, and message lacks the parts to build it of");
  }
  return `at://${parts.join("/")}`;
}

/** Whether a place says nothing. */
export function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === "";
}
