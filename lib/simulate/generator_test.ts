import assert from "node:assert/strict";
import { type AtEvent, eventId } from "../atproto/event.ts";
import { generatedEvents } from "./generator.ts";
import { flat } from "./ids.ts";

const EPOCH = Date.UTC(2026, 0, 1) * 1000;
const origin = { source: "jetstream", wire: "v1", host: "simulate" } as const;
// deno-lint-ignore no-explicit-any
type Any = any;

function* parsed(count: number, options = {}, wire: "v1" | "legacy" | "v2" = "v1"): Generator<Any> {
  const store = generatedEvents({ epoch: EPOCH, rng: 7, ...options });
  for (let i = 1; i <= count; i++) yield JSON.parse(store.read(i, wire, undefined)!);
}

Deno.test("T3: the same number gives the same bytes, another number others", () => {
  const text = (rng: number, wire: "v1" | "v2") => {
    const store = generatedEvents({ epoch: EPOCH, rng });
    return Array.from({ length: 2000 }, (_, n) => store.read(n + 1, wire, undefined)).join("\n");
  };
  assert.equal(text(7, "v1"), text(7, "v1"));
  assert.equal(text(7, "v2"), text(7, "v2"));
  assert.notEqual(text(7, "v1"), text(8, "v1"));
});

Deno.test("T3: events do not depend on the order in which they are asked for", () => {
  const forward = generatedEvents({ epoch: EPOCH }), backward = generatedEvents({ epoch: EPOCH });
  const there = Array.from({ length: 500 }, (_, n) => forward.read(n + 1, "v1", undefined));
  const back = Array.from({ length: 500 }, (_, n) => backward.read(500 - n, "v1", undefined)).reverse();
  assert.deepEqual(back, there);
});

Deno.test("T3: 1,000,000 events have distinct ids and rising times", () => {
  const ids = new Set<string>();
  let last = 0;
  for (const event of parsed(1_000_000)) {
    ids.add(eventId({ ...event, origin } as AtEvent));
    assert.ok(event.time_us > last);
    last = event.time_us;
  }
  assert.equal(ids.size, 1_000_000);
});

Deno.test("collections, operations and kinds are mixed as on the network", () => {
  const count = 100_000, shares = new Map<string, number>();
  const add = (key: string) => shares.set(key, (shares.get(key) ?? 0) + 100 / count);
  for (const event of parsed(count)) {
    add(event.commit?.collection ?? event.kind);
    if (event.commit) add(event.commit.operation);
  }
  const expected = {
    "app.bsky.feed.like": 69,
    "app.bsky.feed.post": 12,
    "app.bsky.feed.repost": 10,
    "app.bsky.graph.follow": 6,
    delete: 3,
    update: 1.3,
    identity: 0.7,
    account: 0.7,
  };
  for (const [key, share] of Object.entries(expected)) {
    const is = shares.get(key) ?? 0;
    assert.ok(Math.abs(is - share) < Math.max(0.2, share * 0.04), `${key}: ${is} %, not ${share} %`);
  }
});

Deno.test("a v1 line has 551 bytes on average", () => {
  const store = generatedEvents({ epoch: EPOCH });
  const encoder = new TextEncoder();
  let bytes = 0;
  for (let i = 1; i <= 50_000; i++) bytes += encoder.encode(store.read(i, "legacy", undefined)).length;
  assert.ok(Math.abs(bytes / 50_000 / 551 - 1) < 0.1, `${bytes / 50_000} bytes`);
});

Deno.test("identifiers, times and links are valid", () => {
  const did = /^did:plc:[a-z2-7]{24}$/, tid = /^[234567abcdefghij][234567a-z]{12}$/;
  const cid = /^bafyrei[a-h][a-z2-7]{50}[aeimquy4]$/, time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
  let subjects = 0;
  for (const { did: who, commit, identity, account } of parsed(20_000)) {
    assert.match(who, did);
    if (identity ?? account) {
      assert.equal((identity ?? account).did, who);
      assert.match((identity ?? account).time, time);
      continue;
    }
    assert.match(commit.rev, tid);
    if (commit.rkey !== "self") assert.match(commit.rkey, tid);
    if (commit.operation === "delete") {
      assert.ok(!("record" in commit) && !("cid" in commit));
      continue;
    }
    assert.match(commit.cid, cid);
    assert.equal(commit.record.$type, commit.collection);
    assert.match(commit.record.createdAt, time);
    const { subject } = commit.record;
    if (subject?.uri) {
      subjects++;
      assert.match(subject.cid, cid);
      assert.match(subject.uri, /^at:\/\/did:plc:[a-z2-7]{24}\/app\.bsky\.feed\.post\/[234567a-z]{13}$/);
    }
  }
  assert.ok(subjects > 10_000);
});

Deno.test("a facet covers the text that it names", () => {
  let facets = 0;
  for (const { commit } of parsed(20_000)) {
    const [facet] = commit?.record?.facets ?? [];
    if (!facet) continue;
    facets++;
    const { byteStart, byteEnd } = facet.index;
    const covered = new TextDecoder().decode(new TextEncoder().encode(commit.record.text).slice(byteStart, byteEnd));
    const [{ tag, uri }] = facet.features;
    assert.equal(covered, tag === undefined ? uri.replace("https://", "") : `#${tag}`);
  }
  assert.ok(facets > 100);
});

Deno.test("a delete means a record that was created before, and no record is deleted twice", () => {
  const created = new Set<string>(), deleted = new Set<string>();
  for (const { did, commit } of parsed(50_000)) {
    if (!commit) continue;
    const uri = `${did}/${commit.collection}/${commit.rkey}`;
    if (commit.operation === "create") {
      assert.ok(!created.has(uri));
      created.add(uri);
    }
    if (commit.operation !== "delete") continue;
    assert.ok(created.has(uri) && !deleted.has(uri), uri);
    deleted.add(uri);
  }
  assert.ok(deleted.size > 1000);
});

Deno.test("the v2 wire tells the same as the v1 wire", () => {
  const v2 = [...parsed(3000, {}, "v2")], v1 = [...parsed(3000)], legacy = [...parsed(3000, {}, "legacy")];
  v2.forEach(({ $type, payload }, n) => {
    const { $type: type, seq, did, time, ...members } = payload;
    const kind = type.replace("network.bsky.jetstream.subscribeEvents#", "");
    const time_us = Date.parse(time.slice(0, 19) + "Z") * 1000 + Number(time.slice(20, 26));
    assert.equal($type, "message");
    assert.deepEqual({ did, time_us, cursor: seq, kind, [kind]: kind === "commit" ? members : members[kind] }, v1[n]);
    const { cursor: _, ...rest } = v1[n];
    assert.deepEqual(legacy[n], rest);
  });
});

Deno.test("--collections: 2 % each besides the usual mix, a wildcard as x.y.thing, usual ones once", () => {
  const collections = ["com.example.note", "org.example.*", "app.bsky.feed.like"];
  const shares = new Map<string, number>();
  for (const { commit } of parsed(50_000, { collections })) {
    if (commit?.operation === "create") shares.set(commit.collection, (shares.get(commit.collection) ?? 0) + 1 / 500);
  }
  for (const name of ["com.example.note", "org.example.thing"]) {
    assert.ok(Math.abs(shares.get(name)! - 2) < 0.3, `${name}: ${shares.get(name)} %`);
  }
  assert.ok(shares.get("app.bsky.feed.like")! < 67);
});

Deno.test("--accounts bounds the accounts; --count the events", () => {
  assert.equal(new Set([...parsed(5000, { accounts: 10 })].map((event) => event.did)).size, 10);
  assert.equal(generatedEvents({ count: 5 }).last, 5);
  assert.equal(generatedEvents().last, Infinity);
});

Deno.test("epoch now: an event keeps the time, rkey and rev that it was first read with", () => {
  const store = generatedEvents();
  const before = Date.now() * 1000;
  const first = store.read(1, "v1", undefined), second = store.read(2, "v1", undefined);
  const [a, b] = [JSON.parse(first!), JSON.parse(second!)];
  assert.ok(a.time_us >= before && b.time_us > a.time_us && b.commit.rev > a.commit.rev);
  assert.equal(store.read(1, "v1", undefined), first);
  assert.equal(store.byTime(b.time_us), 2);
  assert.equal(store.bySeq(99), 99);
});

Deno.test("a text is the same after it was laid out", () => {
  const parts = ["at", "did:plc:", "x".repeat(20)];
  assert.equal(flat(parts.join("") + parts[1]!), "atdid:plc:xxxxxxxxxxxxxxxxxxxxdid:plc:");
});
