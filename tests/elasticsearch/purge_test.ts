/**
 * Account deletions, against documents in memory.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { type PoisonError, TransientError } from "../../lib/pipeline/errors.ts";
import { acceptsEvent, type ElasticsearchSinkOptions } from "../../lib/sinks/elasticsearch.ts";
import { A, account, B, batchOf, like, openSink, post, uriOf, write } from "../support/elasticsearch_events.ts";
import { captureLog } from "../support/log_records.ts";
import { actionsOf, itemReplies, memoryElasticsearch } from "../support/memory_elasticsearch.ts";
import { turns, until } from "../support/pipeline_ends.ts";
import { failure, type Script, scriptedElasticsearch } from "../support/scripted_elasticsearch.ts";

const documents = { deletes: "apply", purgeAccounts: ["deleted"] } as const;

async function setUp(options: Partial<ElasticsearchSinkOptions> = {}, change: (script: Script) => Script = () => ({})) {
  const memory = memoryElasticsearch();
  const server = await scriptedElasticsearch({ ...memory.script, ...change(memory.script) });
  const sink = await openSink(server.url, { documents, ...options });
  return {
    ...memory,
    sink,
    server,
    stored: () => [...memory.documents.keys()].toSorted(),
    async [Symbol.asyncDispose]() {
      await sink[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

Deno.test("E83: a deleted account: its documents go, its posts leave tombstones, others and what comes later stay", async () => {
  await using log = await captureLog();
  await using it = await setUp();
  const other = like({ did: B }), later = post({ rkey: "later", at: 100 });
  await write(it.sink, like(), post({ rkey: "p1" }), post({ rkey: "p2" }), other, later);
  const purge = account("deleted", { at: 50 });
  deepEqual(await write(it.sink, purge), { rejected: [], duplicates: 0 });
  const tombstones = ["p1", "p2"].map((rkey) => `post_tombstones/${uriOf(post({ rkey }))}`);
  const wanted = [`likes/${uriOf(other)}`, ...tombstones, `posts/${uriOf(later)}`];
  deepEqual(it.stored(), wanted.toSorted());
  const tombstone = it.documents.get(tombstones[0]!)!;
  deepEqual(Object.keys(tombstone), ["at_uri", "author_did", "deleted_at", "indexed_at"]);
  deepEqual([tombstone["at_uri"], tombstone["author_did"]], [uriOf(post({ rkey: "p1" })), A]);
  equal(it.server.received("DELETE /_pit").length, it.server.received("POST /posts/_pit").length * 2);
  match(
    log.lines.findLast((line) => line.includes("purged"))!,
    /^info: Account did:plc:aaaa\S+ \(deleted\) purged: .*0 remain$/,
  );

  const before = it.stored(), bulks = it.server.received("POST /_bulk").length;
  deepEqual(await write(it.sink, purge), { rejected: [], duplicates: 0 });
  deepEqual(it.stored(), before);
  equal(it.server.received("POST /_bulk").length, bulks);
});

Deno.test("E83: where nobody asked for purges, the event is left out before the sink", () => {
  const accepts = (purgeAccounts: readonly string[], status: string) =>
    acceptsEvent({ documents: { deletes: "apply", purgeAccounts } })(account(status));
  equal(accepts([], "deleted"), false);
  equal(accepts(["deleted"], "deleted"), true);
  equal(accepts(["deleted"], "deactivated"), false);
});

Deno.test("E83: posts of the purge's own batch leave tombstones too, before it and behind it", async () => {
  await using it = await setUp();
  await write(it.sink, post({ rkey: "p1" }));
  const later = post({ rkey: "later", at: 100 });
  const batch = [post({ rkey: "p2" }), account("deleted", { at: 50 }), post({ rkey: "p1" }), later];
  deepEqual(await write(it.sink, ...batch), { rejected: [], duplicates: 0 });
  const tombstones = ["p1", "p2"].map((rkey) => `post_tombstones/${uriOf(post({ rkey }))}`);
  deepEqual(it.stored(), [...tombstones, `posts/${uriOf(later)}`].toSorted());
});

Deno.test("a purge goes through more documents than one page holds", async () => {
  await using it = await setUp();
  const posts = Array.from({ length: 2500 }, (_, i) => post({ rkey: `r${i}` }));
  await write(it.sink, ...posts);
  await write(it.sink, account("deleted", { at: 50 }));
  equal(it.stored().length, 2500);
  ok(it.stored().every((key) => key.startsWith("post_tombstones/")));
});

Deno.test("a purge waits for the writes before it", async () => {
  const release: (() => void)[] = [];
  await using it = await setUp({}, (script) => ({
    "POST /_bulk": async (request, count) => {
      if (count === 0) await new Promise<void>((resolve) => release.push(resolve));
      return (script["POST /_bulk"] as (...all: unknown[]) => never)(request, count);
    },
  }));
  const created = write(it.sink, post());
  await until(() => release.length === 1);
  const purged = write(it.sink, account("deleted", { at: 50 }));
  await turns();
  equal(it.server.received("POST /posts/_refresh").length, 0);
  release[0]!();
  await Promise.all([created, purged]);
  deepEqual(it.stored(), [`post_tombstones/${uriOf(post())}`]);
});

Deno.test("a batch that failed before a purge and is repeated after it brings nothing back", async () => {
  await using it = await setUp({}, (script) => ({
    "POST /_bulk": (request, count) =>
      count === 0 ? { status: 503 } : (script["POST /_bulk"] as (...all: unknown[]) => never)(request, count),
  }));
  const batch = batchOf(post(), like({ did: B }), post({ rkey: "later", at: 100 }));
  const signal = new AbortController().signal;
  await rejects(it.sink.write(batch, { signal }), TransientError);
  await write(it.sink, account("deleted", { at: 50 }));
  await it.sink.write(batch, { signal });
  deepEqual(it.stored(), [`likes/${uriOf(like({ did: B }))}`, `posts/${uriOf(post({ rkey: "later" }))}`]);
  equal(it.sink.figures().superseded, 1);
});

Deno.test("a batch that failed before a purge, but got through after it, is taken away when it is repeated", async () => {
  const late: (() => void)[] = [];
  await using it = await setUp({}, ({ "POST /_bulk": bulk }) => ({
    "POST /_bulk": (request, count) => {
      const carryOut = () => (bulk as (...all: unknown[]) => never)(request, count);
      if (count > 0) return carryOut();
      late.push(carryOut);
      return "reset";
    },
  }));
  const batch = batchOf(post());
  const signal = new AbortController().signal;
  await rejects(it.sink.write(batch, { signal }), TransientError);
  await write(it.sink, account("deleted", { at: 50 }));
  late[0]!();
  deepEqual(it.stored(), [`posts/${uriOf(post())}`]);
  deepEqual(await it.sink.write(batch, { signal }), { rejected: [], duplicates: 0 });
  deepEqual(it.stored(), []);
});

Deno.test("what remains after three rounds makes the event a dead letter", async () => {
  const stuck = { status: 400, error: { type: "illegal_argument_exception", reason: "no" } };
  await using it = await setUp({}, (script) => ({
    "POST /_bulk": (request, count) =>
      request.body.startsWith('{"delete"')
        ? itemReplies(request, () => stuck)
        : (script["POST /_bulk"] as (...all: unknown[]) => never)(request, count),
  }));
  await write(it.sink, post());
  const { rejected } = await write(it.sink, account("deleted", { at: 50 }), like({ did: B }));
  deepEqual(rejected.map(({ index, error }) => [index, (error as PoisonError).reason]), [[0, "purge_incomplete"]]);
  equal(it.server.received("POST /_bulk").flatMap(actionsOf).filter(({ action }) => action === "delete").length, 3);
});

Deno.test("a purge that the server cannot do now is tried again, the rest of its batch is written", async () => {
  await using it = await setUp({}, () => ({ "POST /posts/_refresh": failure(503, "unavailable_shards_exception") }));
  const { rejected } = await write(it.sink, account("deleted", { at: 50 }), like({ did: B }));
  deepEqual(rejected.map(({ index, error }) => [index, error instanceof TransientError]), [[0, true]]);
  deepEqual(it.stored(), [`likes/${uriOf(like({ did: B }))}`]);
});

Deno.test("aliases that are named by --index and --index-prefix are purged under these names, written or not", async () => {
  await using it = await setUp({
    documents: { ...documents, documents: ["likes"] },
    targets: { prefix: "x-", names: ["mine"] },
  }, () => ({
    "POST /x-posts/_refresh": { body: {} },
    "POST /x-posts/_pit": { body: { id: "p" } },
    "POST /x-mine,x-reposts,x-follows,x-blocks,x-records,x-accounts,x-identities/_refresh": { body: {} },
    "POST /x-mine,x-reposts,x-follows,x-blocks,x-records,x-accounts,x-identities/_pit": { body: { id: "q" } },
  }));
  deepEqual(await write(it.sink, account("deleted", { at: 50 })), { rejected: [], duplicates: 0 });
});
