/**
 * Rows of Megastream files beside live events of the same posts.
 *
 * @module
 */
import { deepEqual, equal } from "node:assert/strict";
import type { CommitEvent } from "../../lib/atproto/event.ts";
import { enrichmentOf } from "../../lib/transforms/elasticsearch/enrichment.ts";
import { CLASSIC_EMBEDDINGS, modelsOf } from "../../lib/transforms/embeddings/models.ts";
import { vectorCode } from "../../lib/transforms/embeddings/test_vectors.ts";
import { createPostCounters } from "../../lib/transforms/posts.ts";
import { type EventOptions, openSink, post, START_US, uriOf, write } from "../support/elasticsearch_events.ts";
import { memoryElasticsearch } from "../support/memory_elasticsearch.ts";
import { scriptedElasticsearch } from "../support/scripted_elasticsearch.ts";

const VECTOR = Float32Array.from({ length: 384 }, (_, i) => (i % 7) / 8);
const KEY = "all-MiniLM-L12-v2";
/** A rev of the time at which events are. */
const REV = "3mptyfqv22222";
const SAME = { rejected: [], duplicates: 0 };

/** A store, and a sink that takes vectors of files. */
async function setUp() {
  const memory = memoryElasticsearch();
  const server = await scriptedElasticsearch(memory.script);
  const counters = createPostCounters();
  const documents = {
    deletes: "apply",
    purgeAccounts: [],
    enrichmentOf: enrichmentOf(modelsOf(CLASSIC_EMBEDDINGS), counters),
    counters,
  } as const;
  const sink = await openSink(server.url, { documents });
  return {
    sink,
    /** The only document. */
    document() {
      equal(memory.documents.size, 1);
      return memory.documents.get(`posts/${uriOf(post())}`)!;
    },
    async [Symbol.asyncDispose]() {
      await sink[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** A live post. */
function live(options: EventOptions = {}): CommitEvent {
  const event = post(options);
  return { ...event, commit: { ...event.commit, rev: REV } };
}

/** The row of a file for the same post. */
function row(number: number, vector: unknown, options: EventOptions = {}): CommitEvent {
  const inferences = JSON.stringify({ text_embeddings: { [KEY]: vector } });
  return {
    ...live(options),
    enriched: { file: "f.db.zip", row: number, created_at: "2026-07-04 14:39:00", inferences },
  };
}

Deno.test("E80: a live post, its row in a file, the live post again: one document with vectors", async () => {
  await using it = await setUp();
  deepEqual(await write(it.sink, live()), SAME);
  equal(it.document()["embeddings"], undefined);
  deepEqual(await write(it.sink, row(1, vectorCode(VECTOR))), SAME);
  const enriched = it.document();
  deepEqual(enriched["embeddings"], { all_MiniLM_L12_v2: [...VECTOR] });
  deepEqual(await write(it.sink, live()), SAME);
  deepEqual(it.document(), enriched);
  equal(it.sink.figures().superseded, 1);
});

Deno.test("E80: the same in one batch, in every order", async () => {
  for (const order of [["live", "row", "live"], ["row", "live", "live"], ["live", "live", "row"]]) {
    await using it = await setUp();
    const events = order.map((each) => each === "live" ? live() : row(1, vectorCode(VECTOR)));
    deepEqual(await write(it.sink, ...events), { rejected: [], duplicates: 2 });
    deepEqual(it.document()["embeddings"], { all_MiniLM_L12_v2: [...VECTOR] });
  }
});

Deno.test("M37: duplicates in a file are one document with the last row's content", async () => {
  const first = row(1, vectorCode(VECTOR), { record: { text: "first" } });
  const last = row(2, vectorCode(VECTOR.map((x) => x / 2)), { record: { text: "last" } });
  const batches = [[[first, last]], [[first], [last]]];
  for (const [i, rows] of batches.entries()) {
    await using it = await setUp();
    let duplicates = 0;
    for (const batch of rows) duplicates += (await write(it.sink, ...batch)).duplicates ?? 0;
    equal(duplicates, i === 0 ? 1 : 0);
    equal(it.document()["content"], "last");
    deepEqual(it.document()["embeddings"], { all_MiniLM_L12_v2: [...VECTOR.map((x) => x / 2)] });
  }
});

Deno.test("M37: the same of rows without rev, which differ in when they were enriched", async () => {
  const override = (number: number, text: string, created_at: string): CommitEvent => {
    const { commit: { rev: _, ...commit }, enriched, ...event } = row(number, undefined, { record: { text } });
    return { ...event, commit, enriched: { ...enriched!, created_at } };
  };
  await using it = await setUp();
  await write(it.sink, override(1, "first", "2026-07-04 14:39:00"));
  await write(it.sink, override(2, "last", "2026-07-04 14:41:00"));
  equal(it.document()["content"], "last");
});

Deno.test("a row from which a vector is missing says so in the sink's figures, and is written", async () => {
  await using it = await setUp();
  await write(it.sink, row(1, "V", { record: { createdAt: "2026-07-04", text: "x".repeat(40_000) } }));
  await write(it.sink, row(2, vectorCode(Float32Array.of(1)), { record: { createdAt: "?" } }));
  equal(it.document()["embeddings"], undefined);
  equal(it.document()["created_at"], new Date(START_US / 1000).toISOString());
  deepEqual(it.sink.figures(), {
    superseded: 0,
    vectors_dropped: { [KEY]: { base85: 1, dims: 1 } },
    truncated_fields: 1,
    created_at: { repaired: 1, fallback: 1 },
  });
});
