import assert from "node:assert/strict";
import type { CheckResult } from "../../cli/doctor/check.ts";
import { selfSigned } from "../support/certificate.ts";
import { startCli } from "../support/child.ts";
import { sharedElasticsearch, startElasticsearch } from "../support/elasticsearch.ts";
import { assertCalm, assertMisuse, type Ended, ended, filesIn, parseSummary, run } from "../support/program.ts";
import { aliasOf, failure, info, type Reply, scriptedElasticsearch } from "../support/scripted_elasticsearch.ts";
import { serviceTest } from "../support/services.ts";
import { inFolder } from "../support/temp.ts";

const shared = sharedElasticsearch();
const LIKES = ["--documents", "likes"];
const MADE_UP = ["jetstream", "--simulate", "-n", "100"];

const setup = (folder: string, args: readonly string[]) => run(folder, ["elasticsearch", "setup", ...args]);
const status = (folder: string, args: readonly string[]) => run(folder, ["elasticsearch", "status", ...args]);
const states = ({ stdout }: Ended) => JSON.parse(stdout[0]!).objects.map(({ state }: { state: string }) => state);

serviceTest(
  "E54: setup twice, extended, in conflict: what the command says",
  ["elasticsearch"],
  () =>
    inFolder(async (folder) => {
      const { es } = shared;
      const prefix = shared.prefix();
      const args = ["--elasticsearch-url", es.url, "--index-prefix", prefix, ...LIKES];
      const first = await setup(folder, args);
      assert.equal(first.code, 0, first.stderr.join("\n"));
      assert.deepEqual(first.stdout, [
        `created    template ${prefix}bskyingest-classic-likes`,
        `created    index ${prefix}likes_v1`,
      ]);
      assert.deepEqual(states(await setup(folder, [...args, "--json"])), ["unchanged", "unchanged"]);

      const hearts = [...args, "--index", "hearts"];
      await es.json("PUT", `/${prefix}hearts_v1`, { mappings: { properties: { uri: { type: "text" } } } });
      const conflict = await setup(folder, [...hearts, "--json"]);
      assert.equal(conflict.code, 2);
      assertCalm(conflict);
      assert.deepEqual(states(conflict), ["conflict"]);
      assert.match(
        conflict.stderr[0]!,
        /^Cannot set up http:\/\/\S+: what is there is in the way, nothing was changed$/,
      );
      assert.equal((await es.request("GET", `/${prefix}hearts`)).status, 404);
    }),
);

serviceTest("status: exit status 1 where something is wrong", ["elasticsearch"], () =>
  inFolder(async (folder) => {
    const prefix = shared.prefix();
    const args = ["--elasticsearch-url", shared.es.url, "--index-prefix", prefix];
    const empty = await status(folder, args);
    assert.equal(empty.code, 1);
    assert.equal(empty.stdout.at(-1), "There is none of the indices: run bskyingest elasticsearch setup");
    assert.equal((await setup(folder, [...args, ...LIKES])).code, 0);
    const good = await status(folder, args);
    assert.equal(good.code, 0, good.stdout.join("\n"));
    assert.match(good.stdout[0]!, /^http:\/\/127\S+ {2}Elasticsearch [89]\.\S+ {2}cluster /);
    assert(good.stdout.includes(`${prefix}likes  newest none  template as expected`));
    assert(good.stdout.some((line) => line.startsWith(`  ${prefix}likes_v1  0 documents`)));
    const json = await status(folder, [...args, "--documents", "likes,posts", "--json"]);
    assert.equal(json.code, 1);
    const { ok, problems } = JSON.parse(json.stdout[0]!);
    assert.deepEqual([ok, problems], [false, [
      `There is no alias or index ${prefix}posts`,
      `There is no alias or index ${prefix}post_tombstones`,
    ]]);
  }));

Deno.test("E54: --dry-run prints every request, and needs no server", () =>
  inFolder(async (folder) => {
    const { code, stdout } = await setup(folder, ["--dry-run", "--json"]);
    assert.equal(code, 0);
    const requests = stdout.map((line) => JSON.parse(line));
    assert.equal(requests.length, 18);
    assert(requests.every(({ method }) => method === "PUT"));
    assert.equal(requests[0].path, "/_index_template/bskyingest-classic-likes");
    assert.deepEqual(requests[0].body.index_patterns, ["likes_v1*"]);
    assert.equal(requests[9].path, "/likes_v1");
    assert.deepEqual(requests[9].body.aliases, { likes: {} });
    await using server = await scriptedElasticsearch();
    const options = ["--dry-run", "--elasticsearch-url", server.url, ...LIKES, "--index-replicas", "0"];
    const text = (await setup(folder, options)).stdout;
    assert.equal(text[0], "PUT /_index_template/bskyingest-classic-likes");
    assert(text.includes('        "number_of_replicas": 0,'));
    assert.deepEqual(server.requests, []);
  }));

Deno.test("E1, E2, E3, E7, E36: a server that cannot be used ends a run before it reads, with exit status 2", () =>
  inFolder(async (folder) => {
    const openSearch = info("2.11.0", { distribution: "opensearch" });
    const cases: [Record<string, Reply>, string[], RegExp][] = [
      [{ "GET /": failure(401, "security_exception") }, [], /^Cannot use http:\S+: the credentials are refused/],
      [{ "GET /": openSearch }, [], /this is OpenSearch 2\.11\.0, not Elasticsearch 8 or 9$/],
      [{ "GET /": info("7.17.0") }, [], /this is Elasticsearch 7\.17\.0, not/],
      [{}, ["--setup", "check"], /^Cannot write likes: there is no index or alias likes on http/],
      [
        { "GET /likes": aliasOf("likes", [{ name: "a" }, { name: "b" }]) },
        [],
        /alias likes: none of its indices \(a, b\)/,
      ],
    ];
    for (const [script, args, expected] of cases) {
      await using server = await scriptedElasticsearch(script);
      const end = await run(folder, [...MADE_UP, "--json", "--elasticsearch-url", server.url, ...args]);
      assertMisuse(end, expected);
      assert(server.requests.every(({ method }) => method === "GET"));
    }
  }));

Deno.test("E5: TLS: refused, trusted by --ca-cert, trusted blindly with a warning", () =>
  inFolder(async (folder) => {
    const certificate = selfSigned("localhost");
    Deno.writeTextFileSync(`${folder}/ca.pem`, certificate.cert);
    const alias = aliasOf("likes", [{ name: "likes_v1" }]);
    await using server = await scriptedElasticsearch({ "GET /likes": alias }, { tls: certificate });
    const write = (args: string[], env: Record<string, string> = {}) =>
      run(folder, [...MADE_UP, "--json", "--elasticsearch-url", server.url, ...args], env);
    assertMisuse(await write([]), /^Cannot use https:\/\/localhost:\d+: .*certificate/);
    assert.equal(parseSummary(await write(["--ca-cert", "ca.pem"])).written, 100);
    for (
      const [args, env] of [[["-skip-tls-verify"], {}], [[], { GE_ELASTICSEARCH_TLS_SKIP_VERIFY: "true" }]] as const
    ) {
      const end = await write([...args], env);
      assert.equal(parseSummary(end).written, 100);
      assert(end.stderr.some((line) => /warning .*Certificates are not verified/.test(line)), end.stderr.join("\n"));
    }
    assertMisuse(await write(["--ca-cert", "missing.pem"]), /^Cannot read missing\.pem: no such file/);
  }));

serviceTest(
  "E4: a server that is down at the start is waited for",
  ["elasticsearch"],
  () =>
    inFolder(async (folder) => {
      await using es = await startElasticsearch();
      await es.kill();
      const args = [...MADE_UP, "--ops", "create", "--json", "--elasticsearch-url", es.url];
      await using child = startCli(args, { cwd: folder });
      await child.stderr.waitFor("writing begins when it answers");
      await es.restart();
      const summary = parseSummary(await ended(child));
      assert.equal(summary.written, 100);
      assert(summary.retried > 0);
      assert.equal(await es.count("likes"), 100);
    }),
);

Deno.test("E9, L5: no secret is printed, whatever happens", () =>
  inFolder(async (folder) => {
    await using server = await scriptedElasticsearch({
      "GET /likes": aliasOf("likes", [{ name: "likes_v1" }]),
      "POST /_bulk": [failure(503, "unavailable"), failure(401, "security_exception")],
    });
    const url = server.url.replace("//", "//me:m4rker@");
    const down = "http://me:m4rker@127.0.0.1:1,http://you:m4rker@127.0.0.1:1/x";
    const debug = ["--log-level", "debug"];
    Deno.writeTextFileSync(`${folder}/key`, "m4rker\n");
    const ends = [
      await run(folder, [...MADE_UP, ...debug, "--elasticsearch-url", url, "--max-retries", "1"]),
      await run(folder, [...MADE_UP, ...debug], { ELASTICSEARCH_URL: down, BSKYINGEST_MAX_RETRIES: "1" }),
      await status(folder, ["--elasticsearch-url", url]),
      await status(folder, ["--elasticsearch-url", `${url},${down}`, "--elasticsearch-api-key", "m4rker"]),
      await status(folder, ["--elasticsearch-url", "me:m4rker@host"]),
      await status(folder, ["--elasticsearch-url", server.url, "--elasticsearch-api-key", "id:m4rker"]),
      await run(folder, ["config", "show", "jetstream"], {
        GE_ELASTICSEARCH_URL: down,
        ELASTICSEARCH_API_KEY_FILE: `${folder}/key`,
        BSKYINGEST_ELASTICSEARCH_PASSWORD: "",
      }),
      await run(folder, ["config", "show", "jetstream"], { BSKYINGEST_ELASTICSEARCH_PASSWORD: "m4rker" }),
      await run(folder, ["doctor", "--simulate", "--elasticsearch-url", url]),
    ];
    for (const end of ends) {
      assertCalm(end);
      assert.doesNotMatch([...end.stdout, ...end.stderr].join("\n"), /m4rker/);
    }
    for (const name of filesIn(folder)) {
      if (name !== "key") assert.doesNotMatch(Deno.readTextFileSync(`${folder}/${name}`), /m4rker/, name);
    }
    const basic = `Basic ${btoa("me:m4rker")}`;
    assert(server.requests.some(({ headers }) => headers.authorization === basic));
  }));

Deno.test("an API key is read from a file, and two kinds of credentials exclude each other", () =>
  inFolder(async (folder) => {
    await using server = await scriptedElasticsearch();
    Deno.writeTextFileSync(`${folder}/key`, "aWQ6a2V5\n");
    const url = ["--elasticsearch-url", server.url];
    for (
      const [args, env] of [
        [["--elasticsearch-api-key-file", "key"], {}],
        [[], { GE_ELASTICSEARCH_API_KEY: "aWQ6a2V5" }],
        [[], { ELASTICSEARCH_API_KEY_FILE: "key" }],
      ] as const
    ) {
      await run(folder, ["elasticsearch", "status", ...url, ...args], env);
      assert.equal(server.requests.at(-1)!.headers.authorization, "ApiKey aWQ6a2V5");
    }
    const both = ["--elasticsearch-api-key", "aWQ6a2V5", "--elasticsearch-user", "me"];
    assertMisuse(await status(folder, [...url, ...both]), /--elasticsearch-api-key together with --elasticsearch-user/);
  }));

Deno.test("E10: a dry run needs neither server nor key nor URL", () =>
  inFolder(async (folder) => {
    for (const args of [["--sink", "elasticsearch"], ["--elasticsearch-url", "http://127.0.0.1:1"]]) {
      const summary = parseSummary(await run(folder, [...MADE_UP, "-dry-run", "--json", ...args]));
      assert.deepEqual([summary.sink, summary.would_write], ["elasticsearch", 100]);
    }
  }));

Deno.test("T22: doctor finds a wrong key, missing indices and privileges", () =>
  inFolder(async (folder) => {
    const sinkOf = async (script: Record<string, Reply>, args: string[] = []): Promise<CheckResult> => {
      await using server = await scriptedElasticsearch(script);
      const end = await run(folder, ["doctor", "--simulate", "--json", "--elasticsearch-url", server.url, ...args]);
      assertCalm(end);
      const { checks } = JSON.parse(end.stdout[0]!) as { checks: CheckResult[] };
      assert.equal(end.code, checks.some(({ verdict }) => verdict === "fail") ? 1 : 0);
      assert(server.requests.every(({ method, path }) => method === "GET" || path.startsWith("/_security/")));
      return checks.find(({ name }) => name === "sink")!;
    };
    const privileges = (has: boolean): Record<string, Reply> => ({
      "POST /_security/user/_has_privileges": {
        body: { has_all_requested: has, index: { likes: { read: true, write: has }, likes_v1: { create_index: has } } },
      },
    });
    const alias = { "GET /likes": aliasOf("likes", [{ name: "likes_v1" }]) };
    const wrongKey = await sinkOf({ "GET /": failure(401, "security_exception") });
    assert.equal(wrongKey.verdict, "fail");
    assert.match(wrongKey.detail, /^Cannot use http:\S+: the credentials are refused/);
    assert.match((await sinkOf({}, ["--setup", "check"])).detail, /there is no index or alias likes$/);
    const plain = await sinkOf(alias);
    assert.equal(plain.verdict, "ok");
    assert.match(
      plain.detail,
      /^elasticsearch \(--elasticsearch-url\): http:\S+ is Elasticsearch 8\.19\.2, privileges cannot be checked$/,
    );
    assert.match((await sinkOf(privileges(true))).detail, /, likes will be made, privileges suffice$/);
    const lacking = await sinkOf(privileges(false));
    assert.equal(lacking.verdict, "fail");
    assert.match(lacking.detail, /the key or user lacks write on likes, create_index on likes_v1$/);
    assert.equal((await sinkOf(alias, ["--skip-tls-verify"])).verdict, "warn");
  }));
