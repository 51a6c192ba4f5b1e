import assert from "node:assert/strict";
import { realTest } from "../../tests/support/real_data.ts";
import { type AtEvent, atUri, type CommitEvent, dedupeKey, eventId, type LabelEvent, toJson } from "./event.ts";

const origin = { source: "jetstream", wire: "v2", host: "h" } as const;
const commit: CommitEvent = {
  did: "did:plc:a",
  time_us: 1783175888000000,
  seq: 7,
  kind: "commit",
  commit: { rev: "3k", operation: "create", collection: "a.b.c", rkey: "r", record: { z: 1, a: 2 }, cid: "bafy" },
  origin,
};

Deno.test("toJson prints v1's members in v1's order, and an absent cursor not at all", () => {
  const body =
    '"commit":{"rev":"3k","operation":"create","collection":"a.b.c","rkey":"r","record":{"z":1,"a":2},"cid":"bafy"}';
  assert.equal(toJson(commit), `{"did":"did:plc:a","time_us":1783175888000000,"cursor":7,"kind":"commit",${body}}`);
  const { seq: _, ...legacy } = commit;
  assert.equal(toJson(legacy), `{"did":"did:plc:a","time_us":1783175888000000,"kind":"commit",${body}}`);
  assert.equal(toJson({ ...commit, raw: "as it came" }), "as it came");
});

Deno.test("toJson of the other kinds", () => {
  const base = { did: "did:plc:a", time_us: 1, origin };
  const events: [AtEvent, string][] = [
    [{ ...base, kind: "identity", identity: { did: "did:plc:a" } }, '"kind":"identity","identity":{"did":"did:plc:a"}'],
    [
      { ...base, kind: "account", account: { active: true, did: "d" } },
      '"kind":"account","account":{"active":true,"did":"d"}',
    ],
    [{ ...base, kind: "sync", sync: { did: "d", rev: "3k" } }, '"kind":"sync","sync":{"did":"d","rev":"3k"}'],
  ];
  for (const [event, text] of events) assert.equal(toJson(event), `{"did":"did:plc:a","time_us":1,${text}}`);
  const label: LabelEvent["label"] = { src: "did:plc:l", uri: "at://x", val: "spam", cts: "2026-01-01T00:00:00Z" };
  assert.equal(
    toJson({ kind: "label", time_us: 5, seq: 2, origin, label }),
    '{"time_us":5,"seq":2,"kind":"label","label":{"src":"did:plc:l","uri":"at://x","val":"spam","cts":"2026-01-01T00:00:00Z"}}',
  );
  assert.equal(
    toJson({ kind: "repo", did: "d", time_us: 5, origin, repo: { did: "d", rev: "3k" } }),
    '{"did":"d","time_us":5,"kind":"repo","repo":{"did":"d","rev":"3k"}}',
  );
});

Deno.test("a dedupe key takes the next best where a member is missing", () => {
  const { rev: _, ...noRev } = commit.commit;
  const { cid: __, ...neither } = noRev;
  assert.equal(dedupeKey(commit), "did:plc:a\na.b.c\nr\n3k\ncreate");
  assert.equal(dedupeKey({ ...commit, commit: noRev }), "did:plc:a\na.b.c\nr\nbafy\ncreate");
  assert.equal(dedupeKey({ ...commit, commit: neither }), "did:plc:a\na.b.c\nr\n1783175888000000\ncreate");
  const account = { did: "d", time_us: 9, origin, kind: "account" } as const;
  assert.equal(dedupeKey({ ...account, account: { active: true, did: "d", seq: 4, time: "t" } }), "account\nd\n4");
  assert.equal(dedupeKey({ ...account, account: { active: true, did: "d", time: "t" } }), "account\nd\nt");
  assert.equal(dedupeKey({ ...account, account: { active: true, did: "d" } }), "account\nd\n9");
  assert.equal(
    dedupeKey({ did: "d", time_us: 9, origin, kind: "identity", identity: { did: "d", seq: 4 } }),
    "identity\nd\n4",
  );
  assert.equal(dedupeKey({ did: "d", time_us: 9, origin, kind: "sync", sync: { did: "d", rev: "3k" } }), "sync\nd\n3k");
});

Deno.test("operations of one commit are different events, copies by other wires and hosts are not", () => {
  const other = { ...commit, time_us: 5, seq: 1, origin: { source: "firehose", wire: "relay", host: "i" } as const };
  assert.equal(eventId(commit), eventId(other));
  assert.notEqual(eventId(commit), eventId({ ...commit, commit: { ...commit.commit, rkey: "s" } }));
  assert.notEqual(eventId(commit), eventId({ ...commit, commit: { ...commit.commit, operation: "update" } }));
  assert.equal(atUri(commit), "at://did:plc:a/a.b.c/r");
});

realTest("J14: event ids of real events", ["expected_v1.jsonl"], async ([path]) => {
  const lines = (await Deno.readTextFile(path!)).trim().split("\n");
  const ids = lines.map((line) => eventId({ ...JSON.parse(line), origin } as AtEvent));
  assert.equal(ids[0], "2957cf6d82e107254d330f62f19e1429");
  assert.equal(ids[150], "644947a523ac21d67c08a66a3a920fb0");
  assert.equal(ids[151], "eb5ce65b8d17f981486757ff50ecbee4");
  assert.equal(new Set(ids).size, 152);
});
