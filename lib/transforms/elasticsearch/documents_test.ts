import assert from "node:assert/strict";
import type { LabelEvent, RepoEvent } from "../../atproto/event.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import * as documents from "./documents.ts";
import { A, B, commit, LIKE, NOW_TEXT, ORIGIN, S, TIME_US } from "./test_events.ts";

const CREATED = "2025-10-30T12:34:56.789Z", WITNESSED = "2025-11-26T19:04:43.593Z";
const uri = (collection: string) => `at://${A}/${collection}/3m4fxx2ps6222`;
const refused = (reason: string) => (error: unknown) => error instanceof PoisonError && error.reason === reason;

Deno.test("E70: a like, keys in their order", () => {
  const record = { $type: LIKE, createdAt: CREATED, subject: { cid: "bafy", uri: S } };
  assert.equal(
    documents.likeBody(commit({ record }), uri(LIKE), NOW_TEXT),
    `{"uri":"${
      uri(LIKE)
    }","subject_uri":"${S}","author_did":"${A}","created_at":"${CREATED}","indexed_at":"${NOW_TEXT}"}`,
  );
});

Deno.test("E72, E73: created_at is the author's, else time_us", () => {
  const read = (createdAt: unknown) => {
    const record = { subject: { uri: S }, createdAt };
    return JSON.parse(documents.likeBody(commit({ record }), uri(LIKE), NOW_TEXT)).created_at;
  };
  assert.equal(read("2025-10-30T14:34:56+02:00"), "2025-10-30T14:34:56+02:00");
  assert.equal(read("2025-10-30 12:34:56"), "2025-10-30T12:34:56.000Z");
  for (const none of [undefined, "", "not-a-date", 1764183883]) assert.equal(read(none), WITNESSED);
});

Deno.test("E74: a subject that is no URI or DID is refused", () => {
  const long = "at://".padEnd(8192, "r");
  const bad = [
    undefined,
    null,
    "",
    5,
    "https://example.com/",
    "did:plc:x",
    ["at://x"],
    `${long}r`,
    "at://".padEnd(9000, "r"),
  ];
  const bodies = [documents.likeBody, documents.repostBody];
  for (const body of bodies) {
    for (const value of bad) {
      assert.throws(
        () => body(commit({ record: { subject: { uri: value } } }), "at://x", NOW_TEXT),
        refused("bad_subject"),
      );
      assert.throws(() => body(commit({ record: { subject: value } }), "at://x", NOW_TEXT), refused("bad_subject"));
    }
    assert.equal(
      JSON.parse(body(commit({ record: { subject: { uri: long } } }), "at://x", NOW_TEXT)).subject_uri,
      long,
    );
    assert.throws(() => body(commit({ operation: "create" }), "at://x", NOW_TEXT), refused("bad_record"));
  }
  const did = "did:".padEnd(2048, "x");
  const follow = (subject: unknown) => documents.relationBody(commit({ record: { subject } }), "at://x", NOW_TEXT);
  assert.equal(JSON.parse(follow(did)).subject_did, did);
  for (const value of [undefined, "", 5, S, `${did}x`, { uri: B }, "é".repeat(1100)]) {
    assert.throws(() => follow(value), refused("bad_subject"));
  }
});

Deno.test("E81: reposts, follows and blocks", () => {
  const repost = commit({ record: { subject: { uri: S }, createdAt: CREATED } });
  assert.equal(
    documents.repostBody(repost, uri("app.bsky.feed.repost"), NOW_TEXT),
    `{"at_uri":"${uri("app.bsky.feed.repost")}","subject_uri":"${S}","author_did":"${A}",` +
      `"created_at":"${CREATED}","indexed_at":"${NOW_TEXT}"}`,
  );
  assert.equal(
    documents.relationBody(
      commit({ record: { subject: B, createdAt: CREATED } }),
      uri("app.bsky.graph.block"),
      NOW_TEXT,
    ),
    `{"at_uri":"${uri("app.bsky.graph.block")}","author_did":"${A}","subject_did":"${B}",` +
      `"created_at":"${CREATED}","indexed_at":"${NOW_TEXT}"}`,
  );
});

Deno.test("lone surrogates of a subject are replaced", () => {
  const body = documents.likeBody(commit({ record: { subject: { uri: `${S}\ud800` } } }), uri(LIKE), NOW_TEXT);
  assert.equal(JSON.parse(body).subject_uri, `${S}\ufffd`);
});

/** An object or an array in which so many levels are nested. */
function nested(levels: number): Record<string, unknown> {
  let value: Record<string, unknown> = {};
  for (let level = 1; level < levels; level++) {
    value = level % 2 && level < levels - 1 ? [value] as never : { v: value };
  }
  return value;
}

Deno.test("E81: a record of another collection, whatever it contains", () => {
  const record = { "a.b": 1, "": [[[]], [null, true]], createdAt: CREATED, nested: nested(500), "\ud800": "\ud800" };
  const event = commit({ collection: "x.y.z", rkey: "self", cid: "bafy", rev: "3m4fxx2flkc2p", record });
  assert.equal(
    documents.recordBody(event, "at://x", NOW_TEXT),
    `{"at_uri":"at://x","author_did":"${A}","collection":"x.y.z","rkey":"self","cid":"bafy","rev":"3m4fxx2flkc2p",` +
      `"created_at":"${CREATED}","indexed_at":"${NOW_TEXT}","record":${JSON.stringify(record)}}`,
  );
});

Deno.test("a record's created_at is left out where createdAt is no time, cid and rev where there are none", () => {
  for (const createdAt of [undefined, "soon", 5, { seconds: 1 }]) {
    const record = createdAt === undefined ? {} : { createdAt };
    assert.equal(
      documents.recordBody(commit({ collection: "x.y.z", rkey: "k", record }), "at://x", NOW_TEXT),
      `{"at_uri":"at://x","author_did":"${A}","collection":"x.y.z","rkey":"k","indexed_at":"${NOW_TEXT}",` +
        `"record":${JSON.stringify(record)}}`,
    );
  }
  const repaired = documents.recordBody(commit({ record: { createdAt: "2025-10-30" } }), "at://x", NOW_TEXT);
  assert.equal(JSON.parse(repaired).created_at, "2025-10-30T00:00:00.000Z");
});

Deno.test("E81: 900 levels are written, more are too deep, 100,000 no stack overflow", () => {
  const body = (levels: number) => documents.recordBody(commit({ record: nested(levels) }), "at://x", NOW_TEXT);
  assert.equal(body(900).match(/[[{]/g)?.length, 901);
  for (const levels of [901, 1200, 100_000]) assert.throws(() => body(levels), refused("too_deep"));
});

Deno.test("E34: a number that JSON lacks is refused, a record that is no object too", () => {
  for (const value of [NaN, Infinity, -Infinity]) {
    const record = { a: [1, { b: value }] };
    assert.throws(() => documents.recordBody(commit({ record }), "at://x", NOW_TEXT), refused("not_finite"));
  }
  for (const record of [undefined, null, [], "text"]) {
    const event = commit({ record: record as never });
    assert.throws(() => documents.recordBody(event, "at://x", NOW_TEXT), refused("bad_record"));
  }
});

Deno.test("what is left of a deleted post", () => {
  assert.equal(
    documents.tombstoneBody(commit({ operation: "delete" }), "at://x", NOW_TEXT),
    `{"at_uri":"at://x","author_did":"${A}","deleted_at":"${WITNESSED}","indexed_at":"${NOW_TEXT}"}`,
  );
});

Deno.test("E84: accounts and identities, with and without what may be absent", () => {
  const base = { did: A, time_us: TIME_US, origin: ORIGIN };
  const times = `"event_at":"${WITNESSED}","indexed_at":"${NOW_TEXT}"`;
  const account = (status?: string) =>
    documents.accountBody(
      { ...base, kind: "account", account: { active: status === undefined, did: A, ...(status && { status }) } },
      NOW_TEXT,
    );
  assert.equal(account(), `{"did":"${A}","active":true,${times}}`);
  assert.equal(account("suspended"), `{"did":"${A}","active":false,"status":"suspended",${times}}`);
  const identity = (handle?: string) =>
    documents.identityBody(
      { ...base, kind: "identity", identity: { did: A, ...(handle !== undefined && { handle }) } },
      NOW_TEXT,
    );
  for (const none of [undefined, ""]) assert.equal(identity(none), `{"did":"${A}",${times}}`);
  assert.equal(identity("a.example"), `{"did":"${A}","handle":"a.example",${times}}`);
});

Deno.test("E85: labels, with and without what may be absent", () => {
  const body = (label: Partial<LabelEvent["label"]>) =>
    documents.labelBody({
      kind: "label",
      time_us: TIME_US,
      origin: ORIGIN,
      label: { src: B, uri: S, val: "spam", cts: CREATED, ...label },
    }, NOW_TEXT);
  const end = `"indexed_at":"${NOW_TEXT}"}`;
  assert.equal(body({}), `{"src":"${B}","uri":"${S}","val":"spam","neg":false,"cts":"${CREATED}",${end}`);
  assert.equal(
    body({ cid: "bafy", neg: true, exp: "2027-01-01T00:00:00Z" }),
    `{"src":"${B}","uri":"${S}","cid":"bafy","val":"spam","neg":true,"cts":"${CREATED}","exp":"2027-01-01T00:00:00Z",${end}`,
  );
  const odd = JSON.parse(body({ cts: "soon", exp: "never" }));
  assert.deepEqual([odd.cts, "exp" in odd], [WITNESSED, false]);
});

Deno.test("repos of a list, with and without what may be absent", () => {
  const body = (repo: Partial<RepoEvent["repo"]>) =>
    documents.repoBody({ kind: "repo", did: A, time_us: TIME_US, origin: ORIGIN, repo: { did: A, ...repo } }, NOW_TEXT);
  const end = `"listed_at":"${WITNESSED}","indexed_at":"${NOW_TEXT}"}`;
  assert.equal(body({}), `{"did":"${A}","host":"h",${end}`);
  assert.equal(
    body({ status: "takendown", active: false, rev: "3k", head: "bafy" }),
    `{"did":"${A}","host":"h","head":"bafy","rev":"3k","active":false,"status":"takendown",${end}`,
  );
});
