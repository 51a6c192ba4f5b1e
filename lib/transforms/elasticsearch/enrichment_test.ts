import assert from "node:assert/strict";
import fc from "fast-check";
import { SEED } from "../../../tests/support/pipeline_ends.ts";
import type { CommitEvent, Enriched } from "../../atproto/event.ts";
import { CLASSIC_EMBEDDINGS, modelsOf } from "../embeddings/models.ts";
import { vectorCode } from "../embeddings/test_vectors.ts";
import { createPostCounters } from "../posts.ts";
import { enrichmentOf } from "./enrichment.ts";
import { commit, NOW, POST } from "./test_events.ts";
import { toWrites } from "./writes.ts";

const vector = (dims: number, first: number) => Float32Array.from({ length: dims }, (_, i) => (first + i) % 9 / 8);
const L12 = vector(384, 1), L6 = vector(384, 2), MPNET = vector(768, 3), GEMMA = vector(768, 4);
const ALL = {
  text_embeddings: {
    "all-MiniLM-L12-v2": vectorCode(L12),
    "all-MiniLM-L6-v2": vectorCode(L6),
    "all-mpnet-base-v2": vectorCode(MPNET),
  },
  full_text_embeddings: { "google/embeddinggemma-300m": vectorCode(GEMMA) },
};

/** A row of a post with these inferences. */
function row(inferences?: unknown, enriched: Partial<Enriched> = {}): CommitEvent {
  const text = typeof inferences === "string" ? inferences : JSON.stringify(inferences);
  const event = commit({ collection: POST, record: { text: "t" } });
  return { ...event, enriched: { file: "f.db.zip", row: 1, ...(text && { inferences: text }), ...enriched } };
}

/** The fields in a document's `embeddings`, and what was dropped. */
function embeddings(event: CommitEvent, names: readonly string[] = CLASSIC_EMBEDDINGS) {
  const counters = createPostCounters();
  const options = { deletes: "apply", purgeAccounts: [], now: () => NOW, counters } as const;
  const [write] = toWrites(event, { ...options, enrichmentOf: enrichmentOf(modelsOf(names), counters) });
  return { found: JSON.parse(write!.body!).embeddings, dropped: counters.vectorsDropped };
}

Deno.test("M30: the vectors that are asked for", () => {
  const classic = { all_MiniLM_L12_v2: [...L12], all_MiniLM_L6_v2: [...L6] };
  assert.deepEqual(embeddings(row(ALL)), { found: classic, dropped: new Map() });
  assert.deepEqual(embeddings(row(ALL), ["all-MiniLM-L12-v2"]).found, { all_MiniLM_L12_v2: [...L12] });
  const all = { ...classic, all_mpnet_base_v2: [...MPNET], embeddinggemma_300m: [...GEMMA] };
  assert.deepEqual(embeddings(row(ALL), ["all"]).found, all);
});

Deno.test("a model that is not known is found in either place", () => {
  for (const holder of ["text_embeddings", "full_text_embeddings"]) {
    const inferences = {
      text_embeddings: { "org/my-model": null },
      [holder]: { "org/my-model": vectorCode(vector(8, 1)) },
    };
    assert.deepEqual(embeddings(row(inferences), ["org/my-model:8"]).found, { my_model: [...vector(8, 1)] });
  }
});

Deno.test("M31: without a vector that can be used there are no embeddings", () => {
  const without = [undefined, "{", "[]", '"x"', {}, { text_embeddings: [] }, {
    text_embeddings: { "all-MiniLM-L12-v2": null },
  }];
  for (const inferences of without) {
    assert.deepEqual(embeddings(row(inferences)), { found: undefined, dropped: new Map() });
  }
  assert.equal(embeddings(row(ALL), ["none"]).found, undefined);
  const bad = { "all-MiniLM-L12-v2": vectorCode(Float32Array.of(1, 2, 3, 4)), "all-MiniLM-L6-v2": 5 };
  const { found, dropped } = embeddings(row({ text_embeddings: bad }));
  assert.equal(found, undefined);
  assert.deepEqual([...dropped], [
    ["all-MiniLM-L12-v2", new Map([["dims", 1]])],
    ["all-MiniLM-L6-v2", new Map([["type", 1]])],
  ]);
});

Deno.test("one vector that cannot be used does not keep the others, and is counted each time", () => {
  const counters = createPostCounters();
  const enrich = enrichmentOf(modelsOf(CLASSIC_EMBEDDINGS), counters);
  for (const text of ["V", "~~~~~", "", "VE"]) {
    const { vectors } = enrich(row({ text_embeddings: { ...ALL.text_embeddings, "all-MiniLM-L12-v2": text } }))!;
    assert.deepEqual(vectors, { all_MiniLM_L6_v2: L6 });
  }
  assert.deepEqual([...counters.vectorsDropped], [["all-MiniLM-L12-v2", new Map([["base85", 2], ["zlib", 2]])]]);
});

Deno.test("hydration and transcripts; a live event knows nothing of all that", () => {
  const enrich = enrichmentOf([], createPostCounters());
  const known = { root: "at://r", parent: "at://p", quote: "at://q" };
  const video = { audio_transcription: { text: "Good evening.", language: "en", task: "transcribe" } };
  assert.deepEqual(enrich(row({ video }, known)), {
    ...known,
    vectors: {},
    videoTranscript: "Good evening.",
    videoTranscriptLanguage: "en",
  });
  for (const odd of [{}, [], null, { audio_transcription: [] }, { audio_transcription: { text: "", language: 5 } }]) {
    assert.equal(enrich(row({ video: odd }))!.videoTranscript, undefined);
  }
  assert.equal(enrich(commit({ collection: POST, record: {} })), undefined);
});

Deno.test("whatever the inferences are, the row has an enrichment", () => {
  const enrich = enrichmentOf(modelsOf(["all", "x:4"]), createPostCounters());
  const holder = fc.dictionary(fc.constantFrom("all-MiniLM-L12-v2", "x", "google/embeddinggemma-300m"), fc.jsonValue());
  const inferences = fc.oneof(
    fc.string(),
    fc.json(),
    fc.record({ text_embeddings: holder, full_text_embeddings: holder }).map((value) => JSON.stringify(value)),
  );
  fc.assert(
    fc.property(inferences, (text) => assert.deepEqual(enrich(row(text))!.vectors, {})),
    { numRuns: 300, seed: SEED },
  );
});
