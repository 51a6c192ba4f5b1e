import assert from "node:assert/strict";
import { PoisonError } from "../../pipeline/errors.ts";
import { createPostCounters, type Enrichment, type PostCounters } from "../posts.ts";
import { postBody } from "./posts.ts";
import { A, B, commit, NOW_TEXT, POST, S } from "./test_events.ts";

const URI = `at://${A}/${POST}/3m4fxx2ps6222`;
const CREATED = "2025-10-30T12:34:56.789Z";
const ROOT = `at://${B}/${POST}/3m4fxx2222222`, PARENT = S;

/** The document's text for a record. */
function body(record: unknown, enrichment?: Enrichment, counters?: PostCounters): string {
  const event = commit({ collection: POST, record: record as Record<string, unknown> });
  return postBody(event, { uri: URI, indexedAt: NOW_TEXT, enrichment, counters })();
}

/** One field of it. */
function field(name: string, record: Record<string, unknown>, enrichment?: Enrichment): unknown {
  return JSON.parse(body(record, enrichment))[name];
}

const quoting = (uri: unknown) => ({ embed: { $type: "app.bsky.embed.record", record: { uri, cid: "bafy" } } });
const withMedia = (uri: unknown) => ({
  embed: { $type: "app.bsky.embed.recordWithMedia", record: { record: { uri } }, media: {} },
});

Deno.test("E11, E13: a post without thread, quote and vectors has none of these fields", () => {
  const record = { $type: POST, text: "Grüße 👋\n", createdAt: CREATED, langs: ["de"], facets: [] };
  const head = `{"at_uri":"${URI}","author_did":"${A}","content":"Grüße 👋\\n","created_at":"${CREATED}"`;
  assert.equal(body(record), `${head},"indexed_at":"${NOW_TEXT}"}`);
  for (const vectors of [{}, undefined]) {
    assert.equal(body(record, vectors && { vectors }), `${head},"indexed_at":"${NOW_TEXT}"}`);
  }
});

Deno.test("E11, E79: a post with everything, keys in their order", () => {
  const reply = { root: { uri: ROOT, cid: "x" }, parent: { uri: PARENT, cid: "y" } };
  const record = { $type: POST, text: "t", createdAt: "2025-10-30T14:34:56+02:00", reply, ...quoting(S) };
  const vectors = { all_MiniLM_L12_v2: Float32Array.of(0.1, -0.5), all_MiniLM_L6_v2: Float32Array.of(1, 0.25) };
  assert.equal(
    body(record, { vectors }),
    `{"at_uri":"${URI}","author_did":"${A}","content":"t","created_at":"2025-10-30T14:34:56+02:00",` +
      `"thread_root_post":"${ROOT}","thread_parent_post":"${PARENT}","quote_post":"${S}",` +
      `"embeddings":{"all_MiniLM_L12_v2":[0.1,-0.5],"all_MiniLM_L6_v2":[1,0.25]},"indexed_at":"${NOW_TEXT}"}`,
  );
});

Deno.test("E79: a post without text has empty content", () => {
  for (const text of [undefined, "", 5, null, ["a"]]) assert.equal(field("content", { text }), "");
});

Deno.test("thread and quote: the record's word comes before hydration's", () => {
  const known = { root: "at://h/r/1", parent: "at://h/p/2", quote: "at://h/q/3" };
  const reply = { root: { uri: ROOT }, parent: { uri: PARENT } };
  const names = ["thread_root_post", "thread_parent_post", "quote_post"];
  const read = (record: Record<string, unknown>) => names.map((name) => field(name, record, known));
  assert.deepEqual(read({ reply, ...quoting(S) }), [ROOT, PARENT, S]);
  assert.deepEqual(read({}), ["at://h/r/1", "at://h/p/2", "at://h/q/3"]);
  for (const odd of ["", 5, null, {}, []]) {
    assert.deepEqual(read({ reply: { root: { uri: odd }, parent: odd }, ...quoting(odd) }), Object.values(known));
    assert.deepEqual(read({ reply: odd, embed: odd }), Object.values(known));
  }
});

Deno.test("quotes are posts, embedded alone or with media", () => {
  assert.equal(field("quote_post", quoting(S)), S);
  assert.equal(field("quote_post", withMedia(S)), S);
  const list = `at://${B}/app.bsky.graph.list/3m4fxx2flkc2p`;
  for (
    const record of [quoting(list), withMedia(list), quoting("https://x/app.bsky.feed.post/1"), {
      embed: { record: {} },
    }]
  ) {
    assert.equal(field("quote_post", record), undefined);
  }
  assert.equal(field("quote_post", { embed: { ...quoting(S).embed, $type: "app.bsky.embed.images" } }), undefined);
});

Deno.test("E16: a quote_post of 9,000 characters is kept", () => {
  const uri = `at://${B}/${POST}/`.padEnd(9000, "r");
  assert.equal(field("quote_post", quoting(uri)), uri);
});

Deno.test("strings above 32 KiB are cut at a code point and counted, lone surrogates replaced", () => {
  const counters = createPostCounters();
  const limit = 32 * 1024;
  const read = (text: string) => JSON.parse(body({ text }, undefined, counters)).content;
  assert.equal(read("a".repeat(limit)), "a".repeat(limit));
  assert.equal(counters.truncatedFields, 0);
  assert.equal(read("a".repeat(limit - 2) + "é"), "a".repeat(limit - 2) + "é");
  assert.equal(read("a".repeat(limit - 1) + "é"), "a".repeat(limit - 1));
  assert.equal(read("a".repeat(limit - 3) + "\u{1f600}"), "a".repeat(limit - 3));
  assert.equal(read("\ud800".repeat(limit)), "\ufffd".repeat(Math.floor(limit / 3)));
  assert.equal(counters.truncatedFields, 3);
  assert.equal(read("a\udc00b\ud83d\ude00"), "a\ufffdb\u{1f600}");
  body({ reply: { root: { uri: "r".repeat(limit + 1) } } }, undefined, counters);
  assert.equal(counters.truncatedFields, 4);
});

Deno.test("times that are not as their authors wrote them are counted", () => {
  const counters = createPostCounters();
  for (const createdAt of [CREATED, "2025-10-30 12:34:56", "2025-10-30", "yesterday", 5, undefined]) {
    body({ createdAt }, undefined, counters);
  }
  assert.deepEqual(counters.createdAt, { repaired: 2, fallback: 3 });
});

Deno.test("a record that is no post is refused", () => {
  const refused = (reason: string) => (error: unknown) => error instanceof PoisonError && error.reason === reason;
  for (const record of [undefined, null, "text", 5, [], { $type: "app.bsky.feed.like" }, { $type: null }]) {
    assert.throws(() => body(record), refused("bad_record"));
  }
  const options = { uri: URI, indexedAt: NOW_TEXT, enrichment: { vectors: { m: Float32Array.of(0.5, NaN) } } };
  assert.throws(() => postBody(commit({ collection: POST, record: {} }), options), refused("not_finite"));
});
