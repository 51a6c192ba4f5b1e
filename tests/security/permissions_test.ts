import assert from "node:assert/strict";
import { registry } from "../../cli/registry.ts";
import { SINKS } from "../../lib/sinks/registry.ts";
import { type Child, startCli } from "../support/child.ts";
import { FIXTURES } from "../support/megastream.ts";
import { ROOT } from "../support/paths.ts";
import { assertCalm, type Ended, ended, rowsIn, until } from "../support/program.ts";
import { queueWith } from "../support/queue.ts";
import { startReceiver } from "../support/receiver.ts";
import { sharedRedis } from "../support/redis.ts";
import { bulkOk, scriptedElasticsearch } from "../support/scripted_elasticsearch.ts";
import { serviceTest } from "../support/services.ts";
import { inFolder } from "../support/temp.ts";

const redis = sharedRedis();

/** README's section about permissions. */
const [, SECTION = ""] = /## Running it with few permissions\n([\s\S]*?)\n## /.exec(
  Deno.readTextFileSync(`${ROOT}/README.md`),
)!;

/** A command as README has it, and the permissions in front of it; hosts are the public ones. */
interface Line {
  readonly permissions: readonly string[];
  readonly args: readonly string[];
}

/** The command lines, as a shell would understand them. */
function readLines(): Line[] {
  const [, script = ""] = /```sh\n([\s\S]*?)```/.exec(SECTION)!;
  const variables = new Map<string, string>([["HOME", "$HOME"]]);
  return script.split("\n").flatMap((line) => {
    const [, name, value = ""] = /^([A-Z]+)="?([^"]*)"?$/.exec(line) ?? [];
    if (name !== undefined) variables.set(name, value);
    const [, permissions, args] = /^deno run (.*) mod\.ts (.*)$/.exec(
      line.replaceAll(/\$([A-Z]+)/g, (_, each: string) => variables.get(each)!),
    ) ?? [];
    return permissions === undefined ? [] : [{ permissions: permissions.split(" "), args: args!.split(" ") }];
  });
}

/** The table of what options need besides. */
function readAdditions(): Line[] {
  return [...SECTION.matchAll(/^\| `(--[^`]*)` +\| `(--[^`]*)` +\|$/gm)].map(([, args, permissions]) => ({
    permissions: permissions!.split(" "),
    args: args!.split(" "),
  }));
}

const LINES = readLines(), ADDITIONS = readAdditions();

function lineOf(...args: readonly string[]): Line {
  const found = [...LINES, ...ADDITIONS].filter((line) => line.args.join(" ").startsWith(args.join(" ")));
  assert.equal(found.length, 1, `README must have one line for ${args.join(" ")}`);
  return found[0]!;
}

/** Starts the program with just these permissions, in a folder that is its home and working directory. */
function start(folder: string, permissions: readonly string[], args: readonly string[]): Child {
  return startCli(args, {
    cwd: folder,
    permissions: permissions.map((each) => each.replaceAll("$HOME", folder)),
    env: { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret" },
  });
}

/** Runs it to its end. */
async function run(folder: string, permissions: readonly string[], args: readonly string[]): Promise<Ended> {
  await using child = start(folder, permissions, args);
  return await ended(child);
}

/** The permissions with another host in place of the one that README names. */
const withHost = (permissions: readonly string[], host: string): string[] =>
  permissions.map((each) => each.replace(/^--allow-net=.*/, `--allow-net=${host}`));

Deno.test("README has a line of permissions for every command that ingests, and none that permits everything", () => {
  const commands = registry.filter(({ group }) => group === "Ingest").map(({ name }) => name);
  assert.deepEqual([...new Set(LINES.map(({ args }) => args[0]))].sort(), [...commands, "replay"].sort());
  const outward = Object.keys(SINKS).filter((sink) => /redis|elasticsearch|webhook/.test(sink));
  for (const option of ["--listen", ...outward.map((sink) => `--sink ${sink}`)]) lineOf(option);
  for (const { permissions, args } of [...LINES, ...ADDITIONS]) {
    for (const each of permissions) {
      assert.match(each, /^--allow-((net|read|write|sys)=\S+|env)$/, args.join(" "));
    }
  }
});

for (const command of ["jetstream", "connector", "firehose", "backfill", "labeler"]) {
  Deno.test(`README's permissions are enough for ${command}`, () =>
    inFolder(async (folder) => {
      const { permissions } = lineOf(command);
      const end = await run(folder, withHost(permissions, "127.0.0.1"), [command, "--simulate", "-n", "20", "--json"]);
      assert.equal(end.code, 0, end.stderr.join("\n"));
      assert(JSON.parse(end.stdout[0]!).written >= 20);
    }));
}

Deno.test("README's permissions are enough for megastream", () =>
  inFolder(async (folder) => {
    const { permissions, args } = lineOf("megastream");
    const [file] = [...Deno.readDirSync(FIXTURES)].filter(({ name }) => name.endsWith(".db.zip"));
    await Deno.copyFile(`${FIXTURES}/${file!.name}`, `${folder}/${file!.name}`);
    const end = await run(folder, permissions, args);
    assert([0, 3].includes(end.code), end.stderr.join("\n"));
    assert(rowsIn(`${folder}/bskyingest.db`) > 0);
  }));

Deno.test("README's permissions are enough for consume --from-queue", () =>
  inFolder(async (folder) => {
    const { permissions, args } = lineOf("consume", "--sink", "sqlite", "--from-queue");
    await Deno.mkdir(`${folder}/queue`);
    await (await queueWith(`${folder}/queue/jetstream_sync.db`, 20))[Symbol.asyncDispose]();
    const end = await run(folder, permissions, [...args, "--once"]);
    assert.equal(end.code, 0, end.stderr.join("\n"));
    assert.equal(rowsIn(`${folder}/bskyingest.db`), 20);
  }));

/** Runs README's line of `replay`, with an addition to it. */
async function replay(folder: string, permissions: readonly string[], args: readonly string[]): Promise<Ended> {
  const line = LINES.find((each) => each.args[0] === "replay")!;
  await Deno.copyFile(`${ROOT}/fixtures/jetstream_v1.jsonl`, `${folder}/${line.args[1]}`);
  return await run(folder, [...line.permissions, ...permissions], [...line.args, ...args]);
}

Deno.test("README's permissions are enough for replay, and for --listen", () =>
  inFolder(async (folder) => {
    const { permissions, args } = lineOf("--listen");
    const free = (text: string) => text.replace("9090", "0"); // no test has a port of its own
    const end = await replay(folder, permissions.map(free), args.map(free));
    assert.equal(end.code, 0, end.stderr.join("\n"));
    assert(rowsIn(`${folder}/bskyingest.db`) > 0);
  }));

Deno.test("README's permissions are enough for the sink webhook", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver();
    const { permissions } = lineOf("--sink", "webhook");
    const url = `http://localhost:${receiver.port}/hook`;
    const end = await replay(
      folder,
      permissions.map((each) =>
        each.replace("hooks.example", "localhost").replace("203.0.113.7:443", `127.0.0.1:${receiver.port}`)
      ),
      ["--sink", "webhook", "--webhook-url", url, "--webhook-allow-private"],
    );
    assert.equal(end.code, 0, end.stderr.join("\n"));
    assert(receiver.taken.length > 0);
  }));

Deno.test("README's permissions are enough for the sink elasticsearch", () =>
  inFolder(async (folder) => {
    await using server = await scriptedElasticsearch({ "POST /_bulk": bulkOk });
    const host = `localhost:${new URL(server.url).port}`;
    const { permissions } = lineOf("--sink", "elasticsearch");
    const args = ["--sink", "elasticsearch", "--setup", "off", "--elasticsearch-url", `http://${host}`];
    const end = await replay(folder, withHost(permissions, host), args);
    assert.equal(end.code, 0, end.stderr.join("\n"));
    assert(server.requests.some(({ path }) => path === "/_bulk"));
  }));

serviceTest(
  "README's permissions are enough for the sink redis, and for consume",
  ["redis"],
  () =>
    inFolder(async (folder) => {
      const host = `localhost:${redis().port}`;
      const url = ["--redis-url", `redis://${host}`];
      const filled = await replay(folder, withHost(lineOf("--sink", "redis").permissions, host), [
        ...["--sink", "redis", ...url],
      ]);
      assert.equal(filled.code, 0, filled.stderr.join("\n"));
      const { permissions, args } = LINES.find(({ args }) => args[0] === "consume" && !args.includes("--from-queue"))!;
      await using child = start(folder, withHost(permissions, host), [
        ...args,
        ...["--from-stream", "jetstream_live", "--batch-timeout", "50ms", ...url],
      ]);
      await until(() => rowsIn(`${folder}/bskyingest.db`) > 0, "rows");
      child.kill();
      const end = await ended(child);
      assert.equal(end.code, 0, end.stderr.join("\n"));
    }),
);

/** A run that needs nothing but the files of the project. */
const REPLAY = ["replay", `${ROOT}/fixtures/jetstream_v1.jsonl`];

/** What is asked for without a permission, and how that is told. */
const REFUSED: readonly (readonly [string, readonly string[], readonly string[], RegExp])[] = [
  ["the environment", [], ["jetstream"], /^Requires env access to "\w+", run again with the --allow-env flag$/],
  [
    "a file",
    ["--allow-env", "--allow-read=.,$HOME", "--allow-write=.,$HOME"],
    REPLAY,
    /^Requires read access to ".*", run again with the --allow-read flag$/,
  ],
  ["writing", ["--allow-env", "--allow-read"], REPLAY, /^Cannot keep state in .*: Requires write access to/],
  ["--listen", ["--allow-env", "--allow-read", "--allow-write=.,$HOME"], [
    ...REPLAY,
    ...["--listen", "9090"],
  ], /^Cannot listen on 127\.0\.0\.1:9090: no permission Run with --allow-net=127\.0\.0\.1:9090$/],
  ["Elasticsearch's client", ["--allow-env", "--allow-read", "--allow-write=.,$HOME", "--allow-net=127.0.0.1:9"], [
    ...REPLAY,
    ...["--quiet", "--elasticsearch-url", "http://127.0.0.1:9"],
  ], /^Requires sys access to "osRelease", run again with the --allow-sys flag$/],
  ["Elasticsearch", ["--allow-env", "--allow-read", "--allow-write=.,$HOME", "--allow-sys"], [
    "megastream",
    ...["--path", FIXTURES, "--elasticsearch-url", "http://127.0.0.1:9", "--temp-dir", ".", "--quiet"],
  ], /^Cannot reach http:\/\/127\.0\.0\.1:9: no permission Run with --allow-net=127\.0\.0\.1:9$/],
  ...([
    ["Jetstream", "localhost:9", ["jetstream", "-i", "ws://localhost:9"]],
    ["the resolver of handles", "localhost:9", ["jetstream", "-u", "a.test", "--resolver-url", "http://localhost:9"]],
    ["a relay", "localhost:9", ["firehose", "--relay-hosts", "http://localhost:9"]],
    ["a labeler", "labels.test:443", ["labeler", "--labeler-hosts", "labels.test"]],
    ["a relay's list of repos", "localhost:9", ["backfill", "--relay-hosts", "http://localhost:9"]],
    ["Redis to read from", "[::1]:6379", ["consume", "--from-redis-url", "redis://[::1]", "--sink", "null"]],
    ["Redis", "127.0.0.1:6379", [...REPLAY, "--sink", "redis", "--redis-url", "redis://127.0.0.1"]],
    ["a webhook at a name", "hooks.test", [...REPLAY, "--webhook-url", "https://hooks.test/x"]],
    ["a webhook at an address", "8.8.8.8:443", [...REPLAY, "--webhook-url", "https://8.8.8.8/x"]],
  ] as const).map(([what, host, args]) =>
    [
      what,
      ["--allow-env", "--allow-read", "--allow-write=.,$HOME", "--allow-sys"],
      [...args, "--quiet"],
      new RegExp(`^Cannot reach ${RegExp.escape(host)}: no permission Run with --allow-net=${RegExp.escape(host)}$`),
    ] as const
  ),
  ["S3", ["--allow-env", "--allow-read", "--allow-write=.,$HOME", "--allow-sys"], [
    "megastream",
    ...["--source", "s3", "--s3-bucket", "posts", "--s3-endpoint", "http://127.0.0.1:9", "--quiet", "--temp-dir", "."],
  ], /^Cannot list s3:\/\/posts\/: Requires net access to "127\.0\.0\.1:9", .* Run with --allow-net$/],
];

for (const [what, permissions, args, expected] of REFUSED) {
  Deno.test(`a missing permission is exit 2 and says which: ${what}`, () =>
    inFolder(async (folder) => {
      const end = await run(folder, permissions, args);
      assert.equal(end.code, 2, end.stderr.join("\n"));
      assertCalm(end);
      assert.match(end.stderr.join(" "), expected);
    }));
}

Deno.test("positions and gaps are shown with the permission to read alone", () =>
  inFolder(async (folder) => {
    const made = await replay(folder, [], []);
    assert.equal(made.code, 0, made.stderr.join("\n"));
    const permissions = ["--allow-env", "--allow-read=.,$HOME"];
    const [cursors, gaps] = await Promise.all([
      run(folder, permissions, ["cursor", "show"]),
      run(folder, permissions, ["gaps", "list"]),
    ]);
    assert.equal(cursors.code, 0, cursors.stderr.join("\n"));
    assert.match(cursors.stdout.join(), /^replay:minute\.rec\.zst /);
    assert.equal(gaps.code, 0, gaps.stderr.join("\n"));
  }));
