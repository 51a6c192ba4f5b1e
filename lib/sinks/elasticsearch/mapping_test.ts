import assert from "node:assert/strict";
import { compareMappings } from "./mapping.ts";

const vector = { type: "dense_vector", dims: 384, similarity: "cosine" };
const kw = { type: "keyword", ignore_above: 8191 };
const wanted = {
  dynamic: "false",
  properties: {
    author_did: kw,
    content: { type: "text", analyzer: "content_analyzer", fields: { raw: kw } },
    embeddings: { type: "object", dynamic: false, properties: { small: vector } },
  },
};

Deno.test("a mapping equals itself, in the server's spelling and with fields of others", () => {
  const same = { conflicts: [], additions: undefined, kept: [] };
  assert.deepEqual(compareMappings(wanted, wanted), same);
  const { embeddings: _, ...fields } = wanted.properties;
  const more = { index_options: { type: "int8_hnsw" }, index: true };
  const spelt = {
    dynamic: "false",
    properties: {
      ...fields,
      mine: { type: "long" },
      embeddings: { dynamic: "false", properties: { small: { ...vector, ...more } } },
    },
  };
  assert.deepEqual(compareMappings(wanted, spelt), same);
});

Deno.test("fields that are missing are added, and nothing but them", () => {
  const found = {
    properties: {
      content: { type: "text", analyzer: "content_analyzer" },
      embeddings: { dynamic: "false", properties: {} },
    },
  };
  assert.deepEqual(compareMappings(wanted, found), {
    conflicts: [],
    kept: [],
    additions: {
      author_did: kw,
      content: { type: "text", analyzer: "content_analyzer", fields: { raw: kw } },
      embeddings: { dynamic: "false", properties: { small: vector } },
    },
  });
  assert.deepEqual(compareMappings(wanted, {}).additions, wanted.properties);
  const longer = { properties: { ...wanted.properties, author_did: { type: "keyword" } } };
  assert.deepEqual(compareMappings(wanted, longer).additions, { author_did: kw });
});

Deno.test("another type is a conflict, other settings of a field are kept", () => {
  const found = {
    properties: {
      author_did: { type: "text" },
      content: { type: "text", fields: { raw: { ...kw, type: "wildcard" } } },
      embeddings: { properties: { small: { ...vector, dims: 3, index: false } } },
    },
  };
  const { conflicts, kept } = compareMappings(wanted, found);
  assert.deepEqual(conflicts, [
    { field: "author_did", found: "text", wanted: "keyword" },
    { field: "content.raw", found: "wildcard", wanted: "keyword" },
    { field: "embeddings.small", found: "dense_vector of 3 dims", wanted: "dense_vector of 384 dims" },
  ]);
  assert.deepEqual(kept, ["content.analyzer", "embeddings.dynamic"]);
});
