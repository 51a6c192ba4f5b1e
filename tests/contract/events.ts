/**
 * Events that a sink must cope with.
 *
 * @module
 */
import type { AnyEvent, CommitEvent, Origin } from "../../lib/atproto/event.ts";

const ORIGIN: Origin = Object.freeze({ source: "jetstream", wire: "v2", host: "h.example" });
const DID = "did:plc:abcdefghijklmnopqrstuvwx";
const START_US = 1_783_175_892_000_000;

/** The `i`-th of a row of creates, one a millisecond. */
export function post(i: number, record: Record<string, unknown> = { text: `post ${i}` }): CommitEvent {
  return {
    kind: "commit",
    did: DID,
    time_us: START_US + i * 1000,
    seq: i + 1,
    origin: ORIGIN,
    commit: {
      rev: `3kabc${String(i).padStart(8, "2")}`,
      operation: "create",
      collection: "app.bsky.feed.post",
      rkey: `r${i}`,
      record: { $type: "app.bsky.feed.post", ...record },
      cid: "bafyreib",
    },
  };
}

/** `count` posts from `from` on. */
export function posts(count: number, from = 0): CommitEvent[] {
  return Array.from({ length: count }, (_, i) => post(from + i));
}

/** Text as a v1 server sent it. */
export function received(raw: string): AnyEvent {
  return { ...post(0, JSON.parse(raw)), origin: { ...ORIGIN, wire: "v1" }, raw };
}

/** One event of every kind, with and without what may be absent. */
export const EVERY_KIND: readonly AnyEvent[] = [
  post(1),
  { ...post(2), commit: { ...post(2).commit, operation: "update" } },
  {
    kind: "commit",
    did: DID,
    time_us: START_US,
    origin: ORIGIN,
    commit: { operation: "delete", collection: "app.bsky.feed.like", rkey: "x" },
  },
  {
    kind: "identity",
    did: DID,
    time_us: START_US,
    origin: ORIGIN,
    identity: { did: DID, handle: "a.example", seq: 1 },
  },
  { kind: "identity", did: DID, time_us: START_US, origin: ORIGIN, identity: { did: DID } },
  {
    kind: "account",
    did: DID,
    time_us: START_US,
    origin: ORIGIN,
    account: { active: false, did: DID, status: "of-tomorrow" },
  },
  {
    kind: "sync",
    did: DID,
    time_us: START_US,
    origin: ORIGIN,
    sync: { did: DID, rev: "3k", blocks: { $bytes: "AA" } },
  },
  {
    kind: "label",
    time_us: START_US,
    seq: 5,
    origin: { ...ORIGIN, source: "labeler", wire: "relay" },
    label: { src: DID, uri: `at://${DID}/a.b.c/d`, val: "!hide", neg: true, cts: "2026-07-04T14:38:12.000Z" },
  },
  {
    kind: "repo",
    did: DID,
    time_us: START_US,
    origin: { ...ORIGIN, source: "backfill", wire: "repo" },
    repo: { did: DID, head: "bafyreia", rev: "3k", active: true },
  },
];

/** Strings that mean something to somebody. */
const HOSTILE = [
  "\0",
  "a\0b",
  "line\nfeed\r\n\u2028\u2029\u0085",
  `'"\`\\ -- ; DROP TABLE events; /* $(true) %s {0} ?1 :a @b`,
  "\ud800 lone \udc00 surrogates \udfff",
  "\ufeff\ufffe\uffff\u202e\u200d",
  "😀 e\u0301 ﷽ 🏳️‍🌈",
  "__proto__",
  "NULL",
  "",
  "\u001b[31m\u0007\u007f",
  "</script><!--]]>",
  "é".repeat(500_000),
];

/** Each hostile string as a value, a member's name, a key; and text as received that no printer would print so. */
export const HOSTILE_EVENTS: readonly AnyEvent[] = [
  ...HOSTILE.map((text, i) => post(i, { text })),
  ...HOSTILE.map((text, i) => post(i, { [text]: { [text]: [text] } })),
  ...HOSTILE.map((text, i) => ({ ...post(i), did: text, commit: { ...post(i).commit, rkey: text, collection: text } })),
  received(`{ "a" : 1.0,"a":1e2, "b":"\\u00e9\\/", "c":12345678901234567890 }`),
  received(`{"a":\r\n\t1}`),
  received(`{"a":`.repeat(10_001) + "0" + "}".repeat(10_001)),
];
