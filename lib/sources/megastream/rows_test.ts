import { deepEqual, equal, ok } from "node:assert/strict";
import { toJson } from "../../atproto/event.ts";
import { toWrites } from "../../transforms/elasticsearch/writes.ts";
import type { Row } from "./files.ts";
import { readRow } from "./rows.ts";
import {
  DELETE,
  DID,
  eventOf,
  FILE,
  OPTIONS,
  postRow,
  read,
  rejects,
  RKEY,
  rowOf,
  type RowParts,
  stateRow,
  TIME_US,
  URI,
  whatOf,
} from "./test_rows.ts";

/** The times in the key and in the rev of `postRow()`. */
const KEY_TIME_US = 1783175887502441, REV_TIME_US = 1783175887514441;

Deno.test("a post is an event of v1's shape that knows its file and row", () => {
  const { event, what } = read(postRow({ row: { inferences: '{"text": {}}' } }));
  equal(what, "post");
  equal(event.origin, OPTIONS.origin);
  equal(
    toJson(event),
    `{"did":"${DID}","time_us":${TIME_US},"kind":"commit","commit":{"rev":"3mptbypluud2a","operation":"create",` +
      `"collection":"app.bsky.feed.post","rkey":"${RKEY}","record":{"$type":"app.bsky.feed.post","text":"hello",` +
      `"createdAt":"2025-09-09T20:46:41.000Z"},"cid":"bafyrei"},"enriched":{"file":"${FILE}","row":7,` +
      `"created_at":"2025-09-09 20:47:00","inferences":"{\\"text\\": {}}"}}`,
  );
});

Deno.test("a row of the override kind, without rev and cid, is an event without them", () => {
  const { commit } = eventOf({ commit: { rev: undefined, cid: null } });
  deepEqual(Object.keys(commit), ["operation", "collection", "rkey", "record"]);
});

Deno.test("M14: where nothing else tells a post's time, the file's does; then now", () => {
  const none = { message: { time_us: null }, commit: { rkey: "self" }, row: { at_uri: null, created_at: null } };
  equal(eventOf(none).time_us, OPTIONS.fileTimeUs);
  equal(eventOf(none, { ...OPTIONS, fileTimeUs: 0 }).time_us, 1_800_000_000_000_000);
});

Deno.test("a post's time: message.time_us, then when the row was enriched, then its key's", () => {
  equal(eventOf({}).time_us, TIME_US);
  const enrichedAt = Date.parse("2025-09-09T20:47:00Z") * 1000;
  for (const time_us of [undefined, null, "1757450801618621", 1.5, 0, -1, 1e30]) {
    equal(eventOf({ message: { time_us } }).time_us, enrichedAt);
  }
  equal(
    eventOf({ message: { time_us: 0 }, row: { created_at: "2025-09-09 20:47:00.25" } }).time_us,
    enrichedAt + 250_000,
  );
  for (const created_at of [null, "", "soon", "2025-02-30 00:00:00", 5]) {
    equal(eventOf({ message: { time_us: 0 }, row: { created_at } }).time_us, KEY_TIME_US);
  }
});

Deno.test("M15: a deleted account is an account deletion", () => {
  const account = { active: false, did: DID, seq: 5, status: "deleted", time: "2025-09-09T20:46:41Z" };
  const { event, what } = read(stateRow({ kind: "account", account }));
  equal(what, "account_deletion");
  deepEqual(event, {
    did: DID,
    time_us: TIME_US,
    kind: "account",
    account,
    origin: OPTIONS.origin,
    enriched: { file: FILE, row: 7, created_at: "2025-09-09 20:47:00" },
  });
});

Deno.test("M15: other accounts are skipped, a takendown one is purged where that is asked for", () => {
  const row = (active: unknown, status?: unknown) =>
    stateRow({ kind: "account", account: { active, did: DID, status } });
  const skipped = [row(false, "deactivated"), row(true), row(true, "deleted"), row(undefined, "deleted"), row(false)];
  for (const each of [...skipped, row(false, "takendown"), row(false, ["deleted"]), stateRow({ kind: "account" })]) {
    deepEqual(readRow(each, OPTIONS), { skip: "account" });
  }
  const both = { ...OPTIONS, purgeAccounts: ["deleted", "takendown"] };
  equal(read(row(false, "takendown"), both).what, "account_deletion");
  equal(read(row(false, "deleted"), both).what, "account_deletion");
  deepEqual(readRow(row(false, "deleted"), { ...OPTIONS, purgeAccounts: [] }), { skip: "account" });
});

Deno.test("an account deletion takes its DID from wherever it stands; one that names none or two is rejected", () => {
  const account = { active: false, status: "deleted" };
  const row = (message: unknown, inner: unknown, column: unknown) =>
    stateRow({ kind: "account", did: message, account: { ...account, did: inner } }, { did: column });
  for (const each of [row(DID, null, null), row(null, DID, ""), row("", undefined, DID)]) {
    const { event } = read(each);
    deepEqual([event.did, event.kind === "account" && event.account.did], [DID, DID]);
  }
  const other = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
  for (const each of [row(null, "", null), row("nobody", null, null), row(5, null, null), row(DID, other, DID)]) {
    rejects(each, "no_did");
  }
});

Deno.test("the time of an account deletion: message.time_us, then when the row was enriched, then the file's", () => {
  const timeOf = (row: Partial<Row>, time_us?: unknown) =>
    read(stateRow({ kind: "account", account: { active: false, status: "deleted" }, time_us }, row)).event.time_us;
  equal(timeOf({}, TIME_US), TIME_US);
  equal(timeOf({}), Date.parse("2025-09-09T20:47:00Z") * 1000);
  equal(timeOf({ created_at: null }), OPTIONS.fileTimeUs);
});

Deno.test("M16: a delete's time is message.time_us, in whatever zone the machine is", () => {
  const before = Deno.env.get("TZ");
  try {
    for (const zone of ["UTC", "Europe/Berlin"]) {
      Deno.env.set("TZ", zone);
      equal(new Date(TIME_US / 1000).getTimezoneOffset(), zone === "UTC" ? 0 : -120);
      const { event, what } = read(postRow({ commit: { ...DELETE, rev: "3mptbypluud2a" } }));
      deepEqual([what, event.time_us], ["delete", TIME_US]);
      const [tombstone] = toWrites(event, { deletes: "apply", purgeAccounts: [] });
      equal(JSON.parse(tombstone!.body!).deleted_at, "2025-09-09T20:46:41.618Z");
      equal(eventOf({ message: { time_us: null } }).time_us, Date.parse("2025-09-09T20:47:00Z") * 1000);
    }
  } finally {
    if (before === undefined) Deno.env.delete("TZ");
    else Deno.env.set("TZ", before);
  }
});

Deno.test("M17: a delete without time_us has its rev's time, without both it is of now", () => {
  const commit = { ...DELETE, rev: "3mptbypluud2a" };
  equal(eventOf({ commit, message: { time_us: null } }).time_us, REV_TIME_US);
  equal(eventOf({ commit: { ...commit, rev: undefined }, message: { time_us: null } }).time_us, 1_800_000_000_000_000);
});

Deno.test("a delete is an event without a record, hydration or inferences", () => {
  const hydrated = { parent_post: { uri: "at://p" } };
  const { event } = read(postRow({ commit: DELETE, hydrated, row: { inferences: "{" } }));
  deepEqual(event, {
    did: DID,
    time_us: TIME_US,
    kind: "commit",
    commit: { rev: "3mptbypluud2a", operation: "delete", collection: "app.bsky.feed.post", rkey: RKEY },
    origin: OPTIONS.origin,
    enriched: { file: FILE, row: 7, created_at: "2025-09-09 20:47:00" },
  });
});

Deno.test("M18: bad_raw_post and bad_commit", () => {
  const texts = [null, "", "{}", "[]", "null", "{", "[1]", '{"message":null}', '{"message":[]}', '{"message":"x"}'];
  for (const text of texts) rejects(rowOf(text), "bad_raw_post");
  for (const message of ['{"kind":"commit"}', '{"kind":"commit","commit":[]}', '{"kind":"commit","commit":{}}']) {
    rejects(rowOf(`{"message":${message}}`), "bad_commit");
  }
  rejects(postRow({ commit: { operation: 5 } }), "bad_commit");
});

Deno.test("M27: a reply is what hydration calls one", () => {
  const parent_post = { uri: "at://did:plc:a/app.bsky.feed.post/p" }, reply_post = { uri: "at://did:plc:a/x/r" };
  equal(whatOf({ hydrated: { parent_post } }), "reply");
  equal(whatOf({ hydrated: { reply_post } }), "reply");
  equal(whatOf({ hydrated: { parent_post, reply_post } }), "reply");
  equal(whatOf({ hydrated: { parent_post: null, reply_post: {}, quote_post: { uri: "at://q" } } }), "post");
  deepEqual(eventOf({ hydrated: { parent_post, reply_post, quote_post: { uri: "at://q" }, user: {} } }).enriched, {
    file: FILE,
    row: 7,
    root: reply_post.uri,
    parent: parent_post.uri,
    quote: "at://q",
    created_at: "2025-09-09 20:47:00",
  });
});

for (
  const hydrated of [null, "x", [], { parent_post: "x", reply_post: [], quote_post: { uri: 5 } }, {
    parent_post: { uri: "" },
  }]
) {
  Deno.test(`hydration without a URI is none: ${JSON.stringify(hydrated)}`, () => {
    equal(whatOf({ hydrated }), "post");
    deepEqual(eventOf({ hydrated }).enriched, { file: FILE, row: 7, created_at: "2025-09-09 20:47:00" });
  });
}

Deno.test("M28: a reply is what its record calls one, its URIs stay in the record", () => {
  const root = { uri: "at://r", cid: "c" }, parent = { uri: "at://p", cid: "c" };
  for (const reply of [{ root }, { parent }, { root, parent }]) {
    equal(whatOf({ record: { reply } }), "reply");
    deepEqual(eventOf({ record: { reply } }).commit.record!.reply, reply);
    equal(eventOf({ record: { reply } }).enriched!.parent, undefined);
  }
  for (const reply of [null, "x", {}, { root: { uri: "" } }, { parent: { uri: 5 } }]) {
    equal(whatOf({ record: { reply } }), "post");
  }
});

Deno.test("M32: an update is a post", () => {
  const { event, what } = read(postRow({ commit: { operation: "update" } }));
  deepEqual([what, event.kind === "commit" && event.commit.operation], ["post", "update"]);
});

Deno.test("identity rows and unknown kinds are skipped; a commit without a kind is one", () => {
  deepEqual(readRow(stateRow({ kind: "identity", identity: {} }), OPTIONS), { skip: "identity" });
  for (const kind of ["sync", "", 5, undefined]) {
    deepEqual(readRow(stateRow({ kind }), OPTIONS), { skip: "other_kind" });
  }
  equal(whatOf({ message: { kind: undefined } }), "post");
  deepEqual(readRow(postRow({ message: { kind: "sync" } }), OPTIONS), { skip: "other_kind" });
});

Deno.test("bad_operation and bad_record", () => {
  rejects(postRow({ commit: { operation: "upsert" } }), "bad_operation");
  for (const record of [null, undefined, "x", [], 5]) rejects(postRow({ commit: { record } }), "bad_record");
  for (const $type of ["app.bsky.feed.like", null, 5]) rejects(postRow({ record: { $type } }), "bad_record");
  equal(whatOf({ record: { $type: undefined } }), "post");
});

Deno.test("M36: NULL in each column", () => {
  equal(whatOf({ row: { at_uri: null } }), "post");
  equal(whatOf({ row: { did: null } }), "post");
  rejects(rowOf(null), "bad_raw_post");
  equal(eventOf({ row: { inferences: null } }).enriched!.inferences, undefined);
  equal("created_at" in eventOf({ row: { created_at: null } }).enriched!, false);
});

Deno.test("M36: a needed column of another type is rejected, and the dead letter can print it", () => {
  for (const value of [new Uint8Array([1, 2, 255]), 5, 5n, 1.5]) {
    for (const column of ["at_uri", "did", "raw_post"]) {
      const { detail } = rejects(postRow({ row: { [column]: value } }), "bad_type");
      const shown = value instanceof Uint8Array ? { $bytes: "AQL/" } : typeof value === "bigint" ? "5" : value;
      deepEqual(JSON.parse(JSON.stringify(detail))[column], shown);
    }
  }
});

Deno.test("the first condition that applies decides", () => {
  const blob = new Uint8Array(1);
  rejects(rowOf("x".repeat(17 << 20), { did: blob }), "bad_type");
  rejects(stateRow({ kind: "identity" }, { at_uri: blob }), "bad_type");
  rejects(postRow({ commit: { collection: "app.bsky.feed.like", operation: 5 } }), "bad_commit");
  deepEqual(readRow(postRow({ commit: { collection: "x.y.z", operation: "upsert" } }), OPTIONS), {
    skip: "other_collection",
  });
  rejects(postRow({ commit: { operation: "upsert", rkey: "3other" } }), "uri_mismatch");
  rejects(postRow({ commit: { operation: "upsert", record: null } }), "bad_operation");
});

Deno.test("too_large: raw_post of more than 16 MiB, counted in bytes", () => {
  const padded = (filler: string, bytes: number) => {
    const text = postRow().raw_post as string;
    const room = bytes - text.length;
    const size = new TextEncoder().encode(filler).length;
    return text.replace("hello", "hello" + filler.repeat(Math.floor(room / size)) + "x".repeat(room % size));
  };
  for (const filler of ["x", "\u65e5"]) {
    equal(read(rowOf(padded(filler, 16 << 20))).what, "post");
    const { detail } = rejects(rowOf(padded(filler, (16 << 20) + 1)), "too_large");
    const kept = detail!.raw_post as string;
    const bytes = new TextEncoder().encode(kept).length;
    ok(bytes <= 1 << 20 && bytes > (1 << 20) - 3, `${bytes} bytes kept`);
    ok(padded(filler, (16 << 20) + 1).startsWith(kept));
  }
});

Deno.test("a rejected row tells the dead letter where it is and what it was", () => {
  const row = rowOf('{"message":5}', { did: null });
  deepEqual(rejects(row, "bad_raw_post").detail, {
    wire: "row",
    host: FILE,
    row: 7,
    at_uri: URI,
    did: null,
    raw_post: '{"message":5}',
  });
});

Deno.test("inferences are the column's text as it stands; NULL there, those in raw_post; undefined, none are wanted", () => {
  const inside = { post: { inferences: { video: {} } } };
  const of = (parts: RowParts) => eventOf(parts).enriched!.inferences;
  equal(of({ ...inside, row: { inferences: ' {"a" : 1}' } }), ' {"a" : 1}');
  equal(of(inside), '{"video":{}}');
  equal(of({ ...inside, row: { inferences: undefined } }), undefined);
  for (const inferences of [null, undefined]) equal(of({ post: { inferences } }), undefined);
});

Deno.test("a post with inferences that are no JSON object is kept without them, and says so", () => {
  const of = (parts: RowParts) => {
    const { event, what, badInferences } = read(postRow(parts));
    deepEqual([what, event.enriched!.inferences], ["post", undefined]);
    return badInferences;
  };
  const inside = { post: { inferences: {} } };
  for (const inferences of ["", "{", "[]", "null", "5", 5, new Uint8Array(2), `"${"x".repeat(17 << 20)}"`]) {
    equal(of({ ...inside, row: { inferences } }), true);
  }
  for (const inferences of [[], "x", 5, false]) equal(of({ post: { inferences } }), true);
  equal(of({}), undefined);
});
