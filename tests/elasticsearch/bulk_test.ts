/**
 * What the sink makes of a server's answers to bulks, by a server that is scripted.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { deliver, type Letter } from "../../lib/pipeline/deliver.ts";
import { ConfigError, PoisonError, TransientError } from "../../lib/pipeline/errors.ts";
import { fullJitter } from "../../lib/pipeline/retry.ts";
import type { ElasticsearchSinkOptions } from "../../lib/sinks/elasticsearch.ts";
import { batchOf, like, likes, openSink, uriOf, write } from "../support/elasticsearch_events.ts";
import { actionsOf, itemReplies, type ItemReply, memoryElasticsearch } from "../support/memory_elasticsearch.ts";
import { failure, type Handler, scriptedElasticsearch } from "../support/scripted_elasticsearch.ts";

/** A server for bulks, and a sink on it. */
async function setUp(bulk: Handler, options: Partial<ElasticsearchSinkOptions> = {}) {
  const server = await scriptedElasticsearch({ "POST /_bulk": bulk });
  const sink = await openSink(server.url, options);
  return {
    sink,
    server,
    bulks: () => server.received("POST /_bulk"),
    async [Symbol.asyncDispose]() {
      await sink[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** The time between refusals of the credentials, in milliseconds; the only one that is waited for. */
const DENIAL_MS = 10;

/** Brings events to the sink as the pipeline does, without waiting before a retry. */
async function bring(sink: Awaited<ReturnType<typeof openSink>>, items: readonly AnyEvent[]) {
  const letters: Letter[] = [], failures: { attempt: number; asked: number | undefined; bound: number }[] = [];
  const slowest = fullJitter(0, () => 1);
  const { rejected, ...outcome } = await deliver(batchOf(...items), {
    sink,
    deadLetter: (some) => Promise.resolve(void letters.push(...some)),
    backoff: (attempt, error) => {
      const asked = (error as TransientError).retryAfterMs;
      failures.push({ attempt, asked, bound: slowest(attempt, undefined)! });
      return asked === DENIAL_MS ? asked : 0;
    },
    signal: new AbortController().signal,
    onRetry: () => {},
  });
  return { letters, failures, outcome: { ...outcome, rejected: rejected.length } };
}

const error = (status: number, type: string, reason = "scripted"): ItemReply => ({ status, error: { type, reason } });

Deno.test("E24: one poison document in a batch goes to the dead letter with what the server said, the others are written", async () => {
  const bad: ItemReply = {
    status: 400,
    error: {
      type: "document_parsing_exception",
      reason: "failed to parse field [created_at]",
      caused_by: { reason: "bad date" },
    },
  };
  await using it = await setUp((request) => itemReplies(request, (_, place) => place === 2 ? bad : undefined));
  const { letters, outcome } = await bring(it.sink, likes(5));
  deepEqual(outcome, { written: 4, rejected: 1, duplicates: 0 });
  const [letter] = letters;
  equal(letter!.stage, "elasticsearch");
  equal(letter!.error.reason, "document_parsing_exception");
  equal(letter!.error.message, "failed to parse field [created_at]");
  deepEqual(letter!.detail, {
    index: "likes",
    doc_id: uriOf(likes(3)[2]!),
    action: "index",
    status: 400,
    caused_by: "bad date",
  });
  equal(it.bulks().length, 1);
});

Deno.test("one bulk asks for no more of the answer than is needed, with all documents of a batch as NDJSON", async () => {
  await using it = await setUp((request) => itemReplies(request, () => undefined));
  deepEqual(await write(it.sink, ...likes(3)), { rejected: [], duplicates: 0 });
  const [bulk, ...more] = it.bulks();
  equal(more.length, 0);
  deepEqual([...bulk!.query], [[
    "filter_path",
    "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason",
  ]]);
  match(bulk!.headers["content-type"]!, /^application\/x-ndjson/);
  deepEqual(actionsOf(bulk!).map(({ index, id }) => [index, id]), likes(3).map((each) => ["likes", uriOf(each)]));
});

Deno.test("E15: a URI of 600 bytes gets an id that the server takes, in the same bulk as the others", async () => {
  await using it = await setUp((request) => itemReplies(request, () => undefined));
  const long = like({ rkey: "r".repeat(600) });
  await write(it.sink, like(), long);
  const [short, hashed] = actionsOf(it.bulks()[0]!);
  equal(short!.id, uriOf(like()));
  match(hashed!.id, /^sha256:[0-9a-f]{64}$/);
  equal(hashed!.document!["uri"], uriOf(long));
});

Deno.test("E25: an item that is refused with 429 three times is written once, with growing back-off and Retry-After", async () => {
  const busy = error(429, "es_rejected_execution_exception");
  await using it = await setUp((request, count) => ({
    ...itemReplies(request, (action) => count < 3 && action.id.endsWith("/r1") ? busy : undefined),
    headers: { "retry-after": "2" },
  }));
  const { failures, outcome } = await bring(it.sink, likes(3));
  deepEqual(failures.map(({ attempt, asked }) => [attempt, asked]), [[0, 2000], [1, 2000], [2, 2000]]);
  ok(failures[0]!.bound < failures[1]!.bound && failures[1]!.bound < failures[2]!.bound);
  deepEqual(it.bulks().map((bulk) => actionsOf(bulk).length), [3, 1, 1, 1]);
  deepEqual(outcome, { written: 3, rejected: 0, duplicates: 0 });
});

Deno.test("E29: what each line of the table of items leads to", async (t) => {
  const rejectedWith = async (reply: ItemReply, options: Partial<ElasticsearchSinkOptions> = {}) => {
    await using it = await setUp((request) => itemReplies(request, (_, place) => place === 1 ? reply : undefined), {
      pauseMs: 30_000,
      ...options,
    });
    const { rejected } = await write(it.sink, ...likes(3));
    deepEqual(rejected.map(({ index }) => index), rejected.length === 0 ? [] : [1]);
    return rejected[0]?.error;
  };
  for (
    const [status, type] of [
      [400, "document_parsing_exception"],
      [400, "mapper_parsing_exception"],
      [400, "strict_dynamic_mapping_exception"],
      [400, "illegal_argument_exception"],
      [412, "something_exception"],
    ] as const
  ) {
    await t.step(`dead: ${status} ${type}`, async () => {
      const dead = await rejectedWith(error(status, type));
      ok(dead instanceof PoisonError);
      deepEqual([dead.reason, dead.message, dead.detail?.["status"]], [type, "scripted", status]);
    });
  }
  for (const [status, type] of [[429, "es_rejected_execution_exception"], [500, "x"], [503, "x"]] as const) {
    await t.step(`retry: ${status} ${type}`, async () => {
      const later = await rejectedWith(error(status, type));
      ok(later instanceof TransientError);
      equal(later.message, `Cannot write to likes: ${type}: scripted`);
      equal(later.retryAfterMs, undefined);
    });
  }
  for (
    const [status, type] of [
      [429, "cluster_block_exception"],
      [403, "cluster_block_exception"],
      [400, "index_closed_exception"],
      [400, "validation_exception"],
    ] as const
  ) {
    await t.step(`pause: ${status} ${type}`, async () => {
      const later = await rejectedWith(error(status, type));
      ok(later instanceof TransientError);
      equal(later.message, `Cannot write to likes: ${type}: scripted`);
      equal(later.retryAfterMs, 30_000);
    });
  }
  await t.step("409 is as good as written, and counted", async () => {
    await using it = await setUp((request) =>
      itemReplies(request, () => error(409, "version_conflict_engine_exception"))
    );
    deepEqual((await bring(it.sink, likes(3))).outcome, { written: 3, rejected: 0, duplicates: 0 });
    equal(it.sink.figures().superseded, 3);
  });
  await t.step("403 security_exception ends the run after three tries", async () => {
    await using it = await setUp((request) => itemReplies(request, () => error(403, "security_exception")), {
      denialMs: DENIAL_MS,
    });
    await rejects(bring(it.sink, likes(1)), (fault: ConfigError) => {
      ok(fault instanceof ConfigError);
      equal(fault.message, "Cannot write to likes: security_exception: scripted");
      equal(fault.hint, "The credentials need the privilege write on likes");
      return true;
    });
    equal(it.bulks().length, 3);
  });
  await t.step("an alias without a write index ends the run", async () => {
    const reply = error(400, "illegal_argument_exception", "no write index is defined for alias [likes]");
    await rejects(rejectedWith(reply), ConfigError);
  });
  await t.step("a missing index ends the run where it cannot be made", async () => {
    await rejects(rejectedWith(error(404, "index_not_found_exception")), ConfigError);
  });
  for (const type of ["routing_missing_exception", "invalid_index_name_exception"]) {
    await t.step(`bug: ${type}`, async () => {
      await rejects(rejectedWith(error(400, type)), (bug: Error) => {
        equal(bug.name, "Error");
        return true;
      });
    });
  }
});

Deno.test("a missing index is made again where the start made it", async () => {
  const gone = error(404, "index_not_found_exception");
  let there = false;
  const created: string[] = [];
  await using server = await scriptedElasticsearch({
    "GET /likes": () =>
      there ? { body: { likes_v1: { aliases: { likes: {} }, mappings: {}, settings: {} } } } : failure(404, "x"),
    "PUT /likes_v1": ({ body }) => {
      there = true;
      created.push(body);
      return { body: { acknowledged: true } };
    },
    "POST /_bulk": (request, count) => {
      if (count === 0) there = false;
      return itemReplies(request, () => count === 0 ? gone : undefined);
    },
  });
  await using sink = await openSink(server.url, {
    setup: "auto",
    documents: { documents: ["likes"], deletes: "apply", purgeAccounts: [] },
  });
  deepEqual((await bring(sink, likes(2))).outcome, { written: 2, rejected: 0, duplicates: 0 });
  equal(created.length, 2);
  equal(created[0], created[1]);
});

Deno.test("E26: a body that is too large is halved, and what was found out counts for the whole run", async (t) => {
  for (const gzip of [false, true]) {
    await t.step(gzip ? "compressed" : "plain", async () => {
      const memory = memoryElasticsearch();
      const sizes: number[] = [];
      await using it = await setUp((request) => {
        sizes.push(Buffer.byteLength(request.body));
        equal(request.headers["content-encoding"], gzip ? "gzip" : undefined);
        return sizes.at(-1)! > 65_536 ? { status: 413 } : memory.bulk(request);
      });
      await using sink = await openSink(it.server.url, { connection: { nodes: [it.server.url], gzip } });
      deepEqual(await write(sink, ...likes(1000)), { rejected: [], duplicates: 0 });
      equal(memory.documents.size, 1000);
      const tooLarge = sizes.filter((size) => size > 65_536).length;
      ok(tooLarge > 0);
      await write(sink, ...likes(1000, 1000));
      equal(memory.documents.size, 2000);
      equal(sizes.filter((size) => size > 65_536).length, tooLarge);
    });
  }
});

Deno.test("E26: a document that is too large alone is dead, and the limit is not drawn from it", async () => {
  const sizes: number[] = [];
  await using it = await setUp((request) => {
    sizes.push(Buffer.byteLength(request.body));
    return sizes.at(-1)! > 2000 ? { status: 413 } : itemReplies(request, () => undefined);
  }, { bulkBytes: 2000 });
  const huge = like({ rkey: "huge", record: { subject: { uri: `at://${"x".repeat(3000)}` } } });
  const { letters, outcome } = await bring(it.sink, [...likes(4), huge, ...likes(4, 4)]);
  deepEqual(outcome, { written: 8, rejected: 1, duplicates: 0 });
  equal(letters[0]!.error.reason, "too_large");
  deepEqual([letters[0]!.detail!["status"], letters[0]!.detail!["doc_id"]], [413, uriOf(huge)]);
  const before = sizes.length;
  await write(it.sink, ...likes(4, 8));
  equal(sizes.length, before + 1);
});

Deno.test("--bulk-bytes: one batch takes as many bulks as it needs", async () => {
  await using it = await setUp((request) => itemReplies(request, () => undefined), { bulkBytes: 1500 });
  await write(it.sink, ...likes(10));
  ok(it.bulks().length > 1);
  ok(it.bulks().every(({ body }) => Buffer.byteLength(body) <= 1500));
  equal(it.bulks().flatMap(actionsOf).length, 10);
});

Deno.test("E30: a bulk that is refused as malformed is halved down to the guilty document", async () => {
  const memory = memoryElasticsearch();
  await using it = await setUp((request) =>
    request.body.includes('/r5"')
      ? failure(400, "illegal_argument_exception", "Malformed action/metadata line [11]")
      : memory.bulk(request)
  );
  const { letters, outcome } = await bring(it.sink, likes(8));
  deepEqual(outcome, { written: 7, rejected: 1, duplicates: 0 });
  equal(memory.documents.size, 7);
  deepEqual([letters[0]!.error.reason, letters[0]!.error.message], [
    "illegal_argument_exception",
    "Malformed action/metadata line [11]",
  ]);
  equal(letters[0]!.detail!["doc_id"], uriOf(likes(6)[5]!));
});

Deno.test("E30: ten documents that are refused for one reason end the run", async () => {
  await using it = await setUp(failure(400, "illegal_argument_exception", "request contains unrecognized parameter"));
  deepEqual((await bring(it.sink, likes(9))).outcome.rejected, 9);
  await rejects(write(it.sink, ...likes(1, 9)), (fault: ConfigError) => {
    ok(fault instanceof ConfigError);
    match(fault.message, /refused 10 for one reason: illegal_argument_exception: request contains/);
    return true;
  });
});

Deno.test("E31: an answer that makes no sense is no answer: the whole bulk again", async (t) => {
  const broken: [string, Handler][] = [
    ["fewer items", { body: { errors: false, items: [{ index: { status: 200 } }] } }],
    ["no items", { body: { errors: false } }],
    ["no JSON", { body: '{"errors":false,"items":[{' }],
    ["nothing", { body: "" }],
  ];
  for (const [name, handler] of broken) {
    await t.step(name, async () => {
      const memory = memoryElasticsearch();
      await using it = await setUp((request, count) =>
        count === 0 ? handler as { body: unknown } : memory.bulk(request)
      );
      deepEqual((await bring(it.sink, likes(3))).outcome, { written: 3, rejected: 0, duplicates: 0 });
      deepEqual(it.bulks()[0]!.body, it.bulks()[1]!.body);
    });
  }
});

Deno.test("requests that fail as a whole: the same body again, as long as it may help", async (t) => {
  for (const status of [408, 429, 500, 502, 503, 504]) {
    await t.step(`${status} is tried again`, async () => {
      const memory = memoryElasticsearch();
      await using it = await setUp((request, count) =>
        count === 0 ? { status, headers: { "retry-after": "3" } } : memory.bulk(request)
      );
      const { failures, outcome } = await bring(it.sink, likes(3));
      deepEqual([failures[0]!.asked, outcome.written], [3000, 3]);
      equal(it.bulks()[0]!.body, it.bulks()[1]!.body);
    });
  }
  for (const [status, type] of [[503, "cluster_block_exception"], [403, "cluster_block_exception"]] as const) {
    await t.step(`${status} ${type} pauses`, async () => {
      await using it = await setUp(failure(status, type));
      await rejects(write(it.sink, ...likes(1)), { name: "TransientError", retryAfterMs: 30_000 });
    });
  }
  for (const status of [401, 403]) {
    await t.step(`${status} ends the run after three tries`, async () => {
      await using it = await setUp(failure(status, "security_exception"), { denialMs: DENIAL_MS });
      await rejects(bring(it.sink, likes(1)), ConfigError);
      equal(it.bulks().length, 3);
    });
  }
  for (const status of [404, 405, 406, 415]) {
    await t.step(`${status} ends the run`, async () => {
      await using it = await setUp({ status });
      await rejects(bring(it.sink, likes(1)), ConfigError);
      equal(it.bulks().length, 1);
    });
  }
});

Deno.test("E33: a server that does not answer in time is asked again, what it did meanwhile does no harm", async () => {
  const memory = memoryElasticsearch();
  await using it = await setUp(() => "hang");
  await using server = await scriptedElasticsearch({
    "POST /_bulk": (request, count) => {
      const reply = memory.bulk(request);
      return count === 0 ? "hang" : reply;
    },
  });
  await using sink = await openSink(server.url, { connection: { nodes: [server.url], timeoutMs: 100 } });
  const { failures, outcome } = await bring(sink, likes(3));
  deepEqual([failures.length, outcome.written, memory.documents.size], [1, 3, 3]);
  const controller = new AbortController();
  const stuck = it.sink.write(batchOf(...likes(1)), { signal: controller.signal });
  setTimeout(() => controller.abort(new Error("Enough")), 20);
  await rejects(stuck, /Enough/);
});

Deno.test("E27: the reply is lost after the server wrote: no duplicate, no loss", async () => {
  const memory = memoryElasticsearch();
  await using it = await setUp((request, count) => {
    const reply = memory.bulk(request);
    return count === 0 ? "reset" : reply;
  });
  deepEqual((await bring(it.sink, likes(3))).outcome, { written: 3, rejected: 0, duplicates: 0 });
  deepEqual([memory.documents.size, it.sink.figures().superseded], [3, 0]);
  equal(it.bulks()[0]!.body, it.bulks()[1]!.body);
});

Deno.test("E34: a number that JSON does not have makes one dead letter, the bulk lives", async () => {
  const memory = memoryElasticsearch();
  await using it = await setUp(memory.bulk);
  const nan = like({ rkey: "nan" });
  const odd = { ...nan, commit: { ...nan.commit, collection: "com.example.odd", record: { value: NaN } } };
  const { letters, outcome } = await bring(it.sink, [...likes(2), odd]);
  deepEqual(outcome, { written: 2, rejected: 1, duplicates: 0 });
  equal(letters[0]!.error.reason, "not_finite");
  equal(memory.documents.size, 2);
});

Deno.test("429 halves the bulks in flight", async () => {
  let running = 0, most = 0, calm = false;
  await using it = await setUp(async (request) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 20));
    running--;
    return calm ? itemReplies(request, () => undefined) : failure(429, "es_rejected_execution_exception");
  }, { concurrency: 4 });
  const events = Array.from({ length: 6 }, (_, i) => like({ rkey: `r${i}` }));
  const round = () => Promise.allSettled(events.map((event) => write(it.sink, event)));
  await round();
  equal(most, 4);
  [most, calm] = [0, true];
  await round();
  equal(most, 1);
});
