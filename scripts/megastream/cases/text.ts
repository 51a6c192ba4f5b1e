/**
 * What posts say: times, tags, languages, labels, texts.
 *
 * @module
 */
import { tid } from "../../../lib/simulate/ids.ts";
import { enrichedText, post } from "../post.ts";
import { type FileRows, fileRows, millisText } from "../row.ts";

const ZONED = "2025-01-27T12:34:56.000Z";

/** Times that are written as they are. */
const AS_IS = [
  "2025-01-27T12:34:56Z",
  "2025-01-27T12:34:56.7Z",
  "2025-01-27T12:34:56.123456789Z",
  "2025-01-27T17:34:56+05:00",
  "2025-01-27T17:34:56.789123+05:30",
  "2025-01-27T12:34:56-18:00",
  "2024-02-29T23:59:59.999Z",
];
/** Times that are repaired, and what they become. */
const REPAIRED: readonly (readonly [string, string])[] = [
  ["2025-01-27t12:34:56z", ZONED],
  ["2025-01-27 12:34:56", ZONED],
  ["2025-01-27T17:34:56+0500", ZONED],
  ["2025-01-27T17:34:56+05", ZONED],
  ["2025-01-27T12:34Z", "2025-01-27T12:34:00.000Z"],
  ["2025-01-27T12:34:56", ZONED],
  ["2025-01-27", "2025-01-27T00:00:00.000Z"],
  ["2025-01-27T12:34:56,789Z", "2025-01-27T12:34:56.789Z"],
  ["2025-01-27T12:34:56.Z", ZONED],
  ["2025-01-27T12:34:56.1239999999Z", "2025-01-27T12:34:56.123Z"],
  ["2025-01-27T24:00:00Z", "2025-01-28T00:00:00.000Z"],
  ["2025-01-27T23:59:60Z", "2025-01-28T00:00:00.000Z"],
  ["  2025-01-27T12:34:56Z\n", ZONED],
];
/** Times that say nothing. */
const HOPELESS = [
  "",
  "not-a-date",
  "2025-02-30T00:00:00Z",
  1_737_981_296,
  null,
  "10000-01-01T00:00:00Z",
  "0000-01-01T00:00:00Z",
  "2025-01-27T12:34:56+19:00",
];

/** The rows of the file. */
export function textRows(start: string, rng: number): FileRows {
  const file = fileRows(start, { rng });
  createdAtCases(file);
  fallbackCases(file);
  tagCases(file);
  otherCases(file);
  return file;
}

function createdAtCases(file: FileRows): void {
  const add = (createdAt: unknown, created_at: string, flag?: "repaired" | "fallback", timeUs?: number) =>
    post(file, {
      shows: `Written at ${JSON.stringify(createdAt)}`,
      record: { createdAt },
      fields: { created_at },
      ...(flag && { notes: { created_at_flag: flag } }),
      ...(timeUs !== undefined && { timeUs }),
    });
  for (const text of AS_IS) add(text, text);
  for (const [text, repaired] of REPAIRED) add(text, repaired, "repaired");
  HOPELESS.forEach((value, n) => {
    const timeUs = file.timeUs + n * 1_000_000 + 654_999;
    add(value, millisText(timeUs), "fallback", timeUs);
  });
}

/** What stands in for the author's time when less and less else is known. */
function fallbackCases(file: FileRows): void {
  const createdAt = "yesterday", notes = { created_at_flag: "fallback" } as const;
  const timeUs = file.timeUs + 77_777_777;
  post(file, {
    shows: "No createdAt at all",
    record: { createdAt: undefined },
    timeUs,
    fields: { created_at: millisText(timeUs) },
    notes,
  });
  const enriched = enrichedText(file.timeUs + 88_000_000);
  post(file, {
    shows: "No time but the column's",
    record: { createdAt },
    timeUs: null,
    columns: () => ({ created_at: enriched }),
    fields: { created_at: `${enriched.replace(" ", "T")}.000Z` },
    notes,
  });
  const keyUs = file.timeUs + 99_123_456;
  post(file, {
    shows: "No time but the key's",
    record: { createdAt },
    rkey: tid(keyUs, 5),
    timeUs: null,
    columns: () => ({ created_at: null }),
    fields: { created_at: millisText(keyUs) },
    notes,
  });
  post(file, {
    shows: "No time but the file's",
    record: { createdAt },
    rkey: "no-time",
    timeUs: null,
    columns: () => ({ created_at: null }),
    fields: { created_at: millisText(file.timeUs) },
    notes,
  });
}

function tagCases(file: FileRows): void {
  const add = (text: string, hashtags: readonly string[], record: Record<string, unknown> = {}) =>
    post(file, {
      shows: `Tags of ${JSON.stringify(text.slice(0, 60))}`,
      text,
      record,
      ...(hashtags.length > 0 && { fields: { hashtags } }),
    });
  const facet = (tag: string) => ({
    index: { byteStart: 0, byteEnd: 3 },
    features: [{ $type: "app.bsky.richtext.facet#tag", tag }],
  });
  const link = {
    index: { byteStart: 0, byteEnd: 3 },
    features: [{ $type: "app.bsky.richtext.facet#link", uri: "https://example.org/#x" }],
  };
  add("#FIRST#Second", ["first", "second"]);
  add("#日本語", ["日本語"]);
  add("Ein #Größe-Test und #عربي, #हिन्दी", ["größe", "عربي", "हिन्दी"]);
  add("I like C# and F#.", []);
  add("##x", ["x"]);
  add("See https://example.org/#top today", []);
  add("#2026 begins", []);
  add("#y2026 begins", ["y2026"]);
  add("＃全角 counts too", ["全角"]);
  add("#Cafe\u0301 and #café are one", ["café"]);
  add("#one #two #one", ["one", "two"]);
  add("A facet's tag", ["été"], { facets: [facet("Été")] });
  add("A facet that links", [], { facets: [link] });
  add("Tags of the record", ["photo", "sea side"], { tags: ["#Photo", "Sea Side", "", "2025", 7] });
  add("All of them #three", ["one", "two", "three"], { facets: [facet("One")], tags: ["two", "ONE"] });
  add("A tag that is too long", [], { tags: ["x".repeat(641)] });
  add("A tag that is just short enough", ["x".repeat(640)], { tags: ["x".repeat(640)] });
}

function otherCases(file: FileRows): void {
  const languages = Array.from({ length: 25 }, (_, n) => `x-${n}`);
  post(file, { shows: "Languages", record: { langs: ["en", "de-AT"] }, fields: { langs: ["en", "de-AT"] } });
  post(file, {
    shows: "More languages than anybody speaks, and one that is none",
    record: { langs: [5, ...languages] },
    fields: { langs: languages.slice(0, 20) },
  });
  post(file, {
    shows: "Labels of one's own",
    record: {
      labels: { $type: "com.atproto.label.defs#selfLabels", values: [{ val: "graphic-media" }, { val: "spoiler" }] },
    },
    fields: { self_labels: ["graphic-media", "spoiler"] },
  });
  post(file, { shows: "No text", record: { text: undefined }, fields: { content: "" } });
  post(file, { shows: "A text that is empty", text: "" });
  post(file, { shows: "A text that is a number", text: 42, fields: { content: "" } });
  post(file, { shows: "No $type", record: { $type: undefined } });
  // 32 KiB end in the middle of an é.
  post(file, {
    shows: "A text of 40,001 bytes",
    text: `x${"é".repeat(20_000)}`,
    fields: { content: `x${"é".repeat(16_383)}` },
    notes: { truncated: ["content"] },
  });
  post(file, {
    shows: "Half a surrogate pair",
    text: "broken \ud83d emoji",
    fields: { content: "broken \ufffd emoji" },
  });
}
