/**
 * Batches of events through the sink: what is left out, in which order, and what is stored in the end.
 *
 * @module
 */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import fc from "fast-check";
import type { AnyEvent, CommitEvent } from "../../lib/atproto/event.ts";
import type { Letter } from "../../lib/pipeline/deliver.ts";
import { DeadRatioError, TransientError } from "../../lib/pipeline/errors.ts";
import { runPipeline } from "../../lib/pipeline/pipeline.ts";
import { acceptsEvent, type ElasticsearchSinkOptions } from "../../lib/sinks/elasticsearch.ts";
import { batchOf, like, likes, openSink, post, uriOf, write } from "../support/elasticsearch_events.ts";
import { type Action, actionsOf, CONFLICT, itemReplies, memoryElasticsearch } from "../support/memory_elasticsearch.ts";
import { captureLog } from "../support/log_records.ts";
import { memoryStore, SEED, streamOf, until } from "../support/pipeline_ends.ts";
import { aliasOf, failure, type Script, scriptedElasticsearch } from "../support/scripted_elasticsearch.ts";

/** A server that stores documents, and a sink on it. */
async function setUp(options: Partial<ElasticsearchSinkOptions> = {}, script: Script = {}) {
  const memory = memoryElasticsearch();
  const server = await scriptedElasticsearch({ ...memory.script, ...script });
  const sink = await openSink(server.url, options);
  return {
    ...memory,
    sink,
    server,
    /** Index and id of all that is there. */
    stored: () => [...memory.documents.keys()].toSorted(),
    /** What each bulk asked for. */
    asked: () => server.received("POST /_bulk").map((bulk) => actionsOf(bulk).map(shown)),
    async [Symbol.asyncDispose]() {
      await sink[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const shown = ({ action, index, id }: Action) => `${action} ${index} ${id.slice(id.lastIndexOf("/") + 1)}`;
const gone = (event: (options: Parameters<typeof like>[0]) => CommitEvent, rkey: string, at: number) =>
  event({ rkey, at, operation: "delete" });

Deno.test("E19: an enriched post outranks the plain one of the same commit, in either order", async (t) => {
  const plain = { deletes: "apply", purgeAccounts: [] } as const;
  const enriched = { ...plain, enrichmentOf: () => ({ quote: "at://did:plc:quoted/app.bsky.feed.post/1" }) };
  for (const order of [[plain, enriched], [enriched, plain]]) {
    await t.step(order[0] === plain ? "enriched last" : "enriched first", async () => {
      await using it = await setUp();
      for (const documents of order) {
        await using sink = await openSink(it.server.url, { documents });
        deepEqual(await write(sink, post()), { rejected: [], duplicates: 0 });
        equal(sink.figures().superseded, documents === plain && order[0] === enriched ? 1 : 0);
      }
      const [stored] = it.documents.values();
      equal(stored!["quote_post"], "at://did:plc:quoted/app.bsky.feed.post/1");
      const versions = it.server.received("POST /_bulk").flatMap(actionsOf).map(({ version }) => BigInt(version));
      equal(versions[order.indexOf(enriched)]! - versions[order.indexOf(plain)]!, 512n);
    });
  }
});

Deno.test("E76: a like that is deleted is gone, and leaves no tombstone; --deletes ignore keeps it", async () => {
  await using it = await setUp();
  await write(it.sink, like({ rkey: "a" }));
  equal(it.stored().length, 1);
  const deletion = gone(like, "a", 1);
  await write(it.sink, deletion);
  deepEqual(it.stored(), []);
  deepEqual(it.asked(), [["index likes a"], ["delete likes a"]]);
  equal(acceptsEvent({ documents: { deletes: "apply", purgeAccounts: [] } })(deletion), true);
  equal(acceptsEvent({ documents: { deletes: "ignore", purgeAccounts: [] } })(deletion), false);
});

Deno.test("E77: the same delete twice, and a delete of what was never there, are no fault", async () => {
  await using it = await setUp();
  await write(it.sink, like({ rkey: "a" }));
  for (let i = 0; i < 2; i++) {
    deepEqual(await write(it.sink, gone(like, "a", 1), gone(like, "never", 2)), { rejected: [], duplicates: 0 });
  }
  deepEqual(it.stored(), []);
});

Deno.test("E78: create and delete of a like in one batch: only the delete is sent", async () => {
  await using it = await setUp();
  deepEqual(await write(it.sink, like({ rkey: "a" }), gone(like, "a", 1)), { rejected: [], duplicates: 1 });
  deepEqual(it.asked(), [["delete likes a"]]);
  deepEqual(it.stored(), []);
});

Deno.test("a deleted post: the tombstones go first, then the deletes, in bulks of their own", async () => {
  await using it = await setUp();
  const created = post({ rkey: "a" });
  const { rejected, duplicates } = await write(it.sink, created, gone(post, "a", 1), gone(post, "b", 2), like());
  deepEqual([rejected, duplicates], [[], 1]);
  deepEqual(it.asked(), [
    ["index post_tombstones a", "index post_tombstones b", "index likes 3m4fxx2ps6222"],
    ["delete posts a", "delete posts b"],
  ]);
  deepEqual(it.stored().filter((key) => key.startsWith("post")), [
    `post_tombstones/${uriOf(created)}`,
    `post_tombstones/${uriOf(post({ rkey: "b" }))}`,
  ]);
});

Deno.test("a post whose tombstone was refused is not deleted yet", async () => {
  const busy = { status: 429, error: { type: "es_rejected_execution_exception", reason: "busy" } };
  await using it = await setUp({}, {
    "POST /_bulk": (request) =>
      itemReplies(request, ({ index, id }) => index === "post_tombstones" && id.endsWith("/a") ? busy : undefined),
  });
  const { rejected } = await write(it.sink, gone(post, "a", 1), gone(post, "b", 2));
  deepEqual(rejected.map(({ index, error }) => [index, error instanceof TransientError]), [[0, true]]);
  deepEqual(it.asked(), [["index post_tombstones a", "index post_tombstones b"], ["delete posts b"]]);
});

Deno.test("what was left out because of a write that is refused is tried again without it", async () => {
  const poison = { status: 400, error: { type: "document_parsing_exception", reason: "bad" } };
  await using it = await setUp({}, {
    "POST /_bulk": (request) =>
      itemReplies(request, ({ document }) => document?.["subject_uri"] === "at://x" ? poison : undefined),
  });
  const { rejected, duplicates } = await write(
    it.sink,
    like({ rkey: "a" }),
    like({ rkey: "a", at: 1, operation: "update", record: { subject: { uri: "at://x" } } }),
  );
  equal(duplicates, 0);
  deepEqual(rejected.map(({ index, error }) => [index, (error as Error).name]), [
    [0, "TransientError"],
    [1, "PoisonError"],
  ]);
  deepEqual(await write(it.sink, like({ rkey: "a" })), { rejected: [], duplicates: 0 });
});

Deno.test("what cannot become a document is refused with its reason, the rest is written", async () => {
  await using it = await setUp();
  const { rejected } = await write(it.sink, like({ rkey: "a", record: { subject: { uri: "https://x" } } }), like());
  deepEqual(rejected.map(({ index, error }) => [index, (error as { reason?: string }).reason]), [[0, "bad_subject"]]);
  equal(it.stored().length, 1);
});

Deno.test("E35: batches with one record in flight go one after the other, others side by side", async () => {
  const order: string[] = [];
  const release: (() => void)[] = [];
  await using it = await setUp({}, {
    "POST /_bulk": async (request, count) => {
      order.push(...actionsOf(request).map(({ id }) => id.slice(-1)));
      if (count < 2) await new Promise<void>((resolve) => release.push(resolve));
      return itemReplies(request, () => undefined);
    },
  });
  const writes = [
    write(it.sink, like({ rkey: "a" })),
    write(it.sink, like({ rkey: "a", at: 1, operation: "update" })),
    write(it.sink, like({ rkey: "b" })),
  ];
  await until(() => release.length === 2);
  deepEqual(order.toSorted(), ["a", "b"]);
  for (const each of release) each();
  await Promise.all(writes);
  deepEqual(order.slice(2), ["a"]);
});

Deno.test("E35: a create that failed and comes again after its delete and a restart of the server brings nothing back", async () => {
  const memory = memoryElasticsearch();
  await using it = await setUp({}, {
    "POST /_bulk": (request, count) => count === 0 ? { status: 503 } : memory.bulk(request),
  });
  const batch = batchOf(like({ rkey: "a" }), like({ rkey: "b" }));
  const signal = new AbortController().signal;
  await rejects(it.sink.write(batch, { signal }), TransientError);
  await write(it.sink, gone(like, "a", 1));
  memory.restart();
  deepEqual(await it.sink.write(batch, { signal }), { rejected: [], duplicates: 0 });
  deepEqual([...memory.documents.keys()], [`likes/${uriOf(like({ rkey: "b" }))}`]);
  equal(it.sink.figures().superseded, 1);
});

Deno.test("disposal waits for running writes", async () => {
  let finish = () => {};
  await using server = await scriptedElasticsearch({
    "POST /_bulk": async (request) => {
      await new Promise<void>((resolve) => finish = resolve);
      return itemReplies(request, () => undefined);
    },
  });
  const sink = await openSink(server.url);
  const written = write(sink, like());
  await until(() => server.received("POST /_bulk").length === 1);
  const closed = sink[Symbol.asyncDispose]();
  finish();
  deepEqual(await written, { rejected: [], duplicates: 0 });
  await closed;
});

Deno.test("a batch that is repeated has the documents that were built for it", async () => {
  let built = 0;
  const documents = { deletes: "apply", purgeAccounts: [], now: () => 1_700_000_000_000 + built++ } as const;
  await using it = await setUp({ documents }, {
    "POST /_bulk": (request, count) => count === 0 ? { status: 503 } : itemReplies(request, () => undefined),
  });
  const batch = batchOf(...likes(3), like({ rkey: "dead", record: { subject: { uri: "https://x" } } }));
  const signal = new AbortController().signal;
  await rejects(it.sink.write(batch, { signal }), TransientError);
  const { rejected } = await it.sink.write(batch, { signal });
  deepEqual(rejected.map(({ index, error }) => [index, (error as { reason?: string }).reason]), [[3, "bad_subject"]]);
  const [first, second] = it.server.received("POST /_bulk");
  equal(first!.body, second!.body);
});

Deno.test("--check-tombstones: a post with a tombstone as new as it is or newer is not written", async () => {
  const asked: unknown[] = [];
  const tombstones = new Map<string, number>();
  await using it = await setUp({ checkTombstones: true }, {
    "POST /_mget": ({ body }) => {
      const { docs } = JSON.parse(body) as { docs: { _index: string; _id: string }[] };
      asked.push(docs.map(({ _index, _id }) => `${_index} ${_id.slice(-1)}`));
      return {
        body: {
          docs: docs.map(({ _id }) => {
            const version = tombstones.get(_id);
            if (_id.endsWith("c")) {
              return { _id, error: { type: "index_not_found_exception", reason: "no such index" } };
            }
            return version === undefined ? { _id, found: false } : { _id, found: true, _version: version };
          }),
        },
      };
    },
  });
  await write(it.sink, gone(post, "a", 10));
  for (const [key, version] of it.versions) tombstones.set(key.slice(key.indexOf("/") + 1), Number(version));
  it.restart();
  const posts = [post({ rkey: "a" }), post({ rkey: "b" }), post({ rkey: "c" })];
  deepEqual(await write(it.sink, ...posts, like()), { rejected: [], duplicates: 0 });
  deepEqual(asked, [["post_tombstones a", "post_tombstones b", "post_tombstones c"]]);
  equal(it.sink.figures().superseded, 1);
  deepEqual(it.asked().at(-1), ["index posts b", "index posts c", "index likes 3m4fxx2ps6222"]);
  await write(it.sink, post({ rkey: "a", at: 11 }));
  deepEqual(it.asked().at(-1), ["index posts a"]);
  await write(it.sink, like());
  equal(asked.length, 2);
});

Deno.test("--check-tombstones: a key that may not read them ends the run with a hint", async () => {
  await using it = await setUp({ checkTombstones: true, denialMs: 20 }, {
    "POST /_mget": failure(403, "security_exception", "action [indices:data/read/mget] is unauthorized"),
  });
  let last: unknown;
  for (let i = 0; i < 3; i++, await new Promise((resolve) => setTimeout(resolve, 20))) {
    last = await write(it.sink, post()).catch((error) => error);
  }
  ok((last as { hint: string }).hint.includes("--check-tombstones never"), String(last));
});

Deno.test("an alias of several indices: deletes also find the copies in the others", async () => {
  const searched: unknown[] = [];
  const likesAlias = aliasOf("likes", [{ name: "likes_old" }, { name: "likes_v1", write: true }]);
  await using it = await setUp({
    setup: "auto",
    documents: { documents: ["likes"], deletes: "apply", purgeAccounts: [] },
  }, {
    "GET /likes": likesAlias,
    "POST /likes_old/_search": ({ body }) => {
      searched.push(JSON.parse(body).query.ids.values);
      return { body: { hits: { hits: [{ _index: "likes_old", _id: uriOf(like({ rkey: "a" })), _routing: "r" }] } } };
    },
  });
  await write(it.sink, like({ rkey: "b" }));
  deepEqual(searched, []);
  await write(it.sink, gone(like, "a", 1), like({ rkey: "c" }));
  deepEqual(searched, [[uriOf(like({ rkey: "a" }))]]);
  deepEqual(it.asked().slice(1), [["delete likes a", "index likes c"], ["delete likes_old a"]]);
  equal(JSON.parse(it.server.received("POST /_bulk").at(-1)!.body).delete.routing, "r");
});

Deno.test("keyOf: what has one document has one key", async () => {
  await using it = await setUp();
  const key = (event: AnyEvent) => it.sink.keyOf!(event);
  equal(key(like()), uriOf(like()));
  equal(key(like({ at: 5, operation: "delete" })), key(like()));
});

Deno.test("E37: all documents refused: --max-dead-ratio stops, the position never passes what is not safe", async () => {
  const refused = { status: 400, error: { type: "document_parsing_exception", reason: "bad" } };
  await using it = await setUp({}, { "POST /_bulk": (request) => itemReplies(request, () => refused) });
  const events = likes(3000);
  const letters: Letter[] = [];
  const checkpoints = memoryStore();
  const batches = Array.from({ length: 30 }, (_, i) => ({
    items: events.slice(i * 100, i * 100 + 100),
    cursor: String(i * 100 + 100),
  }));
  const run = runPipeline<AnyEvent>({
    source: { key: "test", open: () => streamOf<AnyEvent>(...batches) },
    sink: it.sink,
    deadLetter: (some) => Promise.resolve(void letters.push(...some)),
    checkpoints,
    checkpointMs: 1,
    concurrency: 4,
    batchSize: 100,
    maxDeadRatio: 0.05,
  });
  await rejects(run, DeadRatioError);
  ok(letters.length >= 1000 && letters.length < 3000);
  const dead = new Set(letters.map(({ item }) => item));
  const saved = Number(checkpoints.positions.get("test"));
  ok(saved > 0);
  for (const event of events.slice(0, saved)) ok(dead.has(event));
});

Deno.test("E28: writes that are blocked pause with one warning a minute, and go through when the block is lifted", async () => {
  await using log = await captureLog();
  let blocked = true;
  const block = {
    status: 403,
    error: { type: "cluster_block_exception", reason: "index [likes_v1] blocked by: [write]" },
  };
  await using it = await setUp({ pauseMs: 20 }, {
    "POST /_bulk": (request) => itemReplies(request, () => blocked ? block : undefined),
  });
  const waits: number[] = [];
  const run = runPipeline<AnyEvent>({
    source: { key: "test", open: () => streamOf({ items: likes(8), cursor: "8" }) },
    sink: it.sink,
    concurrency: 4,
    batchSize: 2,
    backoff: (_, error) => {
      const ms = (error as TransientError).retryAfterMs!;
      if (waits.push(ms) === 12) blocked = false;
      return ms;
    },
  });
  equal((await run).counters.written, 8);
  ok(waits.every((ms) => ms === 20));
  const warnings = log.lines.filter((line) => line.startsWith("warning: Cannot write"));
  deepEqual(warnings, [
    "warning: Cannot write to elasticsearch, trying again: Cannot write to likes: cluster_block_exception: " +
    "index [likes_v1] blocked by: [write]",
  ]);
});

Deno.test("whatever fails how often, in the end each record is in its last state", async () => {
  const step = fc.record(
    {
      rkey: fc.constantFrom("a", "b", "c", "d"),
      collection: fc.constantFrom(like, post),
      operation: fc.constantFrom("create", "update", "delete"),
    } as const,
  );
  const fates = fc.array(fc.constantFrom("ok", "busy", "down", "lost", "restarted"), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 24 }), fates, async (steps, fates) => {
      const memory = memoryElasticsearch();
      const busy = { status: 429, error: { type: "es_rejected_execution_exception", reason: "busy" } };
      await using it = await setUp({}, {
        "POST /_bulk": (request, count) => {
          const fate = fates[count] ?? "ok";
          if (fate === "down") return { status: 503 };
          if (fate === "busy") return itemReplies(request, () => busy);
          if (fate === "restarted") memory.restart();
          const reply = memory.bulk(request);
          return fate === "lost" ? "reset" : reply;
        },
      });
      const events = steps.map(({ collection, ...rest }, at) => collection({ ...rest, at }));
      const { counters } = await runPipeline<AnyEvent>({
        source: {
          key: "test",
          open: () => streamOf(...events.map((event, i) => ({ items: [event], cursor: String(i) }))),
        },
        sink: it.sink,
        concurrency: 4,
        batchSize: 3,
        backoff: () => 0,
      });
      equal(counters.written + counters.duplicates, events.length);
      const last = new Map(events.map((event) => [uriOf(event), event]));
      const wanted = [...last].filter(([, { commit }]) => commit.operation !== "delete").map(([uri]) => uri);
      const found = [...memory.documents.keys()].filter((key) => !key.startsWith("post_tombstones/"));
      deepEqual(found.map((key) => key.slice(key.indexOf("/") + 1)).toSorted(), wanted.toSorted());
      const deleted = events.filter((e) => e.commit.operation === "delete" && e.commit.collection.endsWith("post"));
      for (const event of deleted) ok(memory.documents.has(`post_tombstones/${uriOf(event)}`));
    }),
    { seed: SEED, numRuns: 100 },
  );
});

Deno.test("409 answers count as superseded, of deletes too", async () => {
  await using it = await setUp({}, { "POST /_bulk": (request) => itemReplies(request, () => CONFLICT) });
  deepEqual(await write(it.sink, like({ rkey: "a" }), gone(like, "b", 1)), { rejected: [], duplicates: 0 });
  equal(it.sink.figures().superseded, 2);
});
