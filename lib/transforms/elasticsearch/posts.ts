/**
 * Posts as documents.
 *
 * @module
 */
import type { CommitEvent } from "../../atproto/event.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { parseCreatedAt } from "./created_at.ts";
import { vectorText } from "./floats.ts";
import { cutTo, memberOf, recordOf, textOrNone } from "./values.ts";

/** What hydration and inference found out about a post. */
export interface Enrichment {
  /** URI of the post that the thread began with. */
  readonly root?: string;
  /** URI of the post that was answered. */
  readonly parent?: string;
  /** URI of the post that was quoted. */
  readonly quote?: string;
  /** Vectors by the name of their field in `embeddings`, such as `all_MiniLM_L12_v2`. */
  readonly vectors?: Readonly<Record<string, Float32Array>>;
}

/** What {@link postBody} needs besides the event. */
export interface PostBodyOptions {
  /** The post's AT-URI. */
  readonly uri: string;
  /** As in the document. */
  readonly indexedAt: string;
  /** Stands in for what the record does not say. */
  readonly enrichment?: Enrichment | undefined;
  /** Told of each string that was cut, by its field's name. */
  readonly onTruncated?: ((field: string) => void) | undefined;
}

const COLLECTION = "app.bsky.feed.post";
const POST_URI = /^at:\/\/[^/]+\/app\.bsky\.feed\.post\//;
const MAX_FIELD_BYTES = 32 * 1024;

/**
 * The document of a post that was created or updated, as JSON text.
 *
 * @throws {PoisonError} `bad_record` for a record that is not an object or of another type, `not_finite` for a vector.
 */
export function postBody(event: CommitEvent, options: PostBodyOptions): string {
  const record = recordOf(event);
  if (record.$type !== undefined && record.$type !== COLLECTION) {
    throw new PoisonError("bad_record", `Cannot write post: $type of its record is not ${COLLECTION}`);
  }
  const { uri, indexedAt, enrichment, onTruncated } = options;
  const field = (name: string, text: string | undefined) => text === undefined ? text : clean(name, text, onTruncated);
  const text = JSON.stringify({
    at_uri: uri,
    author_did: event.did,
    content: field("content", textOrNone(record.text)) ?? "",
    created_at: parseCreatedAt(record.createdAt, event.time_us).text,
    thread_root_post: field("thread_root_post", uriIn(record.reply, "root") ?? enrichment?.root),
    thread_parent_post: field("thread_parent_post", uriIn(record.reply, "parent") ?? enrichment?.parent),
    quote_post: field("quote_post", quotedPost(record.embed) ?? enrichment?.quote),
  });
  return `${text.slice(0, -1)}${embeddingsText(enrichment?.vectors)},"indexed_at":"${indexedAt}"}`;
}

/** A string of a record as a field: without lone surrogates, which no UTF-8 can hold, and of bounded length. */
function clean(name: string, text: string, onTruncated?: (field: string) => void): string {
  const cut = cutTo(text, MAX_FIELD_BYTES);
  if (cut.length < text.length) onTruncated?.(name);
  return cut.toWellFormed();
}

function uriIn(value: unknown, name: string): string | undefined {
  return textOrNone(memberOf(memberOf(value, name), "uri"));
}

/** The URI that a record quotes, if it is a post's: feeds, lists and starter packs are embedded in the same way. */
function quotedPost(embed: unknown): string | undefined {
  const type = memberOf(embed, "$type");
  let quoted: string | undefined;
  if (type === "app.bsky.embed.record") quoted = uriIn(embed, "record");
  else if (type === "app.bsky.embed.recordWithMedia") quoted = uriIn(memberOf(embed, "record"), "record");
  return quoted !== undefined && POST_URI.test(quoted) ? quoted : undefined;
}

function embeddingsText(vectors: Readonly<Record<string, Float32Array>> | undefined): string {
  const members = Object.entries(vectors ?? {}).map(([name, vector]) =>
    `${JSON.stringify(name)}:${vectorText(vector)}`
  );
  return members.length === 0 ? "" : `,"embeddings":{${members.join(",")}}`;
}
