import assert from "node:assert/strict";
import { startCli } from "../support/child.ts";
import { CLAIMING, consume, consumersOf, fill, killHolding, left, stopped, STREAM } from "../support/consume_run.ts";
import { assertMisuse, ended, rowsIn, run, summaryOf } from "../support/program.ts";
import { type RedisServer, sharedRedis, startRedis } from "../support/redis.ts";
import { loseNewest, range, until } from "../support/redis_sink.ts";
import { serviceTest } from "../support/services.ts";
import { readBack } from "../support/sqlite.ts";
import { tempFolder } from "../support/temp.ts";

const redis = sharedRedis();

/** How often a server was asked for entries without a group. */
async function readsOf(server: RedisServer): Promise<number> {
  return Number(/^cmdstat_xread:calls=(\d+)/m.exec(await server.command("INFO", "commandstats"))?.[1] ?? 0);
}

/** The numbers of the events in a database, sorted. */
function numbersOf(db: string): number[] {
  return readBack<{ n: number }>(db, "SELECT json ->> 'cursor' AS n FROM events").map(({ n }) => Number(n))
    .sort((a, b) => a - b);
}

serviceTest(
  "jetstream into Redis, consume into SQLite: the same events, acknowledged and removed",
  ["redis"],
  async () => {
    using folder = tempFolder();
    await fill(folder.path, redis(), 5000);
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
    const db = `${folder.path}/bskyingest.db`;
    const args = [...CLAIMING, "--sink", "sqlite", "--count", "100", "--batch-size", "50", "--after-ack", "keep"];
    await using first = consume(folder.path, redis(), ...args);
    await using second = consume(folder.path, redis(), ...args);
    const line = await first.stderr.waitFor(" run: ");
    // Both wait for entries before there are any: neither can be done before the other one begins.
    await until(async () => (await consumersOf(redis())).size === 2);
    const filled = fill(folder.path, redis(), total);
    await killHolding(first, / as (\S+)$/.exec(line)![1]!, redis());
    await filled;
    await until(async () => await left(redis()) === 0);
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
    await fill(folder.path, redis(), 20_000);
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
    await until(async () => await left(redis()) === 0);
    await stopped(last);
    assert.deepEqual(numbersOf(db), range(1, 20_000));
  },
);

serviceTest(
  "R37: what cannot be read is in the dead stream; dead-letter lists, puts back and purges it",
  ["redis"],
  async () => {
    using folder = tempFolder();
    await fill(folder.path, redis(), 10);
    await redis().command("XADD", STREAM, "*", "event", '{"type":"nonsense"}');
    await redis().command("XADD", STREAM, "*", "event", "no json");
    await using child = consume(folder.path, redis(), "--sink", "ndjson");
    await until(async () => await left(redis()) === 0);
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
    const [bad, text] = listed;
    const shown = (await letters("show", text.id, bad.id, "--json")).found.map((line) => JSON.parse(line));
    assert.deepEqual(shown, [text, bad]);
    assert.deepEqual((await letters("show", bad.id, text.id, "--raw")).found, ['{"type":"nonsense"}', "no json"]);
    const lines = (await letters("show", text.id)).found;
    assert(lines.includes("reason: not_json") && lines.includes("field event: no json"), lines.join("\n"));
    const where = ["--stream", STREAM, "--redis-url", redis().url];
    assertMisuse(
      await run(folder.path, ["dead-letter", "show", "1-1", ...where]),
      /^Cannot show "1-1": .*_dlq has no such/,
    );
    assert.match((await letters("list", "--dead-stream", "other")).said, /^No dead letters$/);
    assertMisuse(await run(folder.path, ["dead-letter", "list", "--dead-stream", "x"]), /^Cannot use --dead-stream x:/);
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
    await until(async () => await left(redis()) === 0);
    assert.equal((await stopped(child)).dead_lettered, 1);
    assert(child.stderr.lines.some((line) => line.endsWith(`dead-letter list --stream ${STREAM}`)));
    assert.equal((await redis().command("XRANGE", `${STREAM}_dlq`, "-", "+"))[0][1][3], "lexicon");
  },
);

serviceTest("--raw: entries as they are, whatever they are, and each is acknowledged", ["redis"], async () => {
  using folder = tempFolder();
  await redis().command("XADD", STREAM, "1-0", "event", '{"type":"nonsense"}');
  await redis().command("XADD", STREAM, "2-0", "a", "1", "b", "zwei\n");
  const lines = [
    `{"stream":"${STREAM}","id":"1-0","fields":{"event":"{\\"type\\":\\"nonsense\\"}"}}`,
    `{"stream":"${STREAM}","id":"2-0","fields":{"a":"1","b":"zwei\\n"}}`,
  ];
  await using child = consume(folder.path, redis(), "--sink", "ndjson", "--raw");
  await until(async () => await left(redis()) === 0);
  const { written, lag_ms, consume: { acknowledged, dead } } = await stopped(child);
  assert.deepEqual([written, acknowledged, dead, typeof lag_ms], [2, 2, 0, "number"]);
  assert.deepEqual(Deno.readTextFileSync(`${folder.path}/bskyingest.ndjson`).trimEnd().split("\n"), lines);
  await using printing = consume(folder.path, redis(), "--sink", "stdout", "--raw", "--group", "other");
  await printing.stdout.waitFor("zwei");
  printing.kill();
  assert.equal((await ended(printing)).code, 0);
  assert.deepEqual(printing.stdout.lines, lines);
});

serviceTest("a dry run reads what the group has yet to read, and changes nothing", ["redis"], async () => {
  using folder = tempFolder();
  await fill(folder.path, redis(), 100);
  await using dry = consume(folder.path, redis(), "--sink", "sqlite", "--dry-run");
  await dry.stderr.waitFor("Dry run: sqlite");
  const before = await readsOf(redis());
  await until(async () => await readsOf(redis()) > before + 2); // it asks for more once it has taken what there was
  assert.equal((await stopped(dry)).would_write, 100);
  assert.equal(await left(redis()), -1);
  assert.equal(await redis().command("XLEN", STREAM), 100);
});

serviceTest("consume into another stream: two processes write side by side", ["redis"], async () => {
  using folder = tempFolder();
  await fill(folder.path, redis(), 3000);
  const args = ["--sink", "redis", "--stream", "copy", "--count", "100"];
  await using first = consume(folder.path, redis(), ...args);
  await using second = consume(folder.path, redis(), ...args);
  for (const each of [first, second]) await each.stderr.waitFor(" run: "); // before, a signal would just end it
  await until(async () => await left(redis()) === 0);
  const written = (await Promise.all([first, second].map(stopped))).map((summary) => summary.written);
  assert.equal(written[0]! + written[1]!, 3000);
  const numbers = (await redis().entries("copy")).map(({ value }) => JSON.parse(value).seq);
  assert.deepEqual(numbers.sort((a, b) => a - b), range(1, 3000));
});

serviceTest("R21: a fail-over that loses a part of the copy: what is not acknowledged is copied again, with a gap", [
  "redis",
], async () => {
  using folder = tempFolder();
  await fill(folder.path, redis(), 2000);
  const args = ["--redis-url", redis().url, "--from-stream", STREAM, "--sink", "redis", "--stream", "copy", "--json"];
  // Nothing is acknowledged before the end.
  const slowly = ["--checkpoint-interval", "10m", "--batch-size", "100", "--batch-timeout", "50ms", "--block", "50ms"];
  await using child = startCli(["consume", ...args, ...slowly], { cwd: folder.path });
  const copied = async () => (await redis().entries("copy")).map(({ value }): number => JSON.parse(value).seq);
  await until(async () => await redis().command("XLEN", "copy") === 2000);
  const [cursor] = await redis().command("KEYS", "copy:cursor:*");
  const [writer] = await redis().command("KEYS", "copy:writer:*");
  await loseNewest(redis(), { stream: "copy", cursor, writer }, 1000, "1000");
  assert.equal((await copied()).length, 1000);
  await fill(folder.path, redis(), 500);
  await until(async () => new Set(await copied()).size === 2500);
  const { exit, unsettled, consume: { acknowledged, dead, redelivered } } = await stopped(child);
  assert.deepEqual([exit, unsettled, acknowledged, dead], [0, 0, 2500, 0]);
  assert(redelivered >= 2000, `${redelivered} entries`);
  assert.equal(child.stderr.lines.filter((line) => line.includes("Beginning again")).length, 1);
  const { stdout } = await run(folder.path, ["gaps", "list", "--json"]);
  const rows = stdout.map((line) => JSON.parse(line));
  assert.deepEqual(rows.map(({ reason, state, from, to }) => [reason, state, from, to]), [
    ["redis_rewound", "open", null, null],
  ]);
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
  for (const sink of ["sqlite", "elasticsearch", "redis"]) {
    const args = ["--sink", sink, "--stream", "copy", "--raw"];
    await fails(args, new RegExp(`^Cannot use --raw with --sink ${sink}: it needs to know what is in an entry$`));
  }
  await fails(["--sink", "null", "--raw", "--ops", "create"], /^Cannot use --raw together with --ops/);
  await fails(["--sink", "null", "--partition", "x"], /^Cannot use --partition "x": it must be a number from 0 on$/);
});
