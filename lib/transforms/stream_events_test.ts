import assert from "node:assert/strict";
import type { AnyEvent, CommitEvent, LabelEvent, Origin } from "../atproto/event.ts";
import { ConfigError } from "../pipeline/errors.ts";
import { realTest } from "../../tests/support/real_data.ts";
import { streamRecords } from "../../tests/support/stream_records.ts";
import { isStreamed, partitionOf, streamEntries, type StreamEventsOptions } from "./stream_events.ts";
import { isStatusDropped } from "./stream_events/rsky.ts";

const ORIGIN: Origin = { source: "firehose", wire: "relay", host: "bsky.network" };
const DID = "did:plc:vvpy7d6y2li5yo73cgbszibl";
const RELAY = { time: "2025-04-16T23:41:00.000Z" };
const TIME_US = Date.parse(RELAY.time) * 1000;

const base = { did: DID, time_us: TIME_US, origin: ORIGIN, relay: RELAY };
const account = (seq: number, active: boolean, status?: string): AnyEvent => ({
  ...base,
  seq,
  kind: "account",
  account: { did: DID, active, ...(status !== undefined && { status }) },
});
const identity = (seq: number, handle?: string): AnyEvent => ({
  ...base,
  seq,
  kind: "identity",
  identity: { did: DID, ...(handle !== undefined && { handle }) },
});
const create = (record: Record<string, unknown>): CommitEvent => ({
  ...base,
  relay: { ...RELAY, commit: "bafyreic" },
  seq: 7,
  kind: "commit",
  commit: { operation: "create", collection: "a.b.c", rkey: "r", rev: "3k", cid: "bafyreid", record },
});
const label = (seq: number, rest: Partial<LabelEvent["label"]>): LabelEvent => ({
  kind: "label",
  time_us: TIME_US,
  seq,
  origin: { source: "labeler", wire: "relay", host: "mod.bsky.app" },
  label: {
    src: "did:plc:n3timvoib5nau7gvwd6cshap",
    uri: "did:plc:44ybard66vv44zksje25o7dz",
    val: "a",
    cts: "",
    ...rest,
  },
});

const NOW = Date.parse("2026-11-21T02:56:29.787Z");
const values = (events: readonly AnyEvent[], options: StreamEventsOptions = {}) =>
  streamEntries({ now: () => NOW, ...options })(events).map(({ value }) => value);
const bsky = (event: AnyEvent) => JSON.parse(values([event])[0]!);
const rsky = (...events: readonly AnyEvent[]) => values(events, { format: "rsky" });

realTest("R1: the real frames in format bsky", ["stream_events_bsky.jsonl", "expected_v1.jsonl"], ([stream, v1]) => {
  const [lines, events] = streamRecords(stream!, v1!);
  const entries = streamEntries()(events);
  assert.equal(entries.length, 152);
  assert.deepEqual(entries.map(({ value }) => JSON.parse(value)), lines.map((line) => JSON.parse(line)));
  assert.deepEqual(new Set(entries.map(({ field }) => field)), new Set(["event"]));
  assert(entries.every(({ value }) => value === JSON.stringify(JSON.parse(value))), "compact, nothing escaped");
});

realTest(
  "R2, R3: the real frames in format rsky, byte for byte but for the time",
  ["rsky_stream_samples.jsonl", "stream_events_bsky.jsonl", "expected_v1.jsonl"],
  ([samples, stream, v1]) => {
    const [, events] = streamRecords(stream!, v1!);
    const timeless = (value: string) => value.replace(/"time":"[^"]*\+00:00"/, '"time":""');
    const theirs = Deno.readTextFileSync(samples!).trim().split("\n").map((line) => JSON.parse(line));
    const streamed = events.filter((event) => isStreamed(event, "rsky"));
    assert.equal(streamed.length, 151, "R3: the identity without a handle stays out");
    const wanted = streamed.filter((event) =>
      event.kind !== "commit" || /^(app|chat)\.bsky\./.test(event.commit.collection)
    );
    const ours = streamEntries({ format: "rsky" })(wanted);
    assert.deepEqual(
      ours.map(({ field, value }) => ({ stream: "firehose_live", field, value: timeless(value) })),
      theirs.map((entry) => ({ ...entry, value: timeless(entry.value) })),
    );
  },
);

Deno.test("R4, R5: accounts and their status, identities and their handle", () => {
  const head = { seq: 140, time: RELAY.time, did: DID };
  assert.deepEqual(bsky(account(140, true)), { type: "account", ...head, active: true });
  assert.deepEqual(bsky(account(140, false, "deleted")), {
    type: "account",
    ...head,
    active: false,
    status: "deleted",
  });
  assert.deepEqual(bsky(account(140, false, "newstatus")).status, "newstatus");
  assert.deepEqual(bsky(identity(142)), { type: "identity", ...head, seq: 142 });

  const time = "2026-11-21T02:56:29.787+00:00";
  assert.deepEqual(rsky(account(140, true), account(140, false, "deleted"), account(141, false, "newstatus")), [
    `{"type":"account","seq":140,"time":"${time}","did":"${DID}","active":true,"status":null}`,
    `{"type":"account","seq":140,"time":"${time}","did":"${DID}","active":false,"status":"Deleted"}`,
    `{"type":"account","seq":141,"time":"${time}","did":"${DID}","active":false,"status":null}`,
  ]);
  assert.deepEqual([account(1, true), account(1, false, "deleted"), account(1, false, "x")].map(isStatusDropped), [
    false,
    false,
    true,
  ]);
  assert.deepEqual([identity(142), identity(144, "pengua.bsky.social")].map((event) => isStreamed(event, "rsky")), [
    false,
    true,
  ]);
  assert.match(rsky(identity(144, "pengua.bsky.social"))[0]!, /"handle":"pengua.bsky.social"}$/);
});

Deno.test("R6: a signed label, and one that takes back without a signature", () => {
  const sig = { $bytes: "uCRNA5mTzh078T5xZtkvLEt/O+z0gsKM3aqRI/lVAB8ZtbMnznwS/JwHopZE40JhNNDj80z8gsDLAp/hWqG5Pg" };
  const signed = label(1, { cts: "2024-10-23T17:51:19.128Z", val: "bladerunner", ver: 1, sig });
  assert.deepEqual(bsky(signed), { type: "label", label: signed.label });
  assert.deepEqual(rsky(signed), [
    '{"seq":1,"labels":[{"src":"did:plc:n3timvoib5nau7gvwd6cshap","uri":"did:plc:44ybard66vv44zksje25o7dz",' +
    '"cid":null,"val":"bladerunner","neg":null,"cts":"2024-10-23 17:51:19.128 UTC"}]}',
  ]);
  const negated = label(2, { neg: true, cid: "bafyreif", cts: "2024-10-23T17:51:20.000Z" });
  assert.deepEqual(bsky(negated).label, negated.label);
  assert.match(rsky(negated)[0]!, /"cid":"bafyreif","val":"a","neg":true,"cts":"2024-10-23 17:51:20 UTC"}]}$/);
});

Deno.test("R7: two labels of one frame, and a frame without any", () => {
  const two = [label(3, { cts: "2024-10-23T17:51:21Z", exp: "2025-10-23T17:51:21Z" }), label(3, { val: "b" })];
  assert.deepEqual(two.map(bsky).map(({ label }) => [label.val, label.exp]), [["a", "2025-10-23T17:51:21Z"], [
    "b",
    undefined,
  ]]);
  const [frame, ...more] = rsky(...two).map((text) => JSON.parse(text));
  assert.deepEqual(more, []);
  assert.deepEqual([frame.seq, frame.labels.length, frame.labels[0].cts], [3, 2, "2024-10-23 17:51:21 UTC"]);
  assert.equal(frame.labels[1].cts, "", "what is no time stays as it is");

  const entries = (format: "bsky" | "rsky") => streamEntries({ format })([], { emptyFrame: 4 });
  assert.deepEqual(entries("bsky"), []);
  assert.deepEqual(entries("rsky").map(({ field, value }) => [field, value]), [["labels", '{"seq":4,"labels":[]}']]);
  assert.equal(rsky(label(4, {}), label(5, {}), identity(6, "h"), label(6, {})).length, 4, "frames are not joined");
});

Deno.test("R7: times of labels have three, six or nine digits after the point, or none, and are UTC", () => {
  const cts = (text: string) => JSON.parse(rsky(label(1, { cts: text }))[0]!).labels[0].cts;
  assert.equal(cts("2024-10-23T17:51:21.1Z"), "2024-10-23 17:51:21.100 UTC");
  assert.equal(cts("2024-10-23T17:51:21.000100Z"), "2024-10-23 17:51:21.000100 UTC");
  assert.equal(cts("2024-10-23T17:51:21.0001002Z"), "2024-10-23 17:51:21.000100200 UTC");
  assert.equal(cts("2024-10-23T01:51:21+02:00"), "2024-10-22 23:51:21 UTC");
  assert.equal(cts("2024-13-23T01:51:21Z"), "2024-13-23T01:51:21Z");
});

Deno.test("R8: bytes and links, and the order of members in rsky", () => {
  const link = { $link: "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a" };
  const record = {
    z: { b: 1, a: { $bytes: "AQL/" } },
    link,
    "10": 1,
    "9": [{ d: null, c: "é" }],
    "\u{10000}": 1,
    "\uffff": 2,
  };
  const event = create(record);
  assert.deepEqual(bsky(event).record, record);
  assert.equal(
    rsky(event)[0]!.split(',"record":')[1],
    `{"10":1,"9":[{"c":"é","d":null}],"link":${
      JSON.stringify(link)
    },"z":{"a":[1,2,255],"b":1},"\uffff":2,"\u{10000}":1}}`,
  );
});

Deno.test("R9: sync has no place in rsky; other sources have no commits that it needs", () => {
  const sync: AnyEvent = { ...base, seq: 1, kind: "sync", sync: { did: DID, rev: "3k" } };
  assert.equal(isStreamed(sync, "rsky"), false);
  assert.throws(() => rsky(sync), ConfigError);
  assert.deepEqual(bsky(sync), { type: "sync", seq: 1, time: RELAY.time, did: DID, rev: "3k" });
  const { relay: _, ...jetstream } = create({});
  assert.throws(
    () => rsky({ ...jetstream, origin: { source: "jetstream", wire: "v1", host: "h" } }),
    /^ConfigError: Cannot write format rsky from jetstream: its events do not say which commit they are of$/,
  );
});

Deno.test("R10: an entry of a list, without and with what may be absent", () => {
  const repo = (rest: Record<string, unknown>): AnyEvent => ({
    kind: "repo",
    did: DID,
    time_us: TIME_US,
    origin: { source: "backfill", wire: "relay", host: "bsky.network" },
    repo: { did: DID, rev: "3mptbypluud2a", ...rest },
  });
  const [host, rev] = ["https://bsky.network", "3mptbypluud2a"];
  assert.deepEqual(bsky(repo({})), { did: DID, host, rev });
  assert.deepEqual(bsky(repo({ active: false, status: "takendown" })), {
    did: DID,
    host,
    rev,
    status: "takendown",
    active: false,
  });
  assert.deepEqual(rsky(repo({})), [`{"did":"${DID}","host":"${host}","rev":"${rev}","status":null,"active":true}`]);
  assert.deepEqual(streamEntries()([repo({})])[0]!.field, "repo");
});

Deno.test("R12: events say by which host they came where they are told to, and text is not escaped", () => {
  const event = create({ text: "é 😀" });
  assert.equal("host" in bsky(event), false);
  assert.equal(JSON.parse(values([event], { host: true })[0]!).host, "bsky.network");
  for (const format of ["bsky", "rsky"] as const) assert.match(values([event], { format })[0]!, /"é 😀"/);
});

Deno.test("events without number or time of a relay have the time in place of both", () => {
  const { relay: _r, seq: _s, ...event } = create({});
  const { seq, time } = bsky(event);
  assert.deepEqual([seq, time], [TIME_US, "2025-04-16T23:41:00.000000Z"]);
});

Deno.test("R33: a DID's partition is FNV-1a of its text", () => {
  assert.equal(partitionOf("did:plc:wq4aajammjtxdomz3e23667t", 2 ** 32), 1863787258);
  assert.equal(partitionOf("did:plc:wq4aajammjtxdomz3e23667t", 8), 2);
  assert.equal(partitionOf("did:web:example.com", 2 ** 32), 4245751709);
  assert.equal(partitionOf("did:web:example.com", 8), 5);
  const [about] = streamEntries()([label(1, { uri: "at://did:web:example.com/app.bsky.feed.post/x" })]);
  assert.equal(about!.did, "did:web:example.com");
});
