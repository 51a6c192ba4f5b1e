import assert from "node:assert/strict";
import { captureLog } from "../../../tests/support/log_records.ts";
import {
  aliasOf,
  failure,
  info,
  type Script,
  scriptedElasticsearch,
} from "../../../tests/support/scripted_elasticsearch.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { openConnection } from "./connection.ts";
import { checkServer, type SetupMode, start } from "./start.ts";
import { targetsOf } from "./targets.ts";

const BODY = {
  settings: { number_of_shards: 1 },
  mappings: { dynamic: false, properties: { uri: { type: "keyword" }, vector: { type: "dense_vector", dims: 384 } } },
};
const { mappings } = BODY;

/** Starts likes against a script. */
async function starting(script: Script, setup: SetupMode = "auto") {
  const server = await scriptedElasticsearch(script);
  const connection = await openConnection({ nodes: [server.url.replace("//", "//u:s3cret@")] });
  const begin = async () => {
    try {
      return await start(connection, { targets: targetsOf(["likes"]), setup, bodyOf: () => BODY });
    } catch (error) {
      assert(error instanceof ConfigError, String(error));
      assert(!error.message.includes("s3cret"));
      return error;
    }
  };
  const sent = () => server.requests.map(({ method, path }) => `${method} ${path}`);
  return {
    server,
    connection,
    begin,
    sent,
    async [Symbol.asyncDispose]() {
      await connection[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** The fault that a start ends with. */
async function faultOf(script: Script, setup?: SetupMode): Promise<ConfigError> {
  await using world = await starting(script, setup);
  const error = await world.begin();
  assert(error instanceof ConfigError);
  return error;
}

Deno.test("E1: a wrong key is a fault of the settings", async () => {
  const error = await faultOf({ "GET /": failure(401, "security_exception", "unable to authenticate") });
  assert.match(error.message, /^Cannot use http:\S+: the credentials are refused \(.*unable to authenticate\)$/);
  assert.match(error.hint!, /--elasticsearch-api-key/);
});

Deno.test("E2: OpenSearch and what else answers is named", async () => {
  const openSearch = { ...info("2.11.0", { distribution: "opensearch" }), headers: { "x-elastic-product": undefined } };
  const error = await faultOf({ "GET /": openSearch });
  assert.match(error.message, /^Cannot use http:\/\/127\S+: this is OpenSearch 2\.11\.0, not Elasticsearch 8 or 9$/);
  assert.match(error.hint!, /ndjson/);
  for (const reply of [{ body: "<html>" }, { ...info("8.1.0"), headers: { "x-elastic-product": undefined } }]) {
    assert.match((await faultOf({ "GET /": reply })).message, /this is something else/);
  }
});

Deno.test("E3: version 7.17 is refused, 10 is warned about", async () => {
  assert.match((await faultOf({ "GET /": info("7.17.0") })).message, /this is Elasticsearch 7\.17\.0, not/);
  await using world = await starting({ "GET /": info("10.0.1") });
  await using log = await captureLog();
  assert.deepEqual(await checkServer(world.connection), { version: "10.0.1", cluster: "scripted" });
  assert.match(log.lines.join("\n"), /^warning: Elasticsearch 10\.0\.1 is newer/);
});

Deno.test("a key that may not see the cluster may still write", async () => {
  const script = { "GET /": failure(403, "security_exception"), "GET /likes": failure(403, "security_exception") };
  await using world = await starting(script);
  const begun = await world.begin();
  assert("ready" in begun);
  assert.deepEqual((await begun.ready()).get("likes")!.members, ["likes"]);
});

Deno.test("E4: a server that is down is waited for, and looked at once", async () => {
  const down = failure(503, "unavailable");
  await using world = await starting({
    "GET /": ["reset", down, { ...failure(429, "busy"), headers: { "retry-after": "3" } }, info("8.19.2")],
    "GET /likes": aliasOf("likes", [{ name: "likes_v1", mappings }]),
  });
  await using log = await captureLog();
  const begun = await world.begin();
  assert("ready" in begun);
  assert.match(log.lines.join("\n"), /warning: Cannot reach http:.*: writing begins when it answers/);
  await assert.rejects(begun.ready(), { name: "TransientError" });
  await assert.rejects(begun.ready(), { name: "TransientError", retryAfterMs: 3000 });
  const [one, two] = await Promise.all([begun.ready(), begun.ready()]);
  assert.equal(one, two);
  assert.equal(await begun.ready(), one);
  assert.deepEqual([...one.values()], [{ kind: "likes", alias: "likes", index: "likes_v1", members: ["likes_v1"] }]);
  assert.equal(world.server.received("GET /").length, 4);
});

Deno.test("E6: --setup auto makes an index with its mapping and alias in one request", async () => {
  await using world = await starting({
    "GET /likes": [failure(404, "index_not_found_exception"), aliasOf("likes", [{ name: "likes_v1", mappings }])],
    "PUT /likes_v1": { body: { acknowledged: true } },
  });
  assert("ready" in await world.begin());
  assert.deepEqual(world.sent(), ["GET /", "GET /likes", "PUT /likes_v1", "GET /likes"]);
  assert.deepEqual(JSON.parse(world.server.requests[2]!.body), { ...BODY, aliases: { likes: {} } });
});

Deno.test("E6: an index without its alias gets it, also where another process was faster", async () => {
  const exists = failure(400, "resource_already_exists_exception");
  await using world = await starting({
    "GET /likes": [failure(404, "index_not_found_exception"), aliasOf("likes", [{ name: "likes_v1", mappings }])],
    "PUT /likes_v1": exists,
    "POST /_aliases": { body: { acknowledged: true } },
  });
  assert("ready" in await world.begin());
  const [{ body } = { body: "" }] = world.server.received("POST /_aliases");
  assert.deepEqual(JSON.parse(body), { actions: [{ add: { index: "likes_v1", alias: "likes" } }] });
});

Deno.test("E6: a key that may not create names the privilege", async () => {
  const error = await faultOf({ "PUT /likes_v1": failure(403, "security_exception", "action is unauthorized") });
  assert.match(error.message, /^Cannot create index likes_v1 on .*unauthorized$/);
  assert.match(error.hint!, /create_index/);
});

Deno.test("E7: --setup check refuses what is missing, with a hint; --setup off does not look", async () => {
  const error = await faultOf({}, "check");
  assert.match(error.message, /^Cannot write likes: there is no index or alias likes on http/);
  assert.match(error.hint!, /bskyingest elasticsearch setup/);
  await using world = await starting({}, "off");
  assert("ready" in await world.begin());
  assert.deepEqual(world.sent(), ["GET /"]);
});

Deno.test("E8: a field of the wrong type is named, one that is only different is not", async () => {
  const alias = (properties: unknown) => ({
    "GET /likes": aliasOf("likes", [{ name: "old", write: false }, {
      name: "new",
      write: true,
      mappings: { properties },
    }]),
  });
  const error = await faultOf(alias({ uri: { type: "text" }, vector: { type: "float" } }));
  assert.deepEqual(error.faults, [
    "Cannot write to index new: field uri is text, it must be keyword",
    "Cannot write to index new: field vector is float, it must be dense_vector of 384 dims",
  ]);
  const dims = await faultOf(alias({ vector: { type: "dense_vector", dims: 3 } }));
  assert.match(dims.message, /field vector is dense_vector of 3 dims, it must be dense_vector of 384 dims/);
  await using world = await starting(alias({ uri: { type: "wildcard" } }));
  const begun = await world.begin();
  assert("ready" in begun);
  assert.deepEqual((await begun.ready()).get("likes")!.members, ["new", "old"]);
});

Deno.test("E36: an alias of two indices without a write index is named", async () => {
  const two = { "GET /likes": aliasOf("likes", [{ name: "a" }, { name: "b" }]) };
  const error = await faultOf(two);
  assert.match(error.message, /^Cannot write to alias likes: none of its indices \(a, b\) is its write index$/);
  await faultOf({ "GET /likes": aliasOf("likes", [{ name: "a", write: false }]) });
});

Deno.test("an index that bears the alias's name is written to", async () => {
  const index = { body: { likes: { aliases: {}, mappings, settings: {} } } };
  await using world = await starting({ "GET /likes": index });
  const begun = await world.begin();
  assert("ready" in begun);
  assert.deepEqual((await begun.ready()).get("likes")!.members, ["likes"]);
});
