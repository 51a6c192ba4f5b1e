import assert from "node:assert/strict";
import { type AnyEvent, eventId, type Origin, toJson } from "../../atproto/event.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { parseEventText } from "./event_text.ts";

const origin: Origin = { source: "jetstream", wire: "v2", host: "h" };
const base = { did: "did:plc:a", time_us: 1725911162329308, origin };
const seq = 17;

const EVENTS: Readonly<Record<string, AnyEvent>> = {
  create: {
    ...base,
    kind: "commit",
    commit: { rev: "3l3", operation: "create", collection: "a.b.c", rkey: "k", record: { x: "ü\u0000" }, cid: "bafy" },
  },
  "row of a file": {
    ...base,
    kind: "commit",
    commit: { operation: "create", collection: "a.b.c", rkey: "k", record: {} },
    enriched: {
      file: "a.db.zip",
      row: 7,
      root: "at://r",
      created_at: "2025-09-09 20:46:41",
      inferences: '{"text":{}}',
    },
  },
  "delete without a rev": {
    ...base,
    seq,
    kind: "commit",
    commit: { operation: "delete", collection: "a.b.c", rkey: "k" },
  },
  identity: { ...base, seq, kind: "identity", identity: { did: "did:plc:a", handle: "a.test", seq: 1, time: "t" } },
  account: { ...base, kind: "account", account: { active: false, did: "did:plc:a", status: "deleted" } },
  sync: { ...base, seq, kind: "sync", sync: { did: "did:plc:a", rev: "3l3", blocks: { $bytes: "AA" } } },
  label: {
    kind: "label",
    time_us: base.time_us,
    seq,
    origin,
    label: { ver: 1, src: "did:plc:l", uri: "at://x", val: "spam", cts: "2024-09-09T19:46:02Z", sig: { $bytes: "AA" } },
  },
  repo: { ...base, kind: "repo", repo: { did: "did:plc:a", head: "bafy", rev: "3l3", active: true } },
};

for (const [name, event] of Object.entries(EVENTS)) {
  Deno.test(`${name}: the text is that of the same event again, and so is its id`, () => {
    const again = parseEventText(toJson(event), origin);
    assert.equal(toJson(again), toJson(event));
    assert.equal(eventId(again), eventId(event));
    const { raw: _, ...members } = again as AnyEvent & { raw?: string };
    assert.deepEqual(members, event);
  });
}

Deno.test("text as it was received passes through byte for byte", () => {
  const raw = `{ "kind":"account","time_us":1,"did":"did:plc:a","account":{"active":true,"did":"did:plc:a"},"more":1 }`;
  assert.equal(toJson(parseEventText(raw, origin)), raw);
});

Deno.test("what is no event of ours is poison", () => {
  const cases: [unknown, string][] = [
    [[], "invalid"],
    [null, "invalid"],
    [{ ...base, kind: "news", news: {} }, "invalid"],
    [{ ...base, kind: "constructor" }, "invalid"],
    [{ ...base, time_us: "1", kind: "identity", identity: {} }, "invalid"],
    [{ ...base, did: undefined, kind: "identity", identity: {} }, "invalid"],
    [{ ...base, kind: "account", account: {} }, "invalid"],
    [{ ...base, kind: "commit", commit: { operation: "create", collection: "a.b.c", rkey: "k" } }, "invalid"],
    [{ ...base, kind: "commit", commit: { operation: "move", collection: "a.b.c", rkey: "k" } }, "invalid"],
    [{ ...base, kind: "commit", commit: { operation: "delete", collection: "a.b.c" } }, "invalid"],
    [{ ...base, kind: "label", label: { src: "did:plc:l", uri: "at://x", val: "spam" } }, "invalid"],
  ];
  const reasonOf = (text: string) => {
    try {
      parseEventText(text, origin);
    } catch (error) {
      if (error instanceof PoisonError) return error.reason;
    }
    return undefined;
  };
  for (const [value, reason] of cases) assert.equal(reasonOf(JSON.stringify(value)), reason, JSON.stringify(value));
  assert.equal(reasonOf("{"), "not_json");
});
