import assert from "node:assert/strict";
import { sharedElasticsearch } from "../../../tests/support/elasticsearch.ts";
import { aliasOf, failure, scriptedElasticsearch } from "../../../tests/support/scripted_elasticsearch.ts";
import { serviceTest } from "../../../tests/support/services.ts";
import { type Kind, KINDS } from "../../transforms/elasticsearch/kinds.ts";
import { openConnection } from "./connection.ts";
import { type DefinitionOptions, definitionsOf } from "./definitions.ts";
import { setUp, type SetupOptions, setupRequests } from "./setup.ts";
import { serverStatus } from "./status.ts";
import { start } from "./start.ts";
import { targetsOf } from "./targets.ts";

const shared = sharedElasticsearch();

function wanted(kinds: readonly Kind[], prefix?: string, options: Partial<DefinitionOptions> = {}): SetupOptions {
  const bodyOf = definitionsOf({ vectors: "searchable", ...options });
  return { targets: targetsOf(kinds, { prefix }), bodyOf, prefix };
}

/** Sets up a server; `state object name` of each. */
async function report(url: string, options: SetupOptions): Promise<string[]> {
  await using connection = await openConnection({ nodes: [url] });
  return (await setUp(connection, options)).map(({ state, object, name }) => `${state} ${object} ${name}`);
}

serviceTest(
  "E54, E55: setup makes all objects of the layout, and nothing the second time",
  ["elasticsearch"],
  async () => {
    const prefix = shared.prefix();
    const options = wanted(KINDS, prefix);
    const templates = KINDS.map((kind) => `template ${prefix}bskyingest-classic-${kind}`);
    const names = [...templates, ...KINDS.map((kind) => `index ${prefix}${kind}_v1`)];
    assert.deepEqual(await report(shared.es.url, options), names.map((name) => `created ${name}`));
    assert.deepEqual(await report(shared.es.url, options), names.map((name) => `unchanged ${name}`));
    const stored = wanted(KINDS, prefix, { vectors: "stored", replicas: ["likes=0"] });
    const changed = [`template ${prefix}bskyingest-classic-likes`, `template ${prefix}bskyingest-classic-posts`];
    assert.deepEqual(
      (await report(shared.es.url, stored)).filter((line) => !line.startsWith("unchanged")),
      changed.map((name) => `updated ${name}`),
    );
    const made = await shared.es.json("PUT", `/${prefix}likes_v1-other`);
    assert.equal(made.acknowledged, true);
    const { [`${prefix}likes_v1-other`]: other } = await shared.es.json("GET", `/${prefix}likes_v1-other`);
    assert.equal(other.settings.index.number_of_replicas, "0");
    assert.equal(other.mappings.properties.at_uri.path, "uri");
  },
);

serviceTest("E54: --dry-run's requests are what setup sends", ["elasticsearch"], async () => {
  const prefix = shared.prefix();
  const options = wanted(["likes", "posts"], prefix);
  for (const { method, path, body } of setupRequests(options)) await shared.es.json(method, path, body);
  assert((await report(shared.es.url, options)).every((line) => line.startsWith("unchanged ")));
});

serviceTest("E54: a mapping is extended, foreign indices are kept and named", ["elasticsearch"], async () => {
  const prefix = shared.prefix();
  const options = wanted(["likes"], prefix);
  const old = { mappings: { properties: { uri: { type: "keyword" }, mine: { type: "long" } } } };
  await shared.es.json("PUT", `/${prefix}old`, { ...old, aliases: { [`${prefix}likes`]: {} } });
  await using connection = await openConnection({ nodes: [shared.es.url] });
  const [, index] = await setUp(connection, options);
  assert.deepEqual(index, {
    object: "index",
    name: `${prefix}old`,
    state: "updated",
    notes: [`alias ${prefix}likes has other indices, kept: ${prefix}old`],
  });
  const { [`${prefix}old`]: { mappings } } = await shared.es.json("GET", `/${prefix}old`);
  assert.deepEqual(mappings.properties.uri, { type: "keyword", ignore_above: 8191 });
  assert.deepEqual(mappings.properties.at_uri, { type: "alias", path: "uri" });
  assert.equal((await setUp(connection, options))[1]!.state, "unchanged");
});

Deno.test("vectors of the models that are asked for are in the mapping, besides those that every index has", () => {
  const mapped = (embeddings: readonly string[]) => {
    const [, index] = setupRequests(wanted(["posts"], undefined, { embeddings }));
    const { properties } = JSON.parse(index!.body).mappings.properties.embeddings;
    return Object.entries<{ dims: number }>(properties).map(([name, { dims }]) => `${name} ${dims}`);
  };
  const classic = ["all_MiniLM_L12_v2 384", "all_MiniLM_L6_v2 384"];
  for (const names of [[], ["none"], ["all-MiniLM-L6-v2"]]) assert.deepEqual(mapped(names), classic);
  assert.deepEqual(mapped(["all"]), [...classic, "all_mpnet_base_v2 768", "embeddinggemma_300m 768"]);
  assert.deepEqual(mapped(["org/my.model:32"]), [...classic, "my_model 32"]);
  assert.throws(() => mapped(["L12"]), /Cannot use --embeddings "L12": it must be all, none, one of/);
});

serviceTest("an index gets the vectors of other models, once setup runs with them", ["elasticsearch"], async () => {
  const prefix = shared.prefix();
  const name = `${prefix}posts_v1`;
  await report(shared.es.url, wanted(["posts"], prefix));
  const gemma = wanted(["posts"], prefix, { embeddings: ["google/embeddinggemma-300m"] });
  const [template] = await report(shared.es.url, gemma);
  assert.equal(template, `updated template ${prefix}bskyingest-classic-posts`);
  const { [name]: { mappings } } = await shared.es.json("GET", `/${name}`);
  const { embeddinggemma_300m, all_MiniLM_L12_v2 } = mappings.properties.embeddings.properties;
  assert.deepEqual([embeddinggemma_300m.type, embeddinggemma_300m.dims], ["dense_vector", 768]);
  assert.equal(all_MiniLM_L12_v2.dims, 384);
  assert.deepEqual((await report(shared.es.url, gemma)).map((line) => line.split(" ")[0]), ["unchanged", "unchanged"]);
});

serviceTest("E54: an index without its alias gets it", ["elasticsearch"], async () => {
  const prefix = shared.prefix();
  await shared.es.json("PUT", `/${prefix}likes_v1`);
  const options = wanted(["likes"], prefix);
  assert.equal((await report(shared.es.url, options))[1], `updated index ${prefix}likes_v1`);
  assert.equal((await report(shared.es.url, options))[1], `unchanged index ${prefix}likes_v1`);
});

serviceTest("E54: a field of another type is a conflict, and then nothing is changed", ["elasticsearch"], async () => {
  const prefix = shared.prefix();
  const old = { mappings: { properties: { subject_uri: { type: "text" } } }, aliases: { [`${prefix}likes`]: {} } };
  await shared.es.json("PUT", `/${prefix}likes_v1`, old);
  await using connection = await openConnection({ nodes: [shared.es.url] });
  const options = wanted(["likes", "posts"], prefix);
  const objects = await setUp(connection, options);
  assert.equal(objects.length, 1);
  const { state, name, notes } = objects[0]!;
  assert.deepEqual([state, name], ["conflict", `${prefix}likes_v1`]);
  assert.equal(notes[0], "field subject_uri is text, it must be keyword");
  assert.match(
    notes[1]!,
    new RegExp(`POST /_reindex {"source":{"index":"${prefix}likes_v1"},"dest":.*${prefix}likes_v2`),
  );
  assert.equal(
    (await shared.es.request("GET", `/_index_template/${prefix}bskyingest-*`)).body.index_templates.length,
    0,
  );
  assert.equal((await shared.es.request("GET", `/${prefix}posts_v1`)).status, 404);
  const status = await serverStatus(connection, { ...options, allNeeded: false });
  assert.equal(status.ok, false);
  assert(status.problems.includes(`Field subject_uri of ${prefix}likes_v1 is text, it should be keyword`));
});

serviceTest(
  "E6: --setup auto on an empty server makes an index that setup would not change",
  ["elasticsearch"],
  async () => {
    const prefix = shared.prefix();
    const options = wanted(["likes", "posts", "post_tombstones"], prefix);
    await using connection = await openConnection({ nodes: [shared.es.url] });
    for (let i = 0; i < 2; i++) {
      const targets = await (await start(connection, { ...options, setup: "auto" })).ready();
      assert.deepEqual(targets.get("likes")!.members, [`${prefix}likes_v1`]);
    }
    const { body } = await shared.es.request("GET", `/_index_template/${prefix}bskyingest-*`);
    assert.deepEqual(body.index_templates, []);
    const lines = await report(shared.es.url, options);
    assert.deepEqual(lines.slice(3).map((line) => line.split(" ")[0]), ["unchanged", "unchanged", "unchanged"]);
  },
);

serviceTest("E8, E36: what a real server says about such indices", ["elasticsearch"], async () => {
  const prefix = shared.prefix();
  const vector = { all_MiniLM_L12_v2: { type: "float" } };
  const aliases = { [`${prefix}posts`]: {} };
  await shared.es.json("PUT", `/${prefix}a`, {
    aliases,
    mappings: { properties: { embeddings: { properties: vector } } },
  });
  await using connection = await openConnection({ nodes: [shared.es.url] });
  const options = { ...wanted(["posts"], prefix), setup: "auto" } as const;
  const field = "field embeddings.all_MiniLM_L12_v2 is float, it must be dense_vector of 384 dims";
  await assert.rejects(start(connection, options), {
    name: "ConfigError",
    message: `Cannot write to index ${prefix}a: ${field}`,
  });
  await shared.es.json("PUT", `/${prefix}b`, { aliases });
  const message =
    `Cannot write to alias ${prefix}posts: none of its indices (${prefix}a, ${prefix}b) is its write index`;
  await assert.rejects(start(connection, options), { name: "ConfigError", message });
  const conflict = (await setUp(connection, options)).find(({ name }) => name === `${prefix}posts`);
  assert.deepEqual([conflict?.state, conflict?.notes], ["conflict", [message]]);
});

serviceTest("status shows indices, documents, blocks, and what is wrong", ["elasticsearch"], async () => {
  const prefix = shared.prefix();
  const options = { ...wanted(["likes", "posts"], prefix), allNeeded: false };
  await using connection = await openConnection({ nodes: [shared.es.url] });
  const empty = await serverStatus(connection, options);
  assert.deepEqual(empty.problems, ["There is none of the indices: run bskyingest elasticsearch setup"]);
  await setUp(connection, wanted(["likes"], prefix));
  await shared.es.json("PUT", `/${prefix}likes_v1/_doc/1?refresh=true`, { indexed_at: "2026-11-21T10:11:12.345Z" });
  const good = await serverStatus(connection, options);
  assert.equal(good.ok, true);
  assert.match(good.version!, /^[89]\./);
  const [likes, posts] = good.kinds;
  assert.equal(likes!.newest_indexed_at, "2026-11-21T10:11:12.345Z");
  assert.equal(likes!.template, "as expected");
  const { bytes, ...index } = likes!.indices[0]!;
  assert(bytes! > 0);
  assert.deepEqual(index, {
    name: `${prefix}likes_v1`,
    write: true,
    foreign: false,
    documents: 1,
    mapping: "as expected",
    blocks: [],
  });
  assert.deepEqual(posts, {
    kind: "posts",
    alias: `${prefix}posts`,
    indices: [],
    newest_indexed_at: null,
    template: "missing",
  });
  assert.deepEqual((await serverStatus(connection, { ...options, allNeeded: true })).problems, [
    `There is no alias or index ${prefix}posts`,
  ]);
  await shared.es.json("PUT", `/${prefix}likes_v1/_block/write`);
  assert.deepEqual((await serverStatus(connection, options)).problems, [`Index ${prefix}likes_v1 is blocked: write`]);
});

Deno.test("setup and status say what the key may not do", async () => {
  const denied = failure(403, "security_exception", "unauthorized");
  const empty = failure(404, "index_not_found_exception");
  await using server = await scriptedElasticsearch({
    "GET /_index_template/bskyingest-classic-likes": [denied, empty, empty, denied],
    "PUT /_index_template/bskyingest-classic-likes": denied,
    "GET /likes": [denied, empty, denied],
    "GET /_cluster/health": denied,
  });
  const options = wanted(["likes"]);
  const failing = { name: "ConfigError", hint: /manage_index_templates/ };
  await assert.rejects(report(server.url, options), failing);
  await assert.rejects(report(server.url, options), { name: "ConfigError", hint: /view_index_metadata/ });
  await assert.rejects(report(server.url, options), failing);
  await using connection = await openConnection({ nodes: [server.url] });
  const status = await serverStatus(connection, { ...options, allNeeded: false });
  assert.equal(status.health, null);
  assert.equal(status.kinds[0]!.template, "unknown");
  assert.equal(status.problems[0], "The key may not look at likes");
});

Deno.test("an analyzer that an open index cannot get is in the way", async () => {
  await using server = await scriptedElasticsearch({ "GET /posts": aliasOf("posts", [{ name: "posts_v1" }]) });
  await using connection = await openConnection({ nodes: [server.url] });
  const [{ notes } = { notes: [] }] = await setUp(connection, wanted(["posts"]));
  assert.match(notes[0]!, /^analyzer content_analyzer is not defined/);
  assert(server.requests.every(({ method }) => method === "GET"));
});

Deno.test("numbers of shards and replicas are checked", () => {
  const index = (options: Partial<DefinitionOptions>, kind: Kind) =>
    definitionsOf({ vectors: "stored", ...options })(kind).settings["index"] as Record<string, unknown>;
  assert.equal(index({ shards: ["3", "likes=5"] }, "likes")["number_of_shards"], 5);
  assert.equal(index({ shards: ["3", "likes=5"] }, "posts")["number_of_shards"], 3);
  assert.equal(index({ replicas: ["posts=0"] }, "posts")["number_of_replicas"], 0);
  for (const bad of ["0", "x", "hearts=1", "1025", "-1"]) {
    assert.throws(() => index({ shards: [bad] }, "likes"), {
      name: "ConfigError",
      message: /^Cannot use --index-shards/,
    });
  }
  assert.throws(() => index({ replicas: ["1", "2"] }, "likes"), { name: "ConfigError", message: /given twice/ });
});
