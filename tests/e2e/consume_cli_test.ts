import assert from "node:assert/strict";
import type { Summary } from "../../cli/report.ts";
import { type Child, startCli } from "../support/child.ts";
import { assertMisuse, ended, parseSummary, rowsIn, run, summaryOf } from "../support/program.ts";
import { type RedisServer, sharedRedis, startRedis } from "../support/redis.ts";
import { range, until } from "../support/redis_sink.ts";
import { serviceTest } from "../support/services.ts";
import { readBack } from "../support/sqlite.ts";
import { tempFolder } from "../support/temp.ts";

const redis = sharedRedis();
const STREAM = "jetstream_live";
const FAST = ["--block", "50ms", "--batch-timeout", "50ms", "--checkpoint-interval", "50ms"];
const CLAIMING = ["--claim-idle", "1s", "--claim-interval", "200ms"];

/** What `--json` tells of a run of `consume` besides. */
interface ConsumeSummary extends Summary {
  readonly consume: {
    readonly read: number;
    readonly redelivered: number;
    readonly acknowledged: number;
    readonly dead: number;
    readonly lag: readonly { readonly stream: string; readonly entries: number | null; readonly pending: number }[];
  };
}

const consume = (folder: string, server: RedisServer, ...args: string[]): Child =>
  startCli(["consume", "--redis-url", server.url, "--from-stream", STREAM, ...FAST, "--json", ...args], {
    cwd: folder,
  });

/** Fills the stream with the events 1 to `total`. */
async function fill(folder: string, total: number): Promise<void> {
  const args = ["jetstream", "--simulate", "-c", "all", "-n", String(total), "--sink", "redis"];
  assert.equal((await summaryOf(folder, [...args, "--redis-url", redis().url])).written, total);
}

/** Entries that were delivered and not acknowledged, and those that were not delivered; -1 while there is no group. */
async function left(server = redis()): Promise<number> {
  const [own]: unknown[][] = await server.command("XINFO", "GROUPS", STREAM);
  const of = (name: string) => Number(own![own!.indexOf(name) + 1]);
  return own ? of("pending") + of("lag") : -1;
}

/** The numbers of the events in a database, sorted. */
function numbersOf(db: string): number[] {
  return readBack<{ n: number }>(db, "SELECT json ->> 'cursor' AS n FROM events").map(({ n }) => Number(n))
    .sort((a, b) => a - b);
}

async function stopped(child: Child): Promise<ConsumeSummary> {
  child.kill();
  return parseSummary(await ended(child)) as ConsumeSummary;
}

serviceTest(
  "jetstream into Redis, consume into SQLite: the same events, acknowledged and removed",
  ["redis"],
  async () => {
    using folder = tempFolder();
    await fill(folder.path, 5000);
    await using child = consume(folder.path, redis(), "--sink", "sqlite");
    const line = await child.stderr.waitFor(" run: ");
    assert.match(line, /run: sqlite \.\/bskyingest\.db \(--sink\), group bskyingest as .*-0$/);
    await until(async () => await redis().command("XLEN", STREAM) === 0);
    const summary = await stopped(child);
    assert.deepEqual([summary.command, summary.source, summary.ended_by, summary.written, summary.unsettled], [
      "consume",
      `127.0.0.1:${redis().port} ${STREAM}`,
      "signal",
      5000,
      0,
    ]);
    const { read, redelivered, acknowledged, dead, lag: [lag] } = summary.consume;
    assert.deepEqual([read, redelivered, acknowledged, dead], [5000, 0, 5000, 0]);
    assert.deepEqual([lag!.stream, lag!.entries, lag!.pending], [STREAM, 0, 0]);
    assert.deepEqual(numbersOf(`${folder.path}/bskyingest.db`), range(1, 5000));
  },
);

serviceTest(
  "R35: two processes share the entries, one is killed: none is lost, none is there twice",
  ["redis"],
  async () => {
    using folder = tempFolder();
    const total = 20_000;
    await fill(folder.path, total);
    const db = `${folder.path}/bskyingest.db`;
    const args = [...CLAIMING, "--sink", "sqlite", "--count", "100", "--batch-size", "50", "--after-ack", "keep"];
    await using first = consume(folder.path, redis(), ...args);
    await using second = consume(folder.path, redis(), ...args);
    await first.stderr.waitFor(" run: ");
    await second.stderr.waitFor(" run: ");
    await until(() => rowsIn(db) > 1000);
    first.kill("SIGKILL");
    await first.status;
    await until(async () => await left() === 0);
    const summary = await stopped(second);
    assert(summary.consume.redelivered > 0, "it took over what the other one left");
    assert.deepEqual(numbersOf(db), range(1, total));
  },
);

serviceTest(
  "a process that is killed and started again has its name again, and goes on with what it had",
  ["redis"],
  async () => {
    using folder = tempFolder();
    await fill(folder.path, 10_000);
    const db = `${folder.path}/bskyingest.db`;
    for (let kill = 0; kill < 5; kill++) {
      await using child = consume(folder.path, redis(), "--sink", "sqlite", "--batch-size", "50", "--count", "100");
      assert.match(await child.stderr.waitFor(" run: "), / as .*-0$/);
      const before = rowsIn(db);
      await until(() => rowsIn(db) > before + 200);
      child.kill("SIGKILL");
      await child.status;
    }
    await using last = consume(folder.path, redis(), "--sink", "sqlite");
    await until(async () => await left() === 0);
    await stopped(last);
    assert.deepEqual(numbersOf(db), range(1, 10_000));
  },
);

serviceTest(
  "R37: what cannot be read is in the dead stream; dead-letter lists, puts back and purges it",
  ["redis"],
  async () => {
    using folder = tempFolder();
    await fill(folder.path, 10);
    await redis().command("XADD", STREAM, "*", "event", '{"type":"nonsense"}');
    await redis().command("XADD", STREAM, "*", "event", "no json");
    await using child = consume(folder.path, redis(), "--sink", "ndjson");
    await until(async () => await left() === 0);
    const { written, consume: { dead } } = await stopped(child);
    assert.deepEqual([written, dead], [10, 2]);

    const letters = async (...args: string[]) => {
      const all = ["dead-letter", ...args, "--stream", STREAM, "--redis-url", redis().url];
      const { code, stdout, stderr } = await run(folder.path, all);
      assert.equal(code, 0, stderr.join("\n"));
      return { found: stdout, said: stderr.join("\n") };
    };
    const listed = (await letters("list", "--json")).found.map((line) => JSON.parse(line));
    assert.deepEqual(listed.map(({ reason, fields }) => [reason, fields]), [
      ["unknown_shape", { event: '{"type":"nonsense"}' }],
      ["not_json", { event: "no json" }],
    ]);
    assert.match((await letters("list")).found[0]!, /^\d+-0 {2}\d{4}-.*Z {2}consume {2}unknown_shape {2}/);
    assert.equal((await letters("list", "--reason", "not_json")).found.length, 1);
    assert.match((await letters("retry", "--dry-run")).said, /^Would put 2 entries of /);
    assert.match((await letters("retry", "--id", listed[0].id)).said, /^Put 1 entries of .* back into jetstream_live$/);
    const [back] = (await redis().entries(STREAM)).slice(-1);
    assert.deepEqual([back!.field, back!.value], ["event", '{"type":"nonsense"}']);
    assertMisuse(
      await run(folder.path, ["dead-letter", "purge", "--stream", STREAM, "--redis-url", redis().url]),
      /^Cannot purge/,
    );
    assert.match((await letters("purge", "--older-than", "1h")).said, /^Removed 0 entries/);
    assert.match((await letters("purge", "--all")).said, /^Removed 1 entries/);
    assert.match((await letters("list")).said, /^No dead letters$/);
  },
);

serviceTest(
  "an event that --validate rejects is in the dead stream, too, and the run says how to see it",
  ["redis"],
  async () => {
    using folder = tempFolder();
    const record = { $type: "app.bsky.feed.like", createdAt: "yesterday" };
    const commit = {
      type: "create",
      did: "did:plc:a",
      collection: "app.bsky.feed.like",
      rkey: "a",
      rev: "a",
      seq: 1,
      record,
    };
    await redis().command("XADD", STREAM, "*", "event", JSON.stringify(commit));
    await using child = consume(folder.path, redis(), "--sink", "ndjson", "--validate", "reject");
    await until(async () => await left() === 0);
    assert.equal((await stopped(child)).dead_lettered, 1);
    assert(child.stderr.lines.some((line) => line.endsWith(`dead-letter list --stream ${STREAM}`)));
    assert.equal((await redis().command("XRANGE", `${STREAM}_dlq`, "-", "+"))[0][1][3], "lexicon");
  },
);

serviceTest("a dry run reads what the group has yet to read, and changes nothing", ["redis"], async () => {
  using folder = tempFolder();
  await fill(folder.path, 100);
  await using dry = consume(folder.path, redis(), "--sink", "sqlite", "--dry-run");
  await dry.stderr.waitFor("Dry run: sqlite");
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal((await stopped(dry)).would_write, 100);
  assert.equal(await left(), -1);
  assert.equal(await redis().command("XLEN", STREAM), 100);
});

serviceTest("consume into another stream: two processes write side by side", ["redis"], async () => {
  using folder = tempFolder();
  await fill(folder.path, 3000);
  const args = ["--sink", "redis", "--stream", "copy", "--count", "100"];
  await using first = consume(folder.path, redis(), ...args);
  await using second = consume(folder.path, redis(), ...args);
  await until(async () => await left() === 0);
  const written = (await Promise.all([first, second].map(stopped))).map((summary) => summary.written);
  assert.equal(written[0]! + written[1]!, 3000);
  const numbers = (await redis().entries("copy")).map(({ value }) => JSON.parse(value).seq);
  assert.deepEqual(numbers.sort((a, b) => a - b), range(1, 3000));
});

serviceTest("a server that is away at the start or later is waited for", ["redis"], async () => {
  using folder = tempFolder();
  await using durable = await startRedis(["--appendonly", "yes", "--appendfsync", "always"]);
  await using child = consume(folder.path, durable, "--sink", "sqlite");
  await child.stderr.waitFor(" run: ");
  await durable.restart();
  const args = ["jetstream", "--simulate", "-c", "all", "-n", "500", "--sink", "redis", "--redis-url", durable.url];
  assert.equal((await summaryOf(folder.path, args)).written, 500);
  await until(async () => rowsIn(`${folder.path}/bskyingest.db`) === 500 && await left(durable) === 0);
  await durable.kill();
  const { exit, unsettled } = await stopped(child);
  assert.deepEqual([exit, unsettled], [0, 0]);
});

Deno.test("misuse: no sink, no stream to write to, one that is read, a state file, a partition that is no number", async () => {
  using folder = tempFolder();
  const fails = async (args: string[], expected: RegExp) =>
    assertMisuse(await run(folder.path, ["consume", "--redis-url", "redis://127.0.0.1:1", ...args]), expected);
  await fails([], /^Cannot tell where events go: --sink is not set$/);
  await fails(["--sink", "redis"], /^Cannot write to Redis: --stream is not set$/);
  await fails(
    ["--sink", "redis", "--stream", "firehose_live"],
    /^Cannot use --stream firehose_live: it is the one that is/,
  );
  await fails(
    ["--sink", "null", "--state-file", "x"],
    /^Cannot use --state-file: the position is kept by what is read$/,
  );
  await fails(["--sink", "null", "--partition", "x"], /^Cannot use --partition "x": it must be a number from 0 on$/);
});
