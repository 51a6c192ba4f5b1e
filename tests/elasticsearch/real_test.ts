/**
 * What only a real server can show: purges, tombstones, copies in other indices, and its words for what it refuses.
 *
 * @module
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { PoisonError } from "../../lib/pipeline/errors.ts";
import type { ElasticsearchSink, ElasticsearchSinkOptions } from "../../lib/sinks/elasticsearch.ts";
import { sharedElasticsearch } from "../support/elasticsearch.ts";
import { A, account, B, like, openSink, post, uriOf, write } from "../support/elasticsearch_events.ts";
import { serviceTest } from "../support/services.ts";

const shared = sharedElasticsearch();
const documents = { deletes: "apply", purgeAccounts: ["deleted"] } as const;

/** A sink that makes indices of its own. */
function open(prefix: string, options: Partial<ElasticsearchSinkOptions> = {}): Promise<ElasticsearchSink> {
  return openSink(shared.es.url, { setup: "auto", documents, targets: { prefix }, ...options });
}

const NOTHING = { rejected: [], duplicates: 0 };

serviceTest("E83: a purge of more than a page, with aliases that are not there", ["elasticsearch"], async () => {
  const prefix = shared.prefix();
  const only = { documents: { ...documents, documents: ["likes", "posts", "identities"] as const } };
  await using sink = await open(prefix, only);
  const posts = Array.from({ length: 1500 }, (_, i) => post({ rkey: `p${i}` }));
  const long = post({ rkey: "l".repeat(600) });
  const identity = { ...account("x"), kind: "identity", identity: { did: A, handle: "a.example" } } as const;
  const others = [like({ did: B }), post({ did: B }), post({ rkey: "later", at: 100 })];
  deepEqual(await write(sink, ...posts, long, like(), identity, ...others), NOTHING);
  for (let i = 0; i < 2; i++) {
    deepEqual(await write(sink, account("deleted", { at: 50 })), NOTHING);
    const left = [...await shared.es.documents(`${prefix}posts,${prefix}likes,${prefix}identities`)].map(([id]) => id);
    deepEqual(left.toSorted(), others.map(uriOf).toSorted());
    equal(await shared.es.count(`${prefix}post_tombstones`), 1501);
  }
  const tombstones = await shared.es.hits(`${prefix}post_tombstones`);
  equal(tombstones.find(({ _id }) => _id.startsWith("sha256:"))?._source["at_uri"], uriOf(long));
  ok(tombstones.every(({ _source }) => _source["author_did"] === A));
  equal((await shared.es.request("GET", `/${prefix}reposts`)).status, 404);
});

serviceTest(
  "E18: a create that comes long after its delete is left out with --check-tombstones",
  ["elasticsearch"],
  async () => {
    const prefix = shared.prefix();
    await using careless = await open(prefix);
    await using careful = await open(prefix, { checkTombstones: true });
    // As a restart of the shard: the version of what was deleted is forgotten.
    await shared.es.json("PUT", `/${prefix}posts/_settings`, { "index.gc_deletes": "0s" });
    await write(careless, post(), post({ at: 5, operation: "delete" }));
    deepEqual(await write(careful, post(), post({ rkey: "other" })), NOTHING);
    equal(careful.figures().superseded, 1);
    equal(await shared.es.count(`${prefix}posts`), 1);
    equal(await shared.es.count(`${prefix}post_tombstones`), 1);
    deepEqual(await write(careful, post({ at: 6 })), NOTHING);
    equal(await shared.es.count(`${prefix}posts`), 2);
  },
);

serviceTest("deletes find copies in the other indices of an alias", ["elasticsearch"], async () => {
  const prefix = shared.prefix();
  const name = (index: string) => `${prefix}${index}`;
  for (const index of ["likes_old", "likes_older", "likes_new"]) {
    await shared.es.json("PUT", `/${name(index)}`, {
      aliases: { [name("likes")]: { is_write_index: index === "likes_new" } },
    });
  }
  const id = encodeURIComponent(uriOf(like()));
  await shared.es.json("PUT", `/${name("likes_old")}/_doc/${id}?routing=somewhere&refresh=true`, { uri: "x" });
  await shared.es.json("PUT", `/${name("likes_older")}/_doc/${id}?refresh=true`, { uri: "x" });
  await using sink = await open(prefix, { documents: { ...documents, documents: ["likes"] } });
  deepEqual(await write(sink, like(), like({ rkey: "kept" })), NOTHING);
  equal(await shared.es.count(name("likes")), 4);
  deepEqual(await write(sink, like({ operation: "delete", at: 1 })), NOTHING);
  deepEqual((await shared.es.hits(name("likes"))).map(({ _index }) => _index), [name("likes_new")]);
});

serviceTest("E24: what a real server says of a document that it cannot take", ["elasticsearch"], async () => {
  const prefix = shared.prefix();
  await shared.es.json("PUT", `/${prefix}likes`, { mappings: { properties: { author_did: { type: "integer" } } } });
  await using sink = await open(prefix, { setup: "off" });
  const { rejected: [first, ...more] } = await write(sink, like(), post());
  deepEqual([first!.index, more.length], [0, 0]);
  const { reason, message, detail } = first!.error as PoisonError;
  equal(reason, "document_parsing_exception");
  match(message, /failed to parse field \[author_did\] of type \[integer\]/);
  deepEqual({ ...detail, caused_by: typeof detail!["caused_by"] }, {
    index: `${prefix}likes`,
    doc_id: uriOf(like()),
    action: "index",
    status: 400,
    caused_by: "string",
  });
});

serviceTest("E28: a block on the index is waited for, deletes included", ["elasticsearch"], async () => {
  const prefix = shared.prefix();
  await using sink = await open(prefix);
  await write(sink, like({ rkey: "a" }));
  for (const block of ["write", "read_only_allow_delete"]) {
    await shared.es.json("PUT", `/${prefix}likes/_settings`, { [`index.blocks.${block}`]: true });
    const { rejected } = await write(sink, like({ rkey: "b" }), like({ rkey: "a", operation: "delete", at: 1 }));
    deepEqual(rejected.map(({ index }) => index), [0, 1]);
    match(String(rejected[0]!.error), /TransientError: Cannot write to .*likes: cluster_block_exception/);
    equal((rejected[0]!.error as { retryAfterMs: number }).retryAfterMs, 30_000);
    await shared.es.json("PUT", `/${prefix}likes/_settings`, { [`index.blocks.${block}`]: null });
    deepEqual(await write(sink, like({ rkey: "b" })), NOTHING);
  }
  await shared.es.json("POST", `/${prefix}likes/_close`);
  const { rejected } = await write(sink, like({ rkey: "c" }));
  match(String(rejected[0]!.error), /TransientError: Cannot write to .*likes: index_closed_exception/);
});
