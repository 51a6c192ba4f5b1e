/**
 * The `_id` of documents: it follows from what a document is about alone, so that whatever happens to a record later finds it.
 *
 * @module
 */
import { hash } from "node:crypto";
import type { LabelEvent } from "../../atproto/event.ts";
import { fitsInto } from "../../net/text.ts";

/** Elasticsearch refuses a whole bulk because of one `_id` that has more bytes than this. */
const MAX_ID_BYTES = 512;

/** The `_id` of what has an AT-URI or a DID: that, or `sha256:` and its hash where it is too long. */
export function documentId(uri: string): string {
  return fitsInto(uri, MAX_ID_BYTES) ? uri : `sha256:${hash("sha256", uri)}`;
}

/** The `_id` of a label: the same for its negation, which takes its place. */
export function labelId({ src, uri, cid, val }: LabelEvent["label"]): string {
  return `sha256:${hash("sha256", `${src}\n${uri}\n${cid ?? ""}\n${val}`)}`;
}
