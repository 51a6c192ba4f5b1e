import assert from "node:assert/strict";
import type { Summary } from "../../cli/report.ts";
import { labelsFrame } from "../../lib/simulate/repos/messages.ts";
import { type SimulateOptions, startSimulate } from "../../lib/simulate/server.ts";
import { type Child, startCli } from "../support/child.ts";
import { range } from "../support/jetstream_run.ts";
import { commit } from "../support/live_run.ts";
import {
  assertCalm,
  assertEquation,
  assertMisuse,
  type Ended,
  ended,
  filesIn,
  parseSummary,
  run,
  runUntil,
} from "../support/program.ts";
import { sharedRedis } from "../support/redis.ts";
import { serviceTest } from "../support/services.ts";
import { askedOf } from "../support/stream_run.ts";
import { tempFolder } from "../support/temp.ts";

const redis = sharedRedis();

/** A relay, its list of repos and a labeler, with so many of each. */
const startRelay = (count: number, more: SimulateOptions = {}) =>
  startSimulate({
    frames: range(1, count).map((n) => commit(n, [{ path: `app.bsky.feed.post/${n}`, record: { text: `${n}` } }])),
    repos: range(1, count).map((n) => ({
      did: `did:web:n${n}.example`,
      head: "bafy",
      rev: "3mptbypluud2a",
      active: true,
    })),
    labelFrames: range(1, count).map((n) => {
      const uri = `at://did:web:n${n}.example/app.bsky.feed.post/1`;
      return labelsFrame(n, [{ src: "did:plc:b", uri, val: "spam", cts: "2026-07-04T14:38:01.517Z" }]);
    }),
    ...more,
  });

const lengthOf = (stream: string): Promise<number> => redis().command("XLEN", stream);

/** Waits until streams have so many entries; the run must not end before. */
async function grown(child: Child, lengths: Readonly<Record<string, number>>): Promise<void> {
  let over = false;
  child.status.then(() => over = true);
  for (const [stream, length] of Object.entries(lengths)) {
    while (await lengthOf(stream) < length) {
      assert(!over, child.stderr.lines.join("\n"));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** The summaries of a run with `--json`, by command. */
function summariesOf({ stdout }: Ended): Record<string, Summary> {
  const summaries: Summary[] = stdout.map((line) => JSON.parse(line));
  summaries.forEach(assertEquation);
  return Object.fromEntries(summaries.map((summary) => [summary.command, summary]));
}

const endings = (summaries: Readonly<Record<string, Summary>>) =>
  Object.entries(summaries).map(([command, { written, ended_by, exit }]) => [command, written, ended_by, exit]).sort();

serviceTest(
  "R44: INGESTER_MODE=all is firehose and backfill in one process, a list that was read stays; labels only of named hosts",
  ["redis"],
  async () => {
    using folder = tempFolder();
    await using server = await startRelay(30);
    const env = { INGESTER_MODE: "all", REDIS_URL: redis().url, INGESTER_RELAY_HOSTS: server.relay };
    await using child = startCli(["--json"], { cwd: folder.path, env });
    await grown(child, { firehose_live: 30, repo_backfill: 30 });
    await child.stderr.waitFor(/The list of .* has been read to its end.* job=backfill/);
    child.kill("SIGTERM");
    const first = await ended(child);
    assert.equal(first.code, 0, first.stderr.join("\n"));
    assert.deepEqual(endings(summariesOf(first)), [["backfill", 30, "signal", 0], ["firehose", 30, "signal", 0]]);
    assert.equal(await redis().command("EXISTS", "label_live"), 0);
    const [post] = await redis().entries("firehose_live"), [repo] = await redis().entries("repo_backfill");
    assert.match(post!.value, /^\{"type":"create","seq":1,.*"record":\{/);
    assert.match(repo!.value, /^\{"did":"did:web:n1\.example",.*"status":null,"active":true\}$/);

    await using again = startCli(["--json", "--labeler-hosts", server.relay], { cwd: folder.path, env });
    await grown(again, { label_live: 30 });
    await again.stderr.waitFor(/live: Connected to .*, from 30 job=firehose/);
    await again.stderr.waitFor(/has been read to its end/);
    again.kill("SIGINT");
    const second = await ended(again);
    assert.equal(second.code, 0, second.stderr.join("\n"));
    assert.deepEqual(endings(summariesOf(second)), [
      ["backfill", 0, "signal", 0],
      ["firehose", 0, "signal", 0],
      ["labeler", 30, "signal", 0],
    ]);
    const [label] = await redis().entries("label_live");
    assert.deepEqual([label!.field, JSON.parse(label!.value).seq], ["labels", 1]);
  },
);

serviceTest("R44: a job that fails for good drains the others and gives its status", ["redis"], async () => {
  using folder = tempFolder();
  await using server = await startRelay(500);
  // It refuses once the others are at work.
  await using labeler = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async () => {
    while (await lengthOf("firehose_live") === 0 || await lengthOf("repo_backfill") === 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return new Response("Not here", { status: 404 });
  });
  const end = await run(folder.path, ["--json"], {
    INGESTER_MODE: "all",
    REDIS_URL: redis().url,
    RELAY_HOSTS: server.relay,
    LABELER_HOSTS: `http://127.0.0.1:${labeler.addr.port}`,
  });
  assert.equal(end.code, 2, end.stderr.join("\n"));
  assertCalm(end);
  const told = end.stderr.filter((line) => !/^\S+Z (info|warning) /.test(line));
  assert.match(told[0]!, /^Cannot .*127\.0\.0\.1:\d+.*404/);
  assert.deepEqual(told.slice(1), ['See "bskyingest labeler --help"']);
  const summaries = summariesOf(end);
  const lengths = { firehose: await lengthOf("firehose_live"), backfill: await lengthOf("repo_backfill") };
  assert.deepEqual(endings(summaries), [
    ["backfill", lengths.backfill, "signal", 0],
    ["firehose", lengths.firehose, "signal", 0],
  ]);
  assert(lengths.firehose > 0 && summaries.firehose!.unsettled === 0);
});

serviceTest("R44: what is wrong with Redis is said once, and exits with 2", ["redis"], async () => {
  using folder = tempFolder();
  await using server = await startRelay(1);
  const env = { INGESTER_MODE: "all", REDIS_URL: redis().url, RELAY_HOSTS: server.relay };
  const wrong = ["--redis-url", redis().url.replace("//", "//:wrong@")];
  const end = await run(folder.path, wrong, env);
  assert.equal(end.code, 2, end.stderr.join("\n"));
  assert.equal(end.stderr.filter((line) => /^Cannot use Redis/.test(line)).length, 1, end.stderr.join("\n"));
});

serviceTest("L7: the second signal ends all jobs at once", ["redis"], async () => {
  using folder = tempFolder();
  await using server = await startRelay(20);
  const env = { INGESTER_MODE: "all", REDIS_URL: redis().url, RELAY_HOSTS: server.relay };
  await using child = startCli(["--batch-timeout", "20ms"], { cwd: folder.path, env });
  await child.stderr.waitFor(/Connected to .* job=firehose/);
  redis().freeze();
  try {
    child.kill("SIGTERM");
    child.kill("SIGHUP");
    const { signal } = await child.status;
    assert.match(signal!, /^SIG(TERM|HUP)$/);
  } finally {
    redis().thaw();
  }
});

serviceTest(
  "R47: a fresh start begins with the oldest, in format rsky, where a mode is set; else live, in format bsky",
  ["redis"],
  async () => {
    using folder = tempFolder();
    await using server = await startRelay(5);
    const hosts = ["--relay-hosts", server.relay, "--json"];
    const env = { INGESTER_MODE: "firehose", REDIS_HOST: `127.0.0.1:${redis().port}` };
    const old = await run(folder.path, [...hosts, "--until", "5"], env);
    assert.deepEqual([parseSummary(old).written, askedOf(old)], [5, ["from 0"]]);
    const [entry] = await redis().entries("firehose_live");
    assert.match(entry!.value, /^\{"type":"create","seq":1,.*\+00:00"/);

    // The flag, the variable, the file: all are stronger than the older program's defaults.
    Deno.writeTextFileSync(`${folder.path}/bskyingest.toml`, 'format = "bsky"\n[firehose]\nstream = "ours"\n');
    const ours = await run(folder.path, [...hosts, "--until", "5"], env);
    assert.deepEqual([parseSummary(ours).written, askedOf(ours)], [5, ["from 0"]]);
    const [own] = await redis().entries("ours");
    assert.equal(JSON.parse(own!.value).time.endsWith("Z"), true);
    const lite = await run(folder.path, [...hosts, "--until", "5", "--sink", "sqlite"], env);
    assert.deepEqual([parseSummary(lite).sink, askedOf(lite)], ["sqlite", ["from 0"]]);
    Deno.removeSync(`${folder.path}/bskyingest.toml`);

    const args = ["firehose", "--sink", "redis", "--stream", "live", ...hosts];
    const live = await runUntil(folder.path, "Connected to", args, env);
    assert.deepEqual([parseSummary(live).ended_by, askedOf(live)], ["signal", ["live"]]);
  },
);

serviceTest(
  "R44: a mode of one job: a list that was read stays, labels are those of mod.bsky.app",
  ["redis"],
  async () => {
    using folder = tempFolder();
    await using server = await startRelay(5);
    const backfill = { INGESTER_MODE: "backfill", REDIS_URL: redis().url, INGESTER_HOSTS: server.url };
    await using child = startCli(["--json"], { cwd: folder.path, env: backfill });
    await child.stderr.waitFor(/has been read to its end/);
    child.kill("SIGTERM");
    assert.deepEqual(endings(summariesOf(await ended(child))), [["backfill", 5, "signal", 0]]);

    // Nothing listens there, so that nothing is read of the network.
    const env = { INGESTER_MODE: "labeler", REDIS_URL: "redis://127.0.0.1:1" };
    await using labeler = startCli(["--json"], { cwd: folder.path, env });
    await labeler.stderr.waitFor("Cannot use Redis at 127.0.0.1:1");
    labeler.kill("SIGTERM");
    assert.equal(summariesOf(await ended(labeler)).labeler!.source, "mod.bsky.app");
  },
);

const MISUSE: readonly (readonly [args: string, env: Record<string, string>, expected: RegExp])[] = [
  ["", { INGESTER_MODE: "x" }, /^Cannot use INGESTER_MODE "x": it must be one of firehose, backfill, labeler, all$/],
  ["", { INGESTER_BATCH_SIZE: "0" }, /^Cannot use INGESTER_BATCH_SIZE "0": it must be an integer of at least 1/],
  ["", { INGESTER_BATCH_TIMEOUT_MS: "1s" }, /^Cannot use INGESTER_BATCH_TIMEOUT_MS "1s": it must be a number of milli/],
  ["", { INGESTER_HIGH_WATER_MARK: "1e5x" }, /^Cannot use INGESTER_HIGH_WATER_MARK "1e5x": it must be an integer/],
  ["", { INGESTER_LABEL_STREAM_HIGH_WATER_MARK: "-1" }, /^Cannot use INGESTER_LABEL_STREAM_HIGH_WATER_MARK "-1": /],
  ["", { REDIS_URL: "http://a" }, /^Cannot use REDIS_URL "http:\/\/a": it must be redis:\/\//],
  ["--batch-sise 5", {}, /^Cannot use option "--batch-sise": no such option, did you mean "--batch-size"\?/],
  ["--db x firehose", {}, /^Cannot use argument "firehose": a command comes first/],
  ["--cursor 7", { INGESTER_MODE: "backfill" }, /^Cannot use option "--cursor": no such option/],
  [
    "",
    { INGESTER_FIREHOSE_STREAM: "a", INGESTER_REPO_STREAM: "a" },
    /^Cannot use --stream a for backfill: firehose has/,
  ],
  ["--sink ndjson", {}, /^Cannot use --out bskyingest\.ndjson for backfill: firehose has it/],
  [
    "firehose",
    { INGESTER_BATCH_SIZE: "0" },
    /^Cannot use INGESTER_BATCH_SIZE "0": it must be an integer of at least 1/,
  ],
];

for (const [args, env, expected] of MISUSE) {
  Deno.test(`R44, R45, misuse: ${Object.entries(env).map(([k, v]) => `${k}=${v} `).join("")}bskyingest ${args}`, async () => {
    using folder = tempFolder();
    const end = await run(folder.path, args.split(" ").filter(Boolean), { INGESTER_MODE: "all", ...env });
    assertMisuse(end, expected);
    assert.deepEqual(filesIn(folder.path), [], "nothing was made");
  });
}

Deno.test("an empty INGESTER_MODE is none; help, versions and other commands do not look at it", async () => {
  using folder = tempFolder();
  const none = await run(folder.path, [], { INGESTER_MODE: "" });
  assert.deepEqual([none.code, none.stderr.some((line) => /^Usage: bskyingest COMMAND/.test(line))], [2, true]);
  for (const args of [["--help"], ["--version"], ["help", "firehose"], ["config", "path"]]) {
    assert.equal((await run(folder.path, args, { INGESTER_MODE: "x" })).code, 0, args.join(" "));
  }
});

Deno.test("R45: the older programs' variables, in their order of strength", async () => {
  using folder = tempFolder();
  const settings = async (command: string, env: Record<string, string>) => {
    const { stdout } = await run(folder.path, ["config", "show", command, "--json"], env);
    const rows = stdout.map((line) => JSON.parse(line));
    return (name: string) => rows.find(({ command: of, option }) => of === command && option === name).value;
  };
  const hosts = async (env: Record<string, string>) => (await settings("firehose", env))("relay-hosts");
  assert.deepEqual(await hosts({ INGESTER_HOSTS: "z", RELAY_HOSTS: " a, ,b " }), ["a", "b"]);
  assert.deepEqual(await hosts({ RELAY_HOSTS: " a, ,b ", INGESTER_RELAY_HOSTS: "c" }), ["c"]);
  assert.deepEqual(await hosts({ INGESTER_RELAY_HOSTS: "c", BSKYINGEST_RELAY_HOSTS: "d" }), ["d"]);
  const labelers = await settings("labeler", { LABELER_HOSTS: "a", INGESTER_LABELER_HOSTS: "https://b" });
  assert.deepEqual(labelers("labeler-hosts"), ["https://b"]);

  const parts = { firehose: "FIREHOSE", labeler: "LABEL", backfill: "REPO" };
  const env = {
    INGESTER_BATCH_SIZE: "7",
    INGESTER_BATCH_TIMEOUT_MS: "250",
    INGESTER_HIGH_WATER_MARK: "9",
    INGESTER_FIREHOSE_STREAM_HIGH_WATER_MARK: "11",
    ...Object.fromEntries(Object.entries(parts).map(([command, part]) => [`INGESTER_${part}_STREAM`, `s_${command}`])),
  };
  for (const command of Object.keys(parts)) {
    const value = await settings(command, env);
    const found = ["stream", "high-water-mark", "batch-size", "batch-timeout"].map(value);
    assert.deepEqual(found, [`s_${command}`, command === "firehose" ? 11 : 9, 7, "250ms"]);
  }
});
