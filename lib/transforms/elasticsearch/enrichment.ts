/**
 * What a Megastream row knows of a post, for its document.
 *
 * @module
 */
import type { CommitEvent } from "../../atproto/event.ts";
import { textOrNone } from "../../net/text.ts";
import { decodeVector, type VectorFault } from "../embeddings/codec.ts";
import type { Model } from "../embeddings/models.ts";
import type { Enrichment, PostCounters } from "../posts.ts";
import { memberOf } from "./values.ts";

/**
 * Finds out what is known of a post. Whatever its inferences are, it never throws: vectors that cannot be used are left out.
 *
 * @param models Whose vectors are wanted.
 * @param counters Told of the vectors that are left out.
 * @returns `undefined` for what does not come from a file.
 */
export function enrichmentOf(
  models: readonly Model[],
  counters: Pick<PostCounters, "vectorsDropped">,
): (event: CommitEvent) => Enrichment | undefined {
  const onDropped = (model: string, reason: VectorFault) => {
    const reasons = counters.vectorsDropped.get(model) ?? new Map<VectorFault, number>();
    counters.vectorsDropped.set(model, reasons.set(reason, (reasons.get(reason) ?? 0) + 1));
  };
  return ({ enriched }) => {
    if (enriched === undefined) return undefined;
    const { root, parent, quote } = enriched;
    const inferences = parsed(enriched.inferences);
    const transcription = memberOf(memberOf(inferences, "video"), "audio_transcription");
    return {
      root,
      parent,
      quote,
      vectors: vectorsOf(inferences, models, onDropped),
      videoTranscript: textOrNone(memberOf(transcription, "text")),
      videoTranscriptLanguage: textOrNone(memberOf(transcription, "language")),
    };
  };
}

function parsed(inferences: string | undefined): unknown {
  if (inferences === undefined) return undefined;
  try {
    return JSON.parse(inferences);
  } catch {
    return undefined;
  }
}

function vectorsOf(
  inferences: unknown,
  models: readonly Model[],
  onDropped: (model: string, reason: VectorFault) => void,
): Record<string, Float32Array> {
  const vectors: Record<string, Float32Array> = {};
  for (const { key, dims, field, holders } of models) {
    const texts = holders.map((holder) => memberOf(memberOf(inferences, holder), key));
    const text = texts.find((each) => each !== undefined && each !== null);
    if (text === undefined) continue;
    const decoded = decodeVector(text, dims);
    if ("vector" in decoded) vectors[field] = decoded.vector;
    else onDropped(key, decoded.reason);
  }
  return vectors;
}
