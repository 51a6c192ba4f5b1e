import assert from "node:assert/strict";
import fc from "fast-check";
import { SEED } from "../../tests/support/pipeline_ends.ts";
import type { Enriched } from "../atproto/event.ts";
import { PoisonError } from "../pipeline/errors.ts";
import { A, B, commit, POST, S } from "./elasticsearch/test_events.ts";
import { createPostCounters, type Enrichment, type PostFields, postFields } from "./posts.ts";

const URI = `at://${A}/${POST}/3m4fxx2ps6222`;
const CREATED = "2025-10-30T12:34:56.789Z";
const ROOT = `at://${B}/${POST}/3m4fxx2222222`;
/** What every post has that embeds nothing. */
const NO_MEDIA = { contains_images: false, contains_video: false, image_count: 0, video_count: 0, media_count: 0 };

/** The fields of a record. */
function read(record: unknown, enrichment?: Enrichment, enriched?: Enriched): PostFields {
  const event = commit({ collection: POST, record: record as Record<string, unknown> });
  return postFields({ ...event, ...(enriched && { enriched }) }, { uri: URI, enrichment });
}

const blob = (cid: string, mimeType: string, size: number) => ({ $type: "blob", ref: { $link: cid }, mimeType, size });
const image = (cid: string, size: number, more: object = {}) => ({
  alt: "",
  image: blob(cid, "image/jpeg", size),
  ...more,
});
const images = (...list: object[]) => ({ $type: "app.bsky.embed.images", images: list });
const video = (more: object = {}) => ({
  $type: "app.bsky.embed.video",
  video: blob("bafvideo", "video/mp4", 15_000_000),
  ...more,
});
const external = (external: object) => ({ $type: "app.bsky.embed.external", external });
const quoting = (uri: string) => ({ $type: "app.bsky.embed.record", record: { uri, cid: "bafy" } });
const item = (cid: string, size: number) => ({
  ...{ id: cid, media_type: "image", mime_type: "image/jpeg", size },
  ...{ width: 0, height: 0, aspect_ratio: 0 },
});

Deno.test("M22: a post of words alone has no field for anything else", () => {
  assert.deepEqual(read({ text: "words", createdAt: CREATED }), {
    at_uri: URI,
    author_did: A,
    content: "words",
    created_at: CREATED,
    ...NO_MEDIA,
  });
});

Deno.test("a post with everything: all fields in their order", () => {
  const record = {
    $type: POST,
    text: "Rain #Sea",
    createdAt: CREATED,
    reply: { root: { uri: ROOT }, parent: { uri: S } },
    embed: {
      $type: "app.bsky.embed.recordWithMedia",
      record: quoting(S),
      media: external({ uri: "https://e.org", title: "T", description: "D", thumb: {} }),
    },
    langs: ["en", 5, "", "de"],
    labels: { values: [{ val: "spoiler" }, {}, { val: "" }] },
  };
  const vectors = { all_MiniLM_L12_v2: Float32Array.of(0.5) };
  const enrichment = { vectors, videoTranscript: "Good\ud800", videoTranscriptLanguage: "en" };
  const expected = {
    at_uri: URI,
    author_did: A,
    content: "Rain #Sea",
    created_at: CREATED,
    thread_root_post: ROOT,
    thread_parent_post: S,
    quote_post: S,
    embeddings: vectors,
    ...NO_MEDIA,
    external_embed: { uri: "https://e.org", title: "T", description: "D" },
    video_transcript: "Good\ufffd",
    video_transcript_language: "en",
    langs: ["en", "de"],
    self_labels: ["spoiler"],
    hashtags: ["sea"],
    enriched: true,
  };
  const fields = read(record, enrichment, { file: "f.db.zip", row: 1 });
  assert.deepEqual(fields, expected);
  assert.deepEqual(Object.keys(fields), Object.keys(expected));
});

Deno.test("M19: a video", () => {
  const { media, contains_video, contains_images, image_count, video_count, media_count } = read({
    embed: video({ aspectRatio: { width: 1920, height: 1080 }, alt: "Waves" }),
  });
  assert.deepEqual(media, [{
    id: "bafvideo",
    media_type: "video",
    mime_type: "video/mp4",
    size: 15_000_000,
    width: 1920,
    height: 1080,
    aspect_ratio: 1.7777777777777777,
    alt_text: "Waves",
  }]);
  assert.deepEqual([contains_video, contains_images, image_count, video_count, media_count], [true, false, 0, 1, 1]);
});

Deno.test("M20, M23: three images in their order, an empty alt is none", () => {
  const fields = read({ embed: images(image("a", 3), image("b", 1), image("c", 2, { alt: "C" })) });
  assert.deepEqual(fields.media, [item("a", 3), item("b", 1), { ...item("c", 2), alt_text: "C" }]);
  const { contains_images, contains_video, image_count, video_count, media_count } = fields;
  assert.deepEqual([contains_images, contains_video, image_count, video_count, media_count], [true, false, 3, 0, 3]);
});

Deno.test("M21: a quote with images, a video or a link has both", () => {
  const withMedia = (media: object) =>
    read({ embed: { $type: "app.bsky.embed.recordWithMedia", record: quoting(S), media } });
  const known = { quote: ROOT };
  const withImages = withMedia(images(image("a", 1)));
  assert.deepEqual([withImages.media, withImages.quote_post], [[item("a", 1)], S]);
  const withVideo = withMedia(video());
  assert.deepEqual([withVideo.video_count, withVideo.quote_post], [1, S]);
  const withLink = withMedia(external({ uri: "https://e.org", title: "" }));
  assert.deepEqual([withLink.external_embed, withLink.quote_post], [{ uri: "https://e.org" }, S]);
  assert.equal(withMedia({ $type: "org.example.sound" }).media, undefined);
  assert.equal(read({ embed: quoting(S) }, known).quote_post, S, "the author's word");
  assert.equal(read({}, known).quote_post, ROOT);
});

Deno.test("M24: a link that leads nowhere is none", () => {
  for (const uri of ["", 5, undefined]) {
    assert.equal(read({ embed: external({ uri, title: "T" }) }).external_embed, undefined);
  }
  assert.equal(read({ embed: { $type: "app.bsky.embed.external" } }).external_embed, undefined);
});

Deno.test("M25: sides that are unknown or none are 0", () => {
  const ratios = [undefined, {}, { width: 0, height: 5 }, { width: -1, height: 1 }, { width: "1", height: 1 }, {
    width: 1.5,
    height: 1,
  }, { width: 2 ** 31, height: 1 }];
  for (const aspectRatio of ratios) {
    const [found] = read({ embed: video({ aspectRatio }) }).media!;
    assert.deepEqual([found!.width, found!.height, found!.aspect_ratio], [0, 0, 0], JSON.stringify(aspectRatio));
  }
});

Deno.test("M26: an image without blob is left out, a legacy one has its cid, a size that is none is absent", () => {
  const legacy = { alt: "", image: { cid: "old", mimeType: "image/png" } };
  const strange = image("b", -1);
  const { media } = read({
    embed: images({ alt: "lost", image: { mimeType: "image/png" } }, legacy, strange, 5 as never),
  });
  const { size: _, ...unsized } = item("b", 0);
  assert.deepEqual(media, [
    { id: "old", media_type: "image", mime_type: "image/png", width: 0, height: 0, aspect_ratio: 0 },
    unsized,
  ]);
  assert.deepEqual(read({ embed: { $type: "app.bsky.embed.images", images: "no list" } }).media, undefined);
});

Deno.test("M27, M28: a reply by its record or by hydration", () => {
  const thread = (record: object, known?: Enrichment) => {
    const { thread_root_post, thread_parent_post } = read(record, known);
    return [thread_root_post, thread_parent_post];
  };
  assert.deepEqual(thread({}, { parent: S }), [undefined, S]);
  assert.deepEqual(thread({}, { root: ROOT }), [ROOT, undefined]);
  assert.deepEqual(thread({}, { root: ROOT, parent: S }), [ROOT, S]);
  assert.deepEqual(thread({}, {}), [undefined, undefined]);
  assert.deepEqual(thread({ reply: { root: { uri: ROOT }, parent: { uri: S } } }), [ROOT, S]);
});

Deno.test("M29: a feed that is embedded is no quote", () => {
  const feed = `at://${B}/app.bsky.feed.generator/whats-hot`;
  assert.ok(!("quote_post" in read({ embed: quoting(feed) })));
});

Deno.test("languages: twenty at most", () => {
  const langs = Array.from({ length: 30 }, (_, i) => `x-${i}`);
  assert.deepEqual(read({ langs }).langs, langs.slice(0, 20));
});

Deno.test("strings of every field are cut at 32 KiB and counted, once each", () => {
  const counters = createPostCounters();
  const long = "x".repeat(32 * 1024 + 1);
  const record = { text: long, createdAt: "?", embed: images(image("a", 1, { alt: long })), langs: [long] };
  const fields = postFields(commit({ collection: POST, record }), { uri: URI, counters });
  assert.equal(counters.truncatedFields, 3);
  assert.deepEqual(counters.createdAt, { repaired: 0, fallback: 1 });
  for (const text of [fields.content, fields.media![0]!.alt_text, fields.langs![0]]) {
    assert.equal(text!.length, 32 * 1024);
  }
});

Deno.test("whatever a record is, it has fields without null and empty strings, or is refused", () => {
  const { json: text } = { json: fc.jsonValue() };
  const embed = fc.record({
    $type: fc.constantFrom(
      ...["images", "video", "external", "record", "recordWithMedia"].map((name) => `app.bsky.embed.${name}`),
    ),
    images: fc.oneof(text, fc.array(fc.record({ image: text, alt: text, aspectRatio: text }))),
    video: text,
    external: fc.oneof(text, fc.record({ uri: text, title: text })),
    media: text,
    record: text,
  });
  const record = fc.record({ text, facets: text, tags: text, langs: text, labels: text, embed: fc.oneof(text, embed) });
  const check = (value: unknown, key: string): void => {
    assert.ok(value !== null && value !== undefined && (value !== "" || key === "content"), key);
    if (typeof value === "object") { for (const [name, member] of Object.entries(value)) check(member, name); }
  };
  fc.assert(fc.property(record, (record) => check(read(record), "")), { numRuns: 500, seed: SEED });
  assert.throws(() => read({ $type: "app.bsky.feed.like" }), PoisonError);
  assert.throws(() => read([]), PoisonError);
});
