import assert from "node:assert/strict";
import { messageFrame } from "../../lib/atproto/test_frames.ts";
import { labelsFrame } from "../../lib/simulate/repos/messages.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import { startCli } from "../support/child.ts";
import { commit } from "../support/live_run.ts";
import { assertCalm, assertMisuse, ended, filesIn, parseSummary, run, serve, summaryOf } from "../support/program.ts";
import { FIXTURES } from "../support/megastream.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { type RedisServer, sharedRedis, startRedis } from "../support/redis.ts";
import { loseNewest, numbersIn as numbersOf, range, until } from "../support/redis_sink.ts";
import { serviceTest } from "../support/services.ts";
import { EPOCH_US } from "../support/sqlite.ts";
import { tempFolder } from "../support/temp.ts";

const redis = sharedRedis();
const STREAM = "jetstream_live";
const SIMULATE = ["jetstream", "--simulate", "-c", "all"];
const into = (server: RedisServer = redis()) => ["--sink", "redis", "--redis-url", server.url];

/** The numbers of the events in a stream, in its order. */
const numbersIn = (server: RedisServer) => numbersOf(server, STREAM);

Deno.test("L15: the sink is Elasticsearch if its URL is set, else Redis if its is, else SQLite; of relays Redis comes first", async () => {
  using folder = tempFolder();
  const sinkOf = async (command: string, env: Record<string, string>, ...args: string[]) => {
    const all = [command, "--simulate", "-n", "1", "--dry-run", "--json", ...args];
    const { stdout, stderr } = await run(folder.path, all, env);
    const line = stderr.find((each) => each.includes("Dry run:"))!;
    return [JSON.parse(stdout[0]!).sink, /\((.*?)\)/.exec(line)![1]];
  };
  const redisUrl = { REDIS_URL: "redis://:s3cret@127.0.0.1:1" };
  const both = { ...redisUrl, ELASTICSEARCH_URL: "http://127.0.0.1:1" };
  assert.deepEqual(await sinkOf("jetstream", redisUrl), ["redis", "by REDIS_URL"]);
  assert.deepEqual(await sinkOf("jetstream", { REDIS_HOST: "127.0.0.1:1" }), ["redis", "by REDIS_HOST"]);
  assert.deepEqual(await sinkOf("jetstream", {}, "--redis-url", "redis://a"), ["redis", "--redis-url"]);
  assert.deepEqual(await sinkOf("jetstream", both), ["elasticsearch", "by ELASTICSEARCH_URL"]);
  assert.deepEqual(await sinkOf("jetstream", both, "--sink", "null"), ["null", "--sink"]);
  assert.deepEqual(await sinkOf("firehose", both), ["redis", "by REDIS_URL"]);
  assert.deepEqual(await sinkOf("firehose", { ELASTICSEARCH_URL: "http://127.0.0.1:1" }), [
    "elasticsearch",
    "by ELASTICSEARCH_URL",
  ]);
});

Deno.test("a dry run needs no server and writes nothing", async () => {
  using folder = tempFolder();
  const summary = await summaryOf(folder.path, [...SIMULATE, "-n", "300", "--dry-run", "--sink", "redis"]);
  const { written, would_write, cursor, redis: figures } = summary as typeof summary & { redis: unknown };
  assert.deepEqual([written, would_write, cursor, figures], [0, 300, null, { entries: 300 }]);
  assert.deepEqual(filesIn(folder.path), []);
});

Deno.test("R30: a URL that is none, and options that exclude each other, are misuse; no password is repeated", async () => {
  using folder = tempFolder();
  const fails = async (args: string[], expected: RegExp) => {
    const end = await run(folder.path, [...SIMULATE, "-n", "1", "--sink", "redis", ...args]);
    assertMisuse(end, expected);
    assert(!end.stderr.join().includes("s3cret"));
  };
  await fails(["--redis-url", "http://:s3cret@a"], /^Cannot use --redis-url "http:\/\/.*": it must be redis:\/\//);
  await fails(["--high-water-mark", "5000", "--redis-maxlen", "5000"], /^Cannot use --high-water-mark 5000 with/);
  await fails(["--partitions", "2000"], /^Cannot use --partitions/);
  await fails(["--state-file", "x.json"], /^Cannot use --state-file with --sink redis: it keeps the position itself$/);
  await fails(["--concurrency", "2"], /^Cannot use --concurrency 2 with --sink redis/);
  await fails(["--format", "rsky"], /^Cannot use --format rsky: these events do not say which signed commit/);
});

serviceTest("R30: a wrong password, and a key of another type, are said at the start, exit 2", ["redis"], async () => {
  using folder = tempFolder();
  await using locked = await startRedis(["--requirepass", "s3cret"]);
  for (const password of ["", ":marker0815@"]) {
    const url = locked.url.replace("//", `//${password}`);
    const end = await run(folder.path, [...SIMULATE, "-n", "1", "-v", "--sink", "redis", "--redis-url", url]);
    assertMisuse(end, /^Cannot use Redis at 127\.0\.0\.1:\d+: (NOAUTH|WRONGPASS)/);
    assert(!end.stderr.join().includes("marker0815"));
  }
  const right = ["--redis-url", locked.url, "--redis-password", "s3cret"];
  assert.equal((await summaryOf(folder.path, [...SIMULATE, "-n", "1", "--sink", "redis", ...right])).written, 1);
  await redis().command("SET", STREAM, "a string");
  const end = await run(folder.path, [...SIMULATE, "-n", "1", ...into()]);
  assertMisuse(end, /^Cannot write to stream jetstream_live: the key holds a string$/);
});

serviceTest(
  "a run says where it writes, and the next one goes on; cursor shows, sets and clears",
  ["redis"],
  async () => {
    using folder = tempFolder();
    const first = await run(folder.path, [...SIMULATE, "-n", "1000", ...into(), "--json"]);
    const place = `127.0.0.1:${redis().port} ${STREAM}`;
    assert(first.stderr.some((line) => line.includes(`run: redis ${place} (--sink), no saved position`)));
    const { written, redis: figures, sink } = parseSummary(first) as ReturnType<typeof parseSummary> & {
      redis: object;
    };
    assert.deepEqual([sink, written], ["redis", 1000]);
    assert.deepEqual(Object.keys(figures), ["entries", "backpressure", "length", "trimmed_unread", "dropped_statuses"]);
    const second = await run(folder.path, [...SIMULATE, "-n", "1000", ...into()]);
    assert(second.stderr.some((line) => line.includes(`(--sink), resuming after `)), second.stderr.join("\n"));
    assert(second.stderr.some((line) => line.startsWith(`Wrote 1,000 events into ${place} (redis) in `)));
    assert.deepEqual(await numbersIn(redis()), range(1, 2000));

    const cursor = (...args: string[]) => run(folder.path, ["cursor", ...args, ...into()]);
    const [shown, ...more] = (await cursor("show", "--json")).stdout.map((line) => JSON.parse(line));
    assert.deepEqual([shown.key, shown.seq, shown.updated_at, more], ["jetstream-simulate", 2000, null, []]);
    assert.match((await cursor("set", "jetstream-simulate", "1500")).stderr.join(), /: was .*2000.*, is .*1500/);
    assert.equal((await summaryOf(folder.path, [...SIMULATE, "-n", "10", ...into()])).written, 10);
    assert.deepEqual((await numbersIn(redis())).slice(-10), range(1501, 1510));
    assertMisuse(
      await cursor("set", "nobody", "5"),
      /^Cannot find position "nobody" in .*: there are jetstream-simulate$/,
    );
    assert.match((await cursor("clear", "--all")).stderr.join(), /: was .*, is none$/);
    assert.deepEqual((await cursor("show", "--json")).stdout, []);
  },
);

serviceTest("L8, T21: while a run goes on, a second one and cursor set exit 75 and name it", ["redis"], async () => {
  using folder = tempFolder();
  await using first = startCli([...SIMULATE, ...into(), "--json"], { cwd: folder.path });
  await first.stderr.waitFor("Connected to");
  await until(async () => await redis().command("XLEN", STREAM) > 0);
  using elsewhere = tempFolder(); // without the first one's lock files, as on another machine
  const commands = [[...SIMULATE, "-n", "1"], ["cursor", "set", "jetstream-simulate", "5"]];
  for (const [home, args] of [folder, elsewhere].flatMap(({ path }) => commands.map((each) => [path, each] as const))) {
    const end = await run(home, [...args, ...into()]);
    assert.equal(end.code, 75, end.stderr.join("\n"));
    assertCalm(end);
    assert(end.stderr.some((line) => line.includes(`pid ${first.pid} on ${Deno.hostname()}`)), end.stderr.join("\n"));
  }
  first.kill();
  const { written, ended_by, unsettled } = parseSummary(await ended(first));
  assert.deepEqual([ended_by, unsettled], ["signal", 0]);
  assert.deepEqual(await numbersIn(redis()), range(1, written));
});

const KILLS = 10;

for (const kind of ["new", "legacy"]) {
  serviceTest(
    `kill -9 at ${KILLS} random moments, a ${kind} server: every event once, in order`,
    ["redis"],
    async () => {
      using folder = tempFolder();
      const total = 30_000;
      const made = ["--epoch", "2026-01-01", "--count", String(total), "--rate", "20000", "--kind", kind];
      await using server = await serve(folder.path, made);
      const source = ["jetstream", "--url", server.v1, "-c", "all", "--overlap", "1s", "--batch-size", "250"];
      const args = [...source, ...into()];
      assert.equal((await summaryOf(folder.path, [...args, "--cursor", "1", "-n", "1"])).written, 1);
      const random = randomFrom(startNumber(`kill -9 of jetstream into Redis, ${kind}`));
      for (let kill = 0; kill < KILLS; kill++) {
        await using child = startCli(args, { cwd: folder.path });
        const { signal } = await child.killWithin(900, random);
        assert.equal(signal, "SIGKILL", child.stderr.lines.join("\n"));
      }
      const rest = total - await redis().command("XLEN", STREAM);
      console.log(`${rest} of ${total} are left after the last kill`);
      if (rest > 0) assert.equal((await summaryOf(folder.path, [...args, "-n", String(rest)])).written, rest);
      const numbers = await numbersIn(redis());
      const expected = kind === "new" ? range(1, total) : range(1, total).map((i) => EPOCH_US + i * 500);
      assert.equal(numbers.length, total);
      assert.deepEqual(numbers, expected);
    },
  );
}

serviceTest(
  "R31: Redis is frozen, killed and started again while a run writes: every event once",
  ["redis"],
  async () => {
    using folder = tempFolder();
    await using durable = await startRedis(["--appendonly", "yes", "--appendfsync", "always"]);
    await using server = await serve(folder.path, ["--epoch", "2026-01-01", "--rate", "5000"]);
    const args = ["jetstream", "--url", server.v1, "-c", "all", "--cursor", "1", "--batch-timeout", "50ms"];
    await using child = startCli([...args, ...into(durable), "--json"], { cwd: folder.path });
    const grows = async () => {
      const before = await durable.command("XLEN", STREAM);
      await until(async () => await durable.command("XLEN", STREAM) > before + 500);
    };
    await grows();
    durable.freeze();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    durable.thaw();
    await grows();
    await durable.restart();
    await grows();
    child.kill();
    const { written, gaps, retried } = parseSummary(await ended(child));
    assert(!child.stderr.lines.some((line) => line.includes("Beginning again")), child.stderr.lines.join("\n"));
    assert.deepEqual(await numbersIn(durable), range(1, written));
    assert(gaps === 0 && retried > 0, `${gaps} gaps, ${retried} repeated writes`);
  },
);

serviceTest("R21: a fail-over that loses writes: the run begins again there, records the gap and misses nothing", [
  "redis",
], async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--epoch", "2026-01-01", "--rate", "5000"]);
  const args = ["jetstream", "--url", server.v1, "-c", "all", "--cursor", "1", "--batch-timeout", "50ms"];
  await using child = startCli([...args, ...into(), "--json"], { cwd: folder.path });
  const keys = { stream: STREAM, cursor: `${STREAM}:cursor:jetstream`, writer: `${STREAM}:writer:jetstream` };
  await until(async () => await redis().command("XLEN", STREAM) > 1000);
  const kept = await redis().command("XLEN", STREAM);
  const seq = (await numbersIn(redis()))[kept - 1]!;
  const time_us = EPOCH_US + seq * 500;
  const position = JSON.stringify({ v: 1, host: server.host, wire: "v1", time_us, seq });
  await until(async () => await redis().command("XLEN", STREAM) > kept + 1000);
  await loseNewest(redis(), keys, kept, position);
  await until(async () => await redis().command("XLEN", STREAM) > kept + 3000);
  child.kill();
  const summary = parseSummary(await ended(child));
  assert.deepEqual([summary.exit, summary.ended_by, summary.unsettled], [0, "signal", 0]);
  const numbers = await numbersIn(redis());
  assert.deepEqual(numbers, range(1, numbers.length));
  assert(summary.written > numbers.length, "what was lost was written twice");
  const { stdout } = await run(folder.path, ["gaps", "list", "--all", "--json"]);
  const rows = stdout.map((line) => JSON.parse(line));
  assert.deepEqual(rows.map(({ reason, state, unit, from }) => [reason, state, unit, from]), [
    ["redis_rewound", "healed", "us", time_us],
  ]);
});

serviceTest("R25: --high-water-mark: a slow consumer holds the run back, and misses nothing", ["redis"], async () => {
  using folder = tempFolder();
  const [mark, batch, total] = [1000, 200, 5000];
  const limits = ["--high-water-mark", String(mark), "--backpressure-interval", "20ms", "--batch-size", String(batch)];
  await using server = await serve(folder.path, ["--epoch", "2026-01-01"]);
  const args = ["jetstream", "--url", server.v1, "-c", "all", "--cursor", "1", "-n", String(total), ...limits];
  await using child = startCli([...args, ...into(), "--json"], { cwd: folder.path });
  await child.stderr.waitFor(`Stream ${STREAM} is full`);
  const seen: number[] = [];
  let longest = 0;
  while (seen.length < total) {
    longest = Math.max(longest, await redis().command("XLEN", STREAM));
    const entries: [string, string[]][] = await redis().command("XRANGE", STREAM, "-", "+", "COUNT", "100");
    seen.push(...entries.map(([, fields]) => JSON.parse(fields[1]!).seq));
    if (entries.length > 0) await redis().command("XDEL", STREAM, ...entries.map(([id]) => id));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(parseSummary(await ended(child)).written, total);
  assert.deepEqual(seen, range(1, total));
  assert(longest >= mark && longest <= mark + batch, `${longest} entries`);
});

serviceTest("R7: each empty frame of a labeler is an entry in format rsky, and none in bsky", ["redis"], async () => {
  using folder = tempFolder();
  const label = { src: "did:plc:a", uri: "did:plc:b", val: "x", cts: "2024-10-23T17:51:21Z" };
  const frames = [[], [], [label], [label, label], [], [], [label], []].map((labels, i) => labelsFrame(i + 1, labels));
  await using server = await startSimulate({ labelFrames: frames });
  const args = ["labeler", "--labeler-hosts", server.relay, "--until", "8", ...into()];
  for (const format of ["rsky", "bsky"]) {
    await summaryOf(folder.path, [...args, "--format", format, "--stream", format]);
  }
  const rsky = (await redis().entries("rsky")).map(({ value }) => JSON.parse(value));
  assert.deepEqual(rsky.map(({ seq, labels }) => [seq, labels.length]), [
    ...[[1, 0], [2, 0], [3, 1], [4, 2], [5, 0], [6, 0], [7, 1], [8, 0]],
  ]);
  assert.equal(await redis().command("XLEN", "bsky"), 4);
  for (const format of ["rsky", "bsky"]) {
    assert.equal(await redis().command("GET", `${format}:cursor:${new URL(server.relay).host}`), "8");
  }
});

serviceTest(
  "R9: the removed #handle is an identity in format rsky only, #tombstone is nothing",
  ["redis"],
  async () => {
    using folder = tempFolder();
    const about = { did: "did:plc:a", time: "2025-04-16T23:41:00.000Z" };
    const frames = [
      messageFrame("#handle", { seq: 144, ...about, handle: "pengua.bsky.social" }),
      messageFrame("#tombstone", { seq: 145, ...about }),
      commit(146),
    ];
    await using server = await startSimulate({ frames });
    const args = ["firehose", "--relay-hosts", server.relay, "--cursor", "oldest", "--until", "146", ...into()];
    for (const format of ["rsky", "bsky"]) {
      await summaryOf(folder.path, [
        ...args,
        "--format",
        format,
        "--stream",
        format,
      ]);
    }
    const [identity, create, ...more] = (await redis().entries("rsky")).map(({ value }) => JSON.parse(value));
    assert.deepEqual([identity.type, identity.seq, identity.handle], ["identity", 144, "pengua.bsky.social"]);
    assert.deepEqual([create.type, create.seq, more], ["create", 146, []]);
    assert.deepEqual((await redis().entries("bsky")).map(({ value }) => JSON.parse(value).seq), [146]);
    for (const format of ["rsky", "bsky"]) {
      assert.equal(await redis().command("GET", `${format}:cursor:${new URL(server.relay).host}`), "146");
    }
  },
);

serviceTest("megastream: every post, its files' positions under one writer; a file that was replaced is read anew", [
  "redis",
], async () => {
  using folder = tempFolder();
  const name = "mega_jetstream_20251021_065500.db.zip";
  Deno.mkdirSync(`${folder.path}/in`);
  Deno.copyFileSync(`${FIXTURES}/${name}`, `${folder.path}/in/${name}`);
  const args = ["megastream", "--path", "in", ...into(), "--max-dead-ratio", "1"];
  const json = async () => JSON.parse((await run(folder.path, [...args, "--json"])).stdout[0]!);
  const first = await json();
  assert(first.written > 0);
  assert.equal(await redis().command("XLEN", "megastream"), first.written);
  assert.deepEqual(await redis().command("KEYS", "*:writer:*"), []);
  assert.equal((await json()).written, 0);
  Deno.utimeSync(`${folder.path}/in/${name}`, new Date(), new Date(Date.now() - 60_000));
  assert.equal((await json()).written, first.written);
});

serviceTest("T22: doctor looks at server, permissions and stream, and writes nothing", ["redis"], async () => {
  using folder = tempFolder();
  const examine = async (...args: string[]) => {
    const { stdout } = await run(folder.path, ["doctor", "--simulate", "--json", ...args]);
    const { checks } = JSON.parse(stdout[0]!) as { checks: { name: string; verdict: string; detail: string }[] };
    return (name: string) => checks.find((check) => check.name === name)!;
  };
  const fine = await examine(...into());
  assert.match(
    fine("sink").detail,
    /^redis \(--sink\): 127\.0\.0\.1:\d+ jetstream_live on Redis \d.*permissions suffice/,
  );
  assert.notEqual(fine("sink").verdict, "fail");
  assert.deepEqual(await redis().command("KEYS", "*"), []);
  await summaryOf(folder.path, [...SIMULATE, "-n", "10", ...into()]);
  assert.match((await examine(...into()))("position").detail, /^begins at|^simulate no longer has/);
  await redis().command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
  assert.match((await examine(...into()))("sink").detail, /R?edis may throw streams and positions away/);
  await redis().command("CONFIG", "SET", "maxmemory-policy", "noeviction");

  await redis().command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@read", "+@connection", "+info", "+eval");
  const reader = (await examine("--sink", "redis", "--redis-url", redis().url.replace("//", "//reader:pw@")))("sink");
  assert.equal(reader.verdict, "fail");
  assert.match(reader.detail, /NOPERM/);
  await redis().command("ACL", "DELUSER", "reader");
  await redis().command("SET", "other", "a string");
  assert.match((await examine(...into(), "--stream", "other"))("sink").detail, /the key holds a string$/);
  assert.equal((await examine("--sink", "redis", "--redis-url", "redis://127.0.0.1:1"))("sink").verdict, "fail");
});
