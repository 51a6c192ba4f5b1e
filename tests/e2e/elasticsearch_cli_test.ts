import assert from "node:assert/strict";
import { assertMisuse, fileExists, run, serve, summaryOf } from "../support/program.ts";
import { bulkOk, failure, type Script, scriptedElasticsearch } from "../support/scripted_elasticsearch.ts";
import { tempFolder } from "../support/temp.ts";

const EMPTY: Script = { "POST /_bulk": bulkOk };
const STATE = ".jetstream_state.json";

Deno.test("L15: the URL of Elasticsearch chooses the sink, unless another one is named", async () => {
  using folder = tempFolder();
  const sinkOf = async (env: Record<string, string>, ...args: string[]) => {
    const end = await run(folder.path, ["jetstream", "--simulate", "-n", "1", "--dry-run", "--json", ...args], env);
    const line = end.stderr.find((line) => line.includes("Dry run:"))!;
    return [JSON.parse(end.stdout[0]!).sink, /\((.*?)\)/.exec(line)![1]];
  };
  const url = "http://u:s3cret@127.0.0.1:1";
  assert.deepEqual(await sinkOf({}), ["sqlite", "the default"]);
  for (const name of ["ELASTICSEARCH_URL", "GE_ELASTICSEARCH_URL", "BSKYINGEST_ELASTICSEARCH_URL"]) {
    assert.deepEqual(await sinkOf({ [name]: url }), ["elasticsearch", `by ${name}`]);
  }
  assert.deepEqual(await sinkOf({}, "--elasticsearch-url", url), ["elasticsearch", "--elasticsearch-url"]);
  assert.deepEqual(await sinkOf({ ELASTICSEARCH_URL: url }, "--sink", "null"), ["null", "--sink"]);
  Deno.writeTextFileSync(`${folder.path}/bskyingest.toml`, `elasticsearch-url = "${url}"\n`);
  assert.equal((await sinkOf({}))[0], "elasticsearch");
});

Deno.test("E10: a dry run needs no server, key or URL and writes nothing", async () => {
  using folder = tempFolder();
  const args = ["jetstream", "--simulate", "-n", "300", "-dry-run", "--sink", "elasticsearch"];
  const summary = await summaryOf(folder.path, args);
  assert.deepEqual([summary.written, summary.would_write, summary.cursor], [0, 300, null]);
  assert.deepEqual([...Deno.readDirSync(folder.path)].filter(({ isFile }) => isFile), []);
  const end = await run(folder.path, args.filter((arg) => arg !== "-dry-run"));
  assertMisuse(end, /^Cannot connect to Elasticsearch: --elasticsearch-url is not set/);
});

Deno.test("E9: a password in the URL is in no output", async () => {
  using folder = tempFolder();
  await using server = await scriptedElasticsearch({ "GET /": failure(401, "security_exception", "no") });
  const url = server.url.replace("//", "//elastic:s3cret@");
  const env = { ELASTICSEARCH_URL: url };
  for (
    const args of [
      ["jetstream", "--simulate", "-n", "1", "-v"],
      ["config", "show", "jetstream"],
      ["elasticsearch", "status"],
      ["doctor", "--simulate"],
    ]
  ) {
    const { stdout, stderr } = await run(folder.path, args, env);
    assert(stdout.length + stderr.length > 0);
    assert.equal([...stdout, ...stderr].filter((line) => line.includes("s3cret")).join("\n"), "", args.join(" "));
  }
});

Deno.test("a run looks after the indices that its collections need", async () => {
  using folder = tempFolder();
  await using source = await serve(folder.path, ["--epoch", "2026-01-01"]);
  const looked = async (...args: string[]) => {
    await using server = await scriptedElasticsearch(EMPTY);
    const to = [
      "--elasticsearch-url",
      server.url,
      "--setup",
      "off",
      "--cursor",
      "1",
      "-n",
      "100",
      "--state-file",
      "s.json",
    ];
    await summaryOf(folder.path, ["jetstream", ...to, ...args]);
    const names = server.requests.flatMap(({ body, path }) =>
      path === "/_bulk" ? [...body.matchAll(/^\{"\w+":\{"_index":"(\w+)"/gm)].map(([, index]) => index!) : []
    );
    return [...new Set(names)].sort();
  };
  assert.deepEqual(await looked("--url", source.v1), ["likes"]);
  assert.deepEqual(await looked("--url", `${source.v1}?wantedCollections=app.bsky.graph.follow`), ["follows"]);
  assert.deepEqual(await looked("--url", source.v1, "-c", "all", "--documents", "reposts"), ["reposts"]);
});

Deno.test("T14: the older tool's state file is read and continued by the sink elasticsearch alone", async () => {
  using folder = tempFolder();
  await using source = await serve(folder.path, ["--epoch", "2026-01-01", "--kind", "legacy"]);
  await using server = await scriptedElasticsearch(EMPTY);
  const path = `${folder.path}/${STATE}`;
  const older = JSON.stringify({ last_time_us: 1767225605000000, updated_at: "2026-01-01T00:00:05Z" });
  Deno.writeTextFileSync(path, older);
  const args = ["jetstream", "--url", source.v1, "-n", "50"];
  for (const sink of [["--sink", "ndjson"], ["--sink", "sqlite"]]) {
    await summaryOf(folder.path, [...args, ...sink, "--cursor", "0"]);
    assert.equal(Deno.readTextFileSync(path), older);
  }
  const first = await run(folder.path, [...args, "--elasticsearch-url", server.url, "--setup", "off"]);
  assert.equal(first.code, 0, first.stderr.join("\n"));
  assert(first.stderr.some((line) => line.includes("from 1767225600000000")), first.stderr.join("\n"));
  const state = JSON.parse(Deno.readTextFileSync(path));
  assert(state.last_time_us > 1767225600000000 && state.cursor.host === source.host, JSON.stringify(state));
  assert(!fileExists(`${folder.path}/.local/state/bskyingest/jetstream-elasticsearch.json`));
});
