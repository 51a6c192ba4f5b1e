import assert from "node:assert/strict";
import { KINDS } from "./kinds.ts";
import { indexBody } from "./mappings.ts";

const kw = { type: "keyword", ignore_above: 8191 };
const date = { type: "date" };
const settings = { index: { number_of_shards: 1, number_of_replicas: 1, gc_deletes: "1h" } };

Deno.test("the index of likes, where at_uri is another name of uri", () => {
  assert.deepEqual(indexBody("likes", { vectors: "searchable" }), {
    settings,
    mappings: {
      dynamic: false,
      properties: {
        uri: kw,
        subject_uri: kw,
        author_did: kw,
        at_uri: { type: "alias", path: "uri" },
        created_at: date,
        indexed_at: date,
      },
    },
  });
});

Deno.test("the index of posts, with searchable vectors", () => {
  const vector = { type: "dense_vector", dims: 384, index: true, similarity: "cosine" };
  assert.deepEqual(indexBody("posts", { vectors: "searchable" }), {
    settings: {
      index: {
        ...settings.index,
        analysis: { analyzer: { content_analyzer: { type: "standard", stopwords: "_english_" } } },
      },
    },
    mappings: {
      dynamic: false,
      properties: {
        ...{ at_uri: kw, author_did: kw, thread_root_post: kw, thread_parent_post: kw, quote_post: kw },
        ...{ created_at: date, indexed_at: date },
        content: { type: "text", analyzer: "content_analyzer", fields: { raw: kw } },
        embeddings: {
          type: "object",
          dynamic: false,
          properties: { all_MiniLM_L12_v2: vector, all_MiniLM_L6_v2: vector },
        },
      },
    },
  });
});

Deno.test("stored vectors of other models, shards and replicas", () => {
  const { settings, mappings } = indexBody("posts", {
    vectors: "stored",
    embeddings: { embeddinggemma_300m: 768 },
    shards: 3,
    replicas: 0,
  });
  const { analysis: _, ...index } = settings.index as Record<string, unknown>;
  assert.deepEqual(index, { number_of_shards: 3, number_of_replicas: 0, gc_deletes: "1h" });
  assert.deepEqual((mappings.properties as Record<string, unknown>).embeddings, {
    type: "object",
    dynamic: false,
    properties: {
      all_MiniLM_L12_v2: { type: "dense_vector", dims: 384, index: false },
      all_MiniLM_L6_v2: { type: "dense_vector", dims: 384, index: false },
      embeddinggemma_300m: { type: "dense_vector", dims: 768, index: false },
    },
  });
});

Deno.test("every kind has fields for its document, keywords for names and dates for times", () => {
  const fields = Object.fromEntries(KINDS.map((kind) => {
    const { settings: found, mappings } = indexBody(kind, { vectors: "stored" });
    assert.equal(mappings.dynamic, false);
    if (kind !== "posts") assert.deepEqual(found, settings);
    return [kind, mappings.properties as Record<string, unknown>];
  }));
  const dates = { created_at: date, indexed_at: date };
  const active = { type: "boolean" };
  assert.deepEqual(fields.post_tombstones, { at_uri: kw, author_did: kw, deleted_at: date, indexed_at: date });
  assert.deepEqual(fields.reposts, { at_uri: kw, subject_uri: kw, author_did: kw, ...dates });
  for (const kind of ["follows", "blocks"]) {
    assert.deepEqual(fields[kind], { at_uri: kw, author_did: kw, subject_did: kw, ...dates });
  }
  const record = { type: "object", enabled: false };
  const names = { collection: kw, rkey: kw, cid: kw, rev: kw };
  assert.deepEqual(fields.records, { at_uri: kw, author_did: kw, ...names, ...dates, record });
  assert.deepEqual(fields.accounts, { did: kw, active, status: kw, event_at: date, indexed_at: date });
  assert.deepEqual(fields.identities, { did: kw, handle: kw, event_at: date, indexed_at: date });
  const label = { src: kw, uri: kw, cid: kw, val: kw, neg: { type: "boolean" }, cts: date, exp: date };
  assert.deepEqual(fields.labels, { ...label, indexed_at: date });
  const repo = { did: kw, host: kw, head: kw, rev: kw, active, status: kw, listed_at: date };
  assert.deepEqual(fields.repos, { ...repo, indexed_at: date });
});
