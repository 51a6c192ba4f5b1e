import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { storedFrame } from "../../tests/support/zstd_frames.ts";
import type { Cid } from "../atproto/cid.ts";
import { type AnyEvent, atUri, type CommitEvent, toJson } from "../atproto/event.ts";
import { carOf, cidOf, commitBody, DID, encode, messageFrame, Raw, REV, TIME } from "../atproto/test_frames.ts";
import { SIMULATE_DICTIONARY_ID } from "../net/zstd/ids.ts";
import type { Batch } from "../pipeline/batch.ts";
import { ConfigError } from "../pipeline/errors.ts";
import { simulateDictionary } from "../simulate/dictionary.ts";
import { type DeadEntry, deadLetters, type DeadLettersOptions, wantedEvents, whyItStays } from "./dead_letters.ts";
import { rowDetail } from "./megastream/row_detail.ts";
import { FILE, postRow, URI } from "./megastream/test_rows.ts";

const V1 =
  `{"did":"did:plc:a","time_us":1725911162329308,"kind":"account","account":{"active":true,"did":"did:plc:a"}}`;
const V2 = JSON.stringify({
  $type: "message",
  payload: {
    $type: "network.bsky.jetstream.subscribeEvents#account",
    seq: 5,
    time: "2024-09-09T19:46:02.329308Z",
    did: "did:plc:a",
    account: { active: true, did: "did:plc:a" },
  },
});

const entry = (id: string, members: Record<string, unknown>): DeadEntry => {
  return { id, command: "jetstream", key: "k", stage: "source", host: "h", wire: "v1", ...members };
};

async function read(entries: readonly DeadEntry[], options: Partial<DeadLettersOptions> = {}) {
  const source = deadLetters({
    key: "dead-letter:k",
    entries: async function* () {
      yield* entries;
    },
    wanted: () => true,
    cursorAt: ({ id }) => `at ${id}`,
    batchSize: 100,
    ...options,
  });
  const batches: Batch<AnyEvent>[] = await Array.fromAsync(source.open());
  return {
    source,
    batches,
    items: batches.flatMap(({ items }) => items),
    poison: batches.flatMap(({ poison = [] }) => poison),
    filtered: batches.reduce((sum, { filtered = 0 }) => sum + filtered, 0),
  };
}

Deno.test("messages of both wires are read again, with the origin that they had", async () => {
  const { items, poison } = await read([entry("1", { text: V1 }), entry("2", { text: V2, wire: "v2", host: "g" })]);
  assert.deepEqual(items.map(({ origin }) => origin), [
    { source: "jetstream", wire: "v1", host: "h" },
    { source: "jetstream", wire: "v2", host: "g" },
  ]);
  assert.equal(toJson(items[0]!), V1);
  assert.deepEqual(items.map(({ kind, time_us }) => [kind, time_us]), Array(2).fill(["account", 1725911162329308]));
  assert.deepEqual(poison, []);
});

Deno.test("events that a filter or a sink refused come as they were, also from entries that do not say where from", async () => {
  const event = { stage: "sqlite", event: V1 };
  const { items } = await read([
    entry("1", event),
    entry("2", { ...event, stage: "filter", host: undefined, wire: undefined }),
  ]);
  assert.deepEqual(items.map(toJson), [V1, V1]);
  assert.deepEqual(items.map(({ origin }) => [origin.wire, origin.host]), [["v1", "h"], ["v1", "unknown"]]);
});

Deno.test("rows of files are read again, with what models said; one that is still wrong is poison", async () => {
  const row = postRow({ post: { inferences: { text: {} } } });
  const members = { ...rowDetail(row, FILE), command: "megastream" };
  const { items, poison, filtered } = await read([
    entry("1", { ...members, text: row.raw_post }),
    entry("2", { ...members, text: row.raw_post, at_uri: { $bytes: "YQ==" } }),
    entry("3", { ...members, text: "{}", raw_post: '{"message":{"kind":"identity"}}' }),
  ]);
  const [event] = items as [CommitEvent];
  assert.deepEqual(event.origin, { source: "megastream", wire: "row", host: FILE });
  assert.equal(atUri(event), URI);
  assert.deepEqual(event.enriched, { file: FILE, row: row.row, inferences: '{"text":{}}' });
  assert.deepEqual(poison.map(({ error }) => error.reason), ["bad_type"]);
  assert.equal(filtered, 1);
  assert.match(whyItStays(entry("1", { ...members, text: "x", raw_post: { $bytes: "YQ==" } }))!, /no text/);
});

Deno.test("what cannot be read, still, is poison that knows its entry; a batch ends behind it", async () => {
  const entries = [entry("1", { text: V1 }), entry("2", { text: "not json" }), entry("3", { base64: "/w==" })];
  const { source, batches, poison } = await read([...entries, entry("4", { text: V1 })]);
  assert.deepEqual(batches.map(({ items, cursor }) => [items.length, cursor]), [
    [1, "at 2"],
    [0, "at 3"],
    [1, "at 4"],
  ]);
  assert.deepEqual(poison.map(({ error }) => error.reason), ["not_json", "not_utf8"]);
  assert.deepEqual(poison.map((each) => source.entryOf(each)), [
    { entry: entries[1], part: false },
    { entry: entries[2], part: false },
  ]);
  const [first] = batches[0]!.items;
  assert.deepEqual(source.entryOf({ item: first, error: poison[0]!.error }), {
    entry: { id: "1", command: "jetstream", key: "k" },
    part: false,
  });
});

Deno.test("zstd frames: with the dictionary that is given or kept, one after the other; without it they stay unread", async () => {
  const frame = (id: number) => storedFrame(V1, id).toString("base64");
  const own = simulateDictionary();
  const other = Buffer.from(own);
  other.writeUInt32LE(4711, 4);
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeFile(`${folder}/zstd-4711.zdict`, other);
    const entries = [SIMULATE_DICTIONARY_ID, 4711, 99, SIMULATE_DICTIONARY_ID].map((id, i) =>
      entry(String(i), { base64: frame(id) })
    );
    const { items, poison } = await read(entries, { dictionary: own, dictionaryFolder: folder });
    assert.deepEqual(items.map(toJson), [V1, V1, V1]);
    assert.deepEqual(poison.map(({ error }) => error.reason), ["unknown_dictionary"]);
    assert.match(poison[0]!.error.message, /it needs dictionary 99/);
    const without = await read(entries.slice(0, 1));
    assert.deepEqual(without.poison.map(({ error }) => error.reason), ["unknown_dictionary"]);
    const small = await read(entries.slice(0, 1), { dictionary: own, maxFrameBytes: 50 });
    assert.deepEqual(small.poison.map(({ error }) => error.reason), ["oversize"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const frame = (bytes: Uint8Array, members: Record<string, unknown> = {}) => ({
  command: "firehose",
  wire: "relay",
  base64: Buffer.from(bytes).toString("base64"),
  ...members,
});
const post = (n: number) => ({ record: { text: `post ${n}` } });
const placesOf = (events: readonly AnyEvent[]) =>
  events.map((event) => event.kind === "commit" ? event.commit.rkey : event.kind);

Deno.test("frames are read again: whole, or of one of which something died, only that", async () => {
  const bytes = messageFrame("#commit", commitBody([post(0), { action: "delete" }, post(2)]));
  const { items, poison, filtered } = await read([
    entry("1", frame(bytes)),
    entry("2", frame(bytes, { op: 2 })),
    entry("3", frame(messageFrame("#account", { seq: 8, did: DID, time: TIME, active: true }))),
    entry("4", frame(messageFrame("#news", { seq: 9 }))),
  ]);
  assert.deepEqual(placesOf(items), ["0", "1", "2", "2", "account"]);
  assert.deepEqual([poison, filtered], [[], 1]);
  const [first] = items as [CommitEvent];
  assert.deepEqual(first.origin, { source: "firehose", wire: "relay", host: "h" });
  assert.equal(first.relay!.time, TIME);
  assert.equal(typeof first.relay!.commit, "string");
});

Deno.test("what of a frame cannot be read, still, is a part of its entry, and names its place", async () => {
  const lost = { ...post(1), lost: true };
  const bytes = messageFrame("#commit", commitBody([post(0), lost, lost]));
  const dead = [
    entry("1", frame(bytes)),
    entry("2", frame(bytes, { op: 1, path: "x" })),
    entry("3", frame(bytes, { op: 0 })),
  ];
  const { items, poison, source } = await read(dead);
  assert.deepEqual(placesOf(items), ["0", "0"]);
  const origins = poison.map((each) => source.entryOf(each));
  assert.deepEqual(origins.map(({ entry, part }) => [entry.id, (entry as DeadEntry).op, part]), [
    ["1", 1, true],
    ["1", 2, true],
    ["2", 1, false],
  ]);
  assert.equal((origins[2]!.entry as DeadEntry).path, "x", "what the entry says already stays");
  assert.deepEqual(items.map((item) => source.entryOf({ item, error: poison[0]!.error }).part), [true, false]);
});

Deno.test("verify says whether a block with the hash of another one is an event", async () => {
  const record = encode({ text: "a" });
  const body = commitBody([{ record: new Raw(record), cid: cidOf(encode("other")) }]);
  const signed = commitBody([]).commit as Cid;
  const block = encode({
    did: DID,
    rev: REV,
    sig: new Uint8Array(64),
    data: cidOf(encode("tree")),
    prev: null,
    version: 3,
  });
  const blocks = carOf(signed, [block, [cidOf(encode("other")), record]]);
  const dead = [entry("1", frame(messageFrame("#commit", { ...body, blocks }), { op: 0 }))];
  const strict = await read(dead);
  assert.deepEqual(strict.poison.map(({ error }) => error.reason), ["block-hash"]);
  const { items } = await read(dead, { verify: "none" });
  assert.deepEqual(placesOf(items), ["0"]);
});

Deno.test("labels are read again, and entries of lists, which are as old as their letters", async () => {
  const label = { src: DID, uri: DID, val: "spam", cts: TIME };
  const bytes = messageFrame("#labels", {
    seq: 3,
    labels: [label, { ...label, val: undefined }, { ...label, val: "x" }],
  });
  const listed = { wire: "relay", reason: "list-did", at: "2026-01-01T00:00:00.000Z", command: "backfill" };
  const { items, poison, source } = await read([
    entry("1", frame(bytes, { label: 2 })),
    entry("2", frame(bytes)),
    entry("3", { ...listed, text: JSON.stringify({ did: DID, rev: "" }) }),
    entry("4", { ...listed, text: JSON.stringify({ did: "nobody" }) }),
  ]);
  assert.deepEqual(items.map((event) => event.kind === "label" ? event.label.val : event.kind), [
    "x",
    "spam",
    "x",
    "repo",
  ]);
  assert.deepEqual(
    toJson(items[3]!),
    `{"did":"${DID}","time_us":1767225600000000,"kind":"repo","repo":{"did":"${DID}","rev":""}}`,
  );
  assert.deepEqual(poison.map((each) => [each.error.reason, (source.entryOf(each).entry as DeadEntry).label]), [
    ["label-field", 1],
    ["list-did", undefined],
  ]);
});

Deno.test("events of relays come again with all that their frames said", async () => {
  const relay = { time: TIME, commit: "bafyx" };
  const [event] = (await read([entry("1", { stage: "redis", event: V1, wire: "relay", relay })])).items as [
    CommitEvent,
  ];
  assert.deepEqual([event.relay, event.origin.wire], [relay, "relay"]);
  const [other] = (await read([entry("1", { stage: "redis", event: V1, wire: "relay", relay: { time: 5 } })])).items;
  assert.equal("relay" in other!, false);
});

Deno.test("messages that are no events for today's program, and unwanted events, are filtered", async () => {
  const wanted = wantedEvents({ collections: ["app.bsky.feed.like"], dids: [], kinds: ["commit"] });
  const news = `{"did":"did:plc:a","time_us":1,"kind":"news"}`;
  const label = JSON.stringify({
    time_us: 1,
    kind: "label",
    label: { src: "did:plc:l", uri: "at://x", val: "spam", cts: "2024-09-09T19:46:02Z" },
  });
  const { items, filtered, batches } = await read(
    [entry("1", { text: news }), entry("2", { text: V1 }), entry("3", { stage: "sqlite", event: label })],
    { wanted },
  );
  assert.deepEqual([items.map(({ kind }) => kind), filtered, batches.length], [["label"], 2, 1]);
});

Deno.test("a write does not wait for more once it has its events, or 8 MiB of them", async () => {
  const large = V1.replace("{", `{"x":"${"x".repeat(3 * 1024 * 1024)}",`);
  const texts = [V1, V1, V1, large, large, large, V1];
  const { batches } = await read(texts.map((text, i) => entry(String(i), { text })), { batchSize: 3 });
  assert.deepEqual(batches.map(({ items, urgent = false }) => [items.length, urgent]), [[3, true], [3, true], [
    1,
    false,
  ]]);
  const bySize = await read(texts.map((text, i) => entry(String(i), { text })));
  assert.deepEqual(bySize.batches.map(({ items, urgent = false }) => [items.length, urgent]), [[6, true], [1, false]]);
});

Deno.test("entries that nothing can be made of", () => {
  const why = (members: Record<string, unknown>) => whyItStays(entry("1", members));
  assert.equal(why({ text: V1 }), undefined);
  assert.equal(why({ stage: "sqlite", event: V1, host: undefined, wire: undefined }), undefined);
  assert.match(why({ text: V1, truncated: true })!, /a part/);
  assert.match(why({ text: "", bytes: 0 })!, /nothing/);
  assert.match(why({ stage: "sqlite" })!, /event is missing/);
  assert.match(why({ text: V1, wire: "other" })!, /wire/);
  assert.match(why({ text: V1, wire: "relay", reason: "frame-text" })!, /no frame may be/);
  assert.equal(why({ text: "{}", wire: "relay", reason: "list-did" }), undefined);
});

Deno.test("-c, -d: every fault is said", () => {
  assert.throws(() => wantedEvents({ collections: ["x"], dids: ["y"], kinds: [] }), (error) => {
    assert(error instanceof ConfigError);
    assert.deepEqual(error.faults.map((fault) => fault.split(":")[0]), [
      'Cannot use collection "x"',
      'Cannot use DID "y"',
    ]);
    return true;
  });
});
