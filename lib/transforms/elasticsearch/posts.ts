/**
 * Posts as documents of layout `classic`.
 *
 * @module
 */
import type { CommitEvent } from "../../atproto/event.ts";
import { postBasics, type PostOptions } from "../posts.ts";
import { checkFinite, vectorText } from "./floats.ts";

/** What {@link postBody} needs besides the event. */
export interface PostBodyOptions extends PostOptions {
  /** As in the document. */
  readonly indexedAt: string;
}

/**
 * The document of a post that was created or updated: answers what puts its JSON text together. With vectors that text is long and quickly
 * made, so thousands of posts that are on their way do better without it.
 *
 * @throws {PoisonError} `bad_record` for a record that is not an object or of another type, `not_finite` for a vector.
 */
export function postBody(event: CommitEvent, options: PostBodyOptions): () => string {
  const { enrichment, indexedAt } = options;
  const text = JSON.stringify(postBasics(event, options)).slice(0, -1);
  const vectors = Object.entries(enrichment?.vectors ?? {});
  for (const [, vector] of vectors) checkFinite(vector);
  return () => `${text}${embeddingsText(vectors)},"indexed_at":"${indexedAt}"}`;
}

function embeddingsText(vectors: readonly (readonly [string, Float32Array])[]): string {
  const members = vectors.map(([name, vector]) => `${JSON.stringify(name)}:${vectorText(vector)}`);
  return members.length === 0 ? "" : `,"embeddings":{${members.join(",")}}`;
}
