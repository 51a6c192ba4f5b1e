/**
 * Posts as documents of layout `classic`.
 *
 * @module
 */
import type { CommitEvent } from "../../atproto/event.ts";
import { postBasics, type PostOptions } from "../posts.ts";
import { vectorText } from "./floats.ts";

/** What {@link postBody} needs besides the event. */
export interface PostBodyOptions extends PostOptions {
  /** As in the document. */
  readonly indexedAt: string;
}

/**
 * The document of a post that was created or updated, as JSON text.
 *
 * @throws {PoisonError} `bad_record` for a record that is not an object or of another type, `not_finite` for a vector.
 */
export function postBody(event: CommitEvent, options: PostBodyOptions): string {
  const { enrichment, indexedAt } = options;
  const text = JSON.stringify(postBasics(event, options));
  return `${text.slice(0, -1)}${embeddingsText(enrichment?.vectors)},"indexed_at":"${indexedAt}"}`;
}

function embeddingsText(vectors: Readonly<Record<string, Float32Array>> | undefined): string {
  const members = Object.entries(vectors ?? {}).map(([name, vector]) =>
    `${JSON.stringify(name)}:${vectorText(vector)}`
  );
  return members.length === 0 ? "" : `,"embeddings":{${members.join(",")}}`;
}
