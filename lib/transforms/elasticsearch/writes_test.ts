import assert from "node:assert/strict";
import fc from "fast-check";
import { SEED } from "../../../tests/support/pipeline_ends.ts";
import { realTest } from "../../../tests/support/real_data.ts";
import type { AnyEvent, AtEvent, Commit } from "../../atproto/event.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { createPostCounters } from "../posts.ts";
import { type Kind, KINDS } from "./kinds.ts";
import { A, B, commit, LIKE, NOW, NOW_TEXT, ORIGIN, POST, RKEY, S, TIME_US } from "./test_events.ts";
import { accepts, type DocumentOptions, purgeOf, toWrites, type Write } from "./writes.ts";

const options: DocumentOptions = { deletes: "apply", purgeAccounts: [], now: () => NOW };
const REV = "3m4fxx2flkc2p", REV_US = 1761827696789000;
const versionAt = (us: number, rank: number) => String(BigInt(us) * 1024n + BigInt(rank));

const base = { did: A, time_us: TIME_US, origin: ORIGIN };
const account = (active: boolean, status?: string): AnyEvent => ({
  ...base,
  kind: "account",
  account: { active, did: A, ...(status !== undefined && { status }) },
});
const identity: AnyEvent = { ...base, kind: "identity", identity: { did: A } };
const sync: AnyEvent = { ...base, kind: "sync", sync: { did: A, rev: REV } };
const repo: AnyEvent = { ...base, kind: "repo", repo: { did: A, rev: REV } };
const label: AnyEvent = {
  kind: "label",
  time_us: TIME_US,
  origin: ORIGIN,
  label: { src: B, uri: S, val: "spam", cts: "2025-11-26T19:04:43.593160Z" },
};
const RECORDS: Record<string, Record<string, unknown>> = {
  [LIKE]: { subject: { uri: S } },
  [POST]: { text: "t" },
  "app.bsky.feed.repost": { subject: { uri: S } },
  "app.bsky.graph.follow": { subject: B },
  "app.bsky.graph.block": { subject: B },
  "app.bsky.actor.profile": { displayName: "A" },
};

Deno.test("E70: the write of a like", () => {
  const record = { $type: LIKE, createdAt: "2025-10-30T12:34:56.789Z", subject: { uri: S } };
  const uri = `at://${A}/${LIKE}/${RKEY}`;
  const body = `{"uri":"${uri}","subject_uri":"${S}","author_did":"${A}",` +
    `"created_at":"2025-10-30T12:34:56.789Z","indexed_at":"${NOW_TEXT}"}`;
  const version = versionAt(REV_US, 0);
  const expected: Write[] = [{ kind: "likes", action: "index", id: uri, uri, version, body }];
  assert.deepEqual(toWrites(commit({ rev: REV, record }), options), expected);
});

Deno.test("every collection is written to its kind, created or updated, and deleted from it", () => {
  const kinds = (collection: string, operation: Commit["operation"]) => {
    const record = operation === "delete" ? {} : { record: RECORDS[collection]! };
    const writes = toWrites(commit({ collection, operation, rev: REV, ...record }), options);
    assert.deepEqual(
      writes.map(({ version }) => version),
      writes.map(() => versionAt(REV_US, operation === "delete" ? 768 : 0)),
    );
    for (const write of writes) {
      assert.deepEqual([write.id, write.uri], Array(2).fill(`at://${A}/${collection}/${RKEY}`));
      assert.equal("body" in write, write.action === "index");
    }
    return writes.map(({ action, kind }) => `${action} ${kind}`);
  };
  const expected: Record<string, Kind> = {
    [LIKE]: "likes",
    [POST]: "posts",
    "app.bsky.feed.repost": "reposts",
    "app.bsky.graph.follow": "follows",
    "app.bsky.graph.block": "blocks",
    "app.bsky.actor.profile": "records",
  };
  for (const [collection, kind] of Object.entries(expected)) {
    assert.deepEqual(kinds(collection, "create"), [`index ${kind}`]);
    assert.deepEqual(kinds(collection, "update"), [`index ${kind}`]);
    const tombstone = kind === "posts" ? ["index post_tombstones"] : [];
    assert.deepEqual(kinds(collection, "delete"), [...tombstone, `delete ${kind}`]);
  }
});

Deno.test("E23: without a rev, or with one from the future, time_us makes the version", () => {
  const record = RECORDS[LIKE]!;
  const version = (rev?: string, time_us = TIME_US) =>
    toWrites(commit({ record, time_us, ...(rev && { rev }) }), options)[0]?.version;
  assert.equal(version(), versionAt(TIME_US, 0));
  assert.equal(version("nonsense"), versionAt(TIME_US, 0));
  assert.equal(version(REV, REV_US - 86_400_000_000), versionAt(REV_US - 86_400_000_000, 0));
});

Deno.test("E15: a URI of 600 bytes gets a hash for an id, and stays in the document", () => {
  const rkey = "r".repeat(550);
  const [write] = toWrites(commit({ rkey, record: RECORDS[LIKE]! }), options);
  assert.match(write!.id, /^sha256:[0-9a-f]{64}$/);
  assert.equal(write!.uri, `at://${A}/${LIKE}/${rkey}`);
  assert.equal(JSON.parse(write!.body!).uri, write!.uri);
  const [deletion] = toWrites(commit({ operation: "delete", rkey }), options);
  assert.equal(deletion!.id, write!.id);
});

Deno.test("a lone surrogate in an rkey: id and field are still the same text", () => {
  const [write] = toWrites(commit({ rkey: "a\ud800", record: RECORDS[LIKE]! }), options);
  assert.equal(write!.id, `at://${A}/${LIKE}/a\ufffd`);
  assert.equal(JSON.parse(write!.body!).uri, write!.id);
});

Deno.test("E75: an update is written like a create, its later rev makes it win", () => {
  const of = (operation: "create" | "update", rev: string) =>
    toWrites(commit({ operation, rev, record: RECORDS[LIKE]! }), options)[0]!;
  const [created, updated] = [of("create", REV), of("update", "3m4fxx2ps6222")];
  assert.equal(created.id, updated.id);
  assert.ok(BigInt(updated.version) > BigInt(created.version));
});

Deno.test("E19: an enriched post outranks the plain one of its commit, its deletion both", () => {
  const vectors = { all_MiniLM_L12_v2: Float32Array.of(0.5) };
  const event = commit({ collection: POST, rev: REV, record: RECORDS[POST]! });
  const [plain] = toWrites(event, options);
  const [enriched] = toWrites(event, { ...options, enrichmentOf: (of) => of === event ? { vectors } : undefined });
  const [tombstone] = toWrites(commit({ collection: POST, rev: REV, operation: "delete" }), options);
  assert.deepEqual(
    [plain, enriched, tombstone].map((write) => write?.version),
    [0, 512, 768].map((rank) => versionAt(REV_US, rank)),
  );
  assert.deepEqual(JSON.parse(enriched!.body!).embeddings, { all_MiniLM_L12_v2: [0.5] });
  assert.ok(!("embeddings" in JSON.parse(plain!.body!)));
});

Deno.test("what was cut and repaired in posts is counted", () => {
  const counters = createPostCounters();
  const record = { text: "x".repeat(40_000), createdAt: "2025-10-30" };
  toWrites(commit({ collection: POST, record }), { ...options, counters });
  assert.equal(counters.truncatedFields, 1);
  assert.deepEqual(counters.createdAt, { repaired: 1, fallback: 0 });
});

Deno.test("M32: an update in a file is written, and outranks what it updates", () => {
  const row = (operation: "create" | "update", rev: string) => {
    const event = commit({ collection: POST, operation, rev, record: { text: operation } });
    return toWrites({ ...event, enriched: { file: "f.db.zip", row: 1 } }, { ...options, enrichmentOf: () => ({}) })[0]!;
  };
  const [created, updated] = [row("create", REV), row("update", "3m4fxx2ps6222")];
  assert.equal(created.version, versionAt(REV_US, 512));
  assert.deepEqual([updated.action, updated.id], ["index", created.id]);
  assert.equal(JSON.parse(updated.body!).content, "update");
  assert.ok(BigInt(updated.version) > BigInt(created.version));
});

Deno.test("E76: with deletes ignored nothing is deleted, and no tombstone is written", () => {
  const ignoring: DocumentOptions = { ...options, deletes: "ignore" };
  for (const collection of Object.keys(RECORDS)) {
    const event = commit({ collection, operation: "delete" });
    assert.equal(accepts(ignoring)(event), false);
    assert.deepEqual(toWrites(event, ignoring), []);
    assert.equal(accepts(ignoring)(commit({ collection, record: RECORDS[collection]! })), true);
  }
});

Deno.test("E84: accounts and identities only if they are named, sync never", () => {
  const asked: DocumentOptions = { ...options, documents: ["likes", "accounts", "identities"] };
  for (const event of [account(true), account(false, "deleted"), identity, sync]) {
    assert.equal(accepts(options)(event), false);
    assert.deepEqual(toWrites(event, options), []);
  }
  assert.equal(accepts({ ...asked, documents: KINDS })(sync), false);
  const [version, uri] = [versionAt(TIME_US, 0), A];
  const head = { action: "index", id: A, uri, version } as const;
  const times = `"event_at":"2025-11-26T19:04:43.593Z","indexed_at":"${NOW_TEXT}"`;
  assert.deepEqual(toWrites(identity, asked), [{ kind: "identities", ...head, body: `{"did":"${A}",${times}}` }]);
  assert.deepEqual(toWrites(account(true), asked), [
    { kind: "accounts", ...head, body: `{"did":"${A}","active":true,${times}}` },
  ]);
  assert.ok(accepts(asked)(identity) && accepts(asked)(account(true)));
});

Deno.test("E85: labels by their time, repos by their rev", () => {
  const [written] = toWrites(label, options);
  assert.deepEqual([written?.kind, written?.uri, written?.version], ["labels", S, versionAt(TIME_US, 0)]);
  assert.match(written!.id, /^sha256:[0-9a-f]{64}$/);
  const listed = (rev?: string) => toWrites({ ...repo, repo: { did: A, ...(rev && { rev }) } } as AnyEvent, options)[0];
  assert.deepEqual([listed(REV)?.kind, listed(REV)?.id, listed(REV)?.version], ["repos", A, versionAt(REV_US, 0)]);
  assert.equal(listed()?.version, versionAt(TIME_US, 0));
  const others: DocumentOptions = { ...options, documents: ["likes"] };
  for (const event of [label, repo]) {
    assert.deepEqual([accepts(options)(event), accepts(others)(event)], [true, false]);
    assert.deepEqual(toWrites(event, others), []);
  }
});

Deno.test("only the kinds that are named are written and deleted; tombstones come with their posts", () => {
  const written = (documents: readonly Kind[], operation: "create" | "delete") => {
    const narrowed: DocumentOptions = { ...options, documents };
    return Object.entries(RECORDS).flatMap(([collection, record]) => {
      const event = commit({ collection, operation, ...(operation === "create" && { record }) });
      const writes = toWrites(event, narrowed);
      assert.equal(accepts(narrowed)(event), writes.length > 0);
      return writes.map(({ action, kind }) => `${action} ${kind}`);
    });
  };
  assert.deepEqual(written(["likes", "records"], "create"), ["index likes", "index records"]);
  assert.deepEqual(written(["likes", "records"], "delete"), ["delete likes", "delete records"]);
  assert.deepEqual(written(["posts"], "create"), ["index posts"]);
  assert.deepEqual(written(["posts"], "delete"), ["index post_tombstones", "delete posts"]);
  assert.deepEqual(written(["post_tombstones"], "create"), []);
  assert.deepEqual(written(["post_tombstones"], "delete"), ["index post_tombstones"]);
});

Deno.test("E83: an account is purged by its status alone, by default not at all", () => {
  const purging: DocumentOptions = {
    ...options,
    documents: ["likes"],
    deletes: "ignore",
    purgeAccounts: ["deleted", "takendown"],
  };
  const deleted = account(false, "deleted");
  assert.deepEqual(purgeOf(deleted, purging), {
    did: A,
    version: versionAt(TIME_US, 768),
    time_us: TIME_US,
    status: "deleted",
  });
  assert.equal(accepts(purging)(deleted), true);
  assert.deepEqual(toWrites(deleted, { ...purging, documents: KINDS }), [], "its own document goes too");
  for (
    const event of [account(false, "suspended"), account(false), account(true, "deleted"), identity, sync, label, repo]
  ) {
    assert.equal(purgeOf(event, purging), undefined);
  }
  for (const event of [account(false, "suspended"), account(true)]) assert.equal(accepts(purging)(event), false);
  assert.equal(purgeOf(deleted, options), undefined);
});

Deno.test("E74: whatever a record is, it is written or refused as poison", () => {
  const strange = fc.oneof(
    fc.jsonValue(),
    fc.record({ subject: fc.jsonValue(), createdAt: fc.jsonValue(), text: fc.string({ unit: "binary" }) }),
    fc.record({ subject: fc.record({ uri: fc.jsonValue() }), reply: fc.jsonValue(), embed: fc.jsonValue() }),
    fc.record({
      subject: fc.constantFrom(B, { uri: S }),
      embed: fc.record({ $type: fc.string(), record: fc.jsonValue() }),
    }),
  );
  const collections = fc.constantFrom(...Object.keys(RECORDS));
  let written = 0;
  fc.assert(
    fc.property(collections, strange, (collection, record) => {
      try {
        for (const { body } of toWrites(commit({ collection, record: record as never }), options)) {
          for (const value of Object.values(JSON.parse(body!))) assert.ok(value !== null);
          written++;
        }
      } catch (error) {
        assert.ok(error instanceof PoisonError, String(error));
      }
    }),
    { numRuns: 1000, seed: SEED },
  );
  assert.ok(written > 100);
});

/** What indices would hold: the highest version of each id, deleted ones remembered. */
function store(): {
  apply(writes: readonly Write[]): void;
  counts(): Partial<Record<Kind, number>>;
  bodies(): string[];
} {
  const held = new Map<string, Write>();
  const living = () => [...held.values()].filter(({ action }) => action === "index");
  return {
    apply(writes) {
      for (const write of writes) {
        const key = `${write.kind} ${write.id}`;
        const before = held.get(key);
        if (!before || BigInt(before.version) <= BigInt(write.version)) held.set(key, write);
      }
    },
    counts: () =>
      Object.fromEntries(
        Object.entries(Object.groupBy(living(), ({ kind }) => kind)).map(([kind, writes]) => [kind, writes.length]),
      ),
    bodies: () => living().map(({ body }) => body!),
  };
}

const eventsIn = (path: string): AtEvent[] =>
  Deno.readTextFileSync(path).trimEnd().split("\n").map((line) => ({ ...JSON.parse(line), origin: ORIGIN }));

realTest("E86: real events, twice: the counts of every kind, created_at verbatim", ["expected_v1.jsonl"], ([path]) => {
  const events = eventsIn(path!);
  const indices = store();
  for (let run = 0; run < 2; run++) {
    for (const event of events.filter(accepts(options))) indices.apply(toWrites(event, options));
    assert.deepEqual(indices.counts(), {
      ...{ likes: 105, posts: 17, post_tombstones: 1, reposts: 15, follows: 6, blocks: 1, records: 2 },
    });
  }
  assert.equal(events.filter((event) => !accepts(options)(event)).length, 2, "account and identity");
  const authors = new Map(events.flatMap((event) => {
    if (event.kind !== "commit" || event.commit.operation === "delete") return [];
    const { collection, rkey, record } = event.commit;
    return [[`at://${event.did}/${collection}/${rkey}`, record?.createdAt] as const];
  }));
  const documents = indices.bodies().map((body) => JSON.parse(body)).filter((document) => !("deleted_at" in document));
  assert.equal(documents.length, 146);
  for (const { uri, at_uri, created_at } of documents) assert.equal(created_at, authors.get(uri ?? at_uri));
});

realTest(
  "E88: odd rkeys, emoji, foreign collections: every commit written or deleted",
  ["golden_v1.jsonl"],
  ([path]) => {
    const commits = eventsIn(path!).filter(({ kind }) => kind === "commit");
    assert.ok(commits.length > 0);
    for (const event of commits) {
      const writes = toWrites(event, options);
      assert.ok(accepts(options)(event) && writes.length > 0);
      for (const { body } of writes) if (body !== undefined) JSON.parse(body);
    }
  },
);
