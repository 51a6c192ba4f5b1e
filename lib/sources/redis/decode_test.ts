import assert from "node:assert/strict";
import { type AnyEvent, eventId, type LabelEvent, toJson } from "../../atproto/event.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { isStreamed, streamEntries, type StreamFormat } from "../../transforms/stream_events.ts";
import { realTest } from "../../../tests/support/real_data.ts";
import { streamRecords } from "../../../tests/support/stream_records.ts";
import { decodeEntry, rawEntry } from "./decode.ts";

const [stream, id] = ["firehose_live", "1783175892000-0"];
const back = (events: readonly AnyEvent[], format: StreamFormat = "bsky", now = () => 1_783_175_892_000): AnyEvent[] =>
  streamEntries({ format, now })(events.filter((event) => isStreamed(event, format)))
    .flatMap(({ field, value }) => decodeEntry({ stream, id, fields: [field, value] }));

const ORIGIN = { source: "consume", wire: "relay", host: stream } as const;

realTest(
  "R42: the real events come back from either format",
  ["stream_events_bsky.jsonl", "expected_v1.jsonl"],
  ([lines, v1]) => {
    const [, events] = streamRecords(lines!, v1!);
    const plain = (event: AnyEvent) => ({
      ...event,
      origin: ORIGIN,
      time_us: 0,
      relay: undefined,
      identity: 0,
      account: 0,
    });
    assert.deepEqual(back(events).map(plain), events.map(plain));
    assert.deepEqual(
      back(events).map((event) => "relay" in event && event.relay),
      events.map((event) => (event as { relay: unknown }).relay),
    );
    assert.deepEqual(
      back(events).map(eventId),
      events.map((event) => eventId({ ...back([event])[0]! })),
      "the same ids each time",
    );
    const commits = events.filter(({ kind }) => kind === "commit");
    assert.deepEqual(back(commits, "rsky").map(eventId), commits.map(eventId));
  },
);

Deno.test("R42: accounts and identities come back, words of rsky in lower case", () => {
  const did = "did:plc:vvpy7d6y2li5yo73cgbszibl";
  const time = "2026-07-04T14:38:12.000Z";
  const base = { did, seq: 140, time_us: Date.parse(time) * 1000, origin: ORIGIN, relay: { time } };
  const named = { did, seq: 140, time };
  const events: AnyEvent[] = [
    { ...base, kind: "account", account: { active: false, ...named, status: "takendown" } },
    { ...base, kind: "account", account: { active: true, ...named } },
    { ...base, kind: "identity", identity: { ...named, handle: "a.example" } },
    { ...base, kind: "sync", sync: { did, rev: "3k" } },
  ];
  assert.deepEqual(back(events), events);
  const shifted = (event: AnyEvent) => JSON.parse(JSON.stringify(event).replaceAll("+00:00", "Z"));
  assert.deepEqual(back(events, "rsky").map(shifted), events.slice(0, 3));
});

Deno.test("R42: labels and lists come back from either format", () => {
  const labels: LabelEvent[] = ["2024-10-23T17:51:19.128Z", "2024-10-23T17:51:21Z"].map((cts) => ({
    kind: "label",
    time_us: Date.parse(cts) * 1000,
    origin: ORIGIN,
    label: { src: "did:plc:a", uri: "did:plc:b", val: "x", neg: true, cts },
  }));
  assert.deepEqual(back(labels), labels);
  const frame = labels.map((label) => ({ ...label, seq: 3 }));
  assert.deepEqual(back(frame, "rsky"), frame);
  const repo: AnyEvent = {
    kind: "repo",
    did: "did:plc:a",
    time_us: 1_783_175_892_000_000,
    origin: { ...ORIGIN, host: "bsky.network" },
    repo: { did: "did:plc:a", rev: "3k", active: false, status: "suspended" },
  };
  assert.deepEqual(back([repo]), [repo]);
  assert.deepEqual(back([repo], "rsky"), [repo]);
});

Deno.test("R42: a downloaded record has no number, and the last entry of its repo is the repo", () => {
  const read = (value: object) => decodeEntry({ stream, id, fields: ["event", JSON.stringify(value)] })[0]!;
  const time = "2026-07-04T15:00:00.000Z";
  const record = read({ type: "create", seq: -2, did: "did:plc:a", time, collection: "a.b.c", rkey: "r", record: {} });
  assert.deepEqual(["seq" in record, record.origin.wire], [false, "repo"]);
  const repo = read({ type: "repo", did: "did:plc:a", rev: "3k", commit: "bafyreic", time });
  assert.deepEqual(repo.kind === "repo" && repo.repo, { did: "did:plc:a", head: "bafyreic", rev: "3k" });
});

Deno.test("R37: what is no entry of these formats is poison", () => {
  const reason = (...fields: string[]) => {
    try {
      decodeEntry({ stream, id, fields });
    } catch (error) {
      assert(error instanceof PoisonError, String(error));
      return error.reason;
    }
    throw new Error("It was read");
  };
  assert.equal(reason("event", "no json"), "not_json");
  for (
    const value of [
      "1",
      "null",
      "[]",
      '{"type":"nonsense"}',
      "{}",
      '{"type":"create","did":"did:plc:a"}',
      '{"type":"label"}',
    ]
  ) {
    assert.equal(reason("event", value), "unknown_shape", value);
  }
  assert.equal(reason("labels", '{"seq":1}'), "unknown_shape");
  assert.equal(reason("repo", "{}"), "unknown_shape");
  assert.equal(reason("other", "{}"), "unknown_shape");
});

Deno.test("an entry as it is has its id, its fields and its time, whatever is in it", () => {
  const entry = rawEntry({ stream: "jobs", id, fields: ["a", "no json\n", "__proto__", "é"] });
  assert.equal(toJson(entry), `{"stream":"jobs","id":"${id}","fields":{"a":"no json\\n","__proto__":"é"}}`);
  assert.equal(entry.time_us, 1_783_175_892_000_000);
});
