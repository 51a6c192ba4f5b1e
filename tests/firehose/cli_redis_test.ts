import assert from "node:assert/strict";
import { startSimulate } from "../../lib/simulate/server.ts";
import { type Child, startCli } from "../support/child.ts";
import { assertCalm, assertMisuse, ended, parseSummary, run, summaryOf } from "../support/program.ts";
import { type RedisServer, sharedRedis } from "../support/redis.ts";
import { serviceTest } from "../support/services.ts";
import { askedOf, expectedOf, nameOfEntry, namesIn, simulatedFrames } from "../support/stream_run.ts";
import { range } from "../support/jetstream_run.ts";
import { commit, commits } from "../support/live_run.ts";
import { tempFolder } from "../support/temp.ts";

const redis = sharedRedis();
const STREAM = "firehose_live";

/** A run over frames that ends behind the last one. */
const from = (relay: string, last: number, ...more: string[]) => [
  ...["firehose", "--relay-hosts", relay, "--cursor", "oldest", "--until", String(last)],
  ...["--sink", "redis", "--redis-url", redis().url, "--json", ...more],
];
const lengthOf = (server: RedisServer) => server.command("XLEN", STREAM) as Promise<number>;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until the stream has so many entries. */
async function grown(child: Child, length: number): Promise<void> {
  let over = false;
  child.status.then(() => over = true);
  while (await lengthOf(redis()) < length) {
    assert(!over, child.stderr.lines.join("\n"));
    await pause(10);
  }
}

serviceTest(
  "R25: a slow consumer holds the firehose back at the high-water mark, and misses nothing",
  ["redis"],
  async () => {
    const [mark, batch] = [1000, 200];
    using folder = tempFolder();
    const frames = await simulatedFrames(5000);
    const { names } = expectedOf(frames);
    await using server = await startSimulate({ frames });
    const args = ["--high-water-mark", String(mark), "--batch-size", String(batch), "--backpressure-interval", "20ms"];
    await using child = startCli(from(server.relay, frames.length, ...args), { cwd: folder.path });
    const seen: string[] = [];
    let longest = 0, waits = 0;
    while (seen.length < names.length) {
      const length = await lengthOf(redis());
      longest = Math.max(longest, length);
      if (length >= mark) waits++;
      const found: [string, string[]][] = await redis().command("XRANGE", STREAM, "-", "+", "COUNT", "50");
      seen.push(...found.map(([, [, value]]) => nameOfEntry(value!)));
      if (found.length > 0) await redis().command("XDEL", STREAM, ...found.map(([id]) => id));
      await pause(10);
    }
    assert.deepEqual(seen, names);
    assert(waits > 20, "the stream was full most of the time");
    // A frame is never cut: a batch exceeds its size by the rest of one, and no frame has more than three events here.
    assert(longest <= mark + batch + 2, `${longest} entries`);
    assert.equal(parseSummary(await ended(child)).written, names.length);
  },
);

serviceTest(
  "R12, F42: of two relays each entry says by which it came; with --dedupe there is one of each",
  ["redis"],
  async () => {
    using folder = tempFolder();
    const frames = (first: number) =>
      range(1, 20).map((n) => commit(first + n, [{ path: `app.bsky.feed.post/${n}`, record: { text: `${n}` } }]));
    await using a = await startSimulate({ frames: frames(0) });
    await using b = await startSimulate({ frames: frames(500) });
    const args = ["firehose", "--relay-hosts", `${a.relay},${b.relay}`, "--sink", "redis", "--redis-url", redis().url];
    const entriesOf = async (stream: string, ...more: string[]) => {
      await summaryOf(folder.path, [...args, "--stream", stream, ...more]);
      return (await redis().entries(stream)).map(({ value }) => JSON.parse(value));
    };
    const twice = await entriesOf("twice", "-n", "40");
    const hosts = [a, b].map(({ relay }) => new URL(relay).host);
    assert.deepEqual(
      twice.map(({ host, rkey }) => `${host} ${rkey}`).sort(),
      hosts.flatMap((host) => range(1, 20).map((n) => `${host} ${n}`)).sort(),
    );
    for (const [i, last] of ["20", "520"].entries()) {
      assert.equal(await redis().command("GET", `twice:cursor:${hosts[i]}`), last);
    }
    const once = await entriesOf("once", "-n", "20", "--dedupe");
    assert.deepEqual(once.map(({ host, rkey }) => [host, Number(rkey)]), range(1, 20).map((n) => [undefined, n]));
  },
);

serviceTest("R31: Redis stands still for seconds: the firehose waits and loses nothing", ["redis"], async () => {
  using folder = tempFolder();
  const frames = await simulatedFrames(4000);
  await using server = await startSimulate({ frames, rate: 2000 });
  await using child = startCli(from(server.relay, frames.length), { cwd: folder.path });
  await grown(child, 300);
  redis().freeze();
  try {
    await pause(3000);
  } finally {
    redis().thaw();
  }
  const { written, duplicates } = parseSummary(await ended(child));
  assert.deepEqual(await namesIn(redis()), expectedOf(frames).names);
  assert.deepEqual([written, duplicates], [expectedOf(frames).names.length, 0]);
});

serviceTest("R31: a firehose that begins while Redis stands still begins once it answers", ["redis"], async () => {
  using folder = tempFolder();
  const frames = await simulatedFrames(50);
  await using server = await startSimulate({ frames });
  redis().freeze();
  await using child = startCli(from(server.relay, frames.length), { cwd: folder.path });
  try {
    await pause(1500);
    assert.equal(server.counters.connections, 0, "nothing is read without a position");
  } finally {
    redis().thaw();
  }
  assert.equal(parseSummary(await ended(child)).written, expectedOf(frames).names.length);
});

/** Makes a server what a replica would be that lacks the newest entries: it has the first 500. */
const LOSE = `
local old = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 500)
redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)
for _, entry in ipairs(old) do redis.call('XADD', KEYS[1], '*', unpack(entry[2])) end
redis.call('SET', KEYS[2], '500')
redis.call('HINCRBY', KEYS[3], 'n', -3)`;

serviceTest("R21: after a fail-over that loses writes --cursor counts no more: the run goes on where Redis is", [
  "redis",
], async () => {
  using folder = tempFolder();
  await using server = await startSimulate({ frames: commits(1, 4000), rate: 2000 });
  const host = new URL(server.relay).host;
  await using child = startCli(from(server.relay, 4000), { cwd: folder.path });
  await grown(child, 1500);
  await redis().command("EVAL", LOSE, "3", STREAM, `${STREAM}:cursor:${host}`, `${STREAM}:writer:${host}`);
  const end = await ended(child);
  assert.equal(parseSummary(end).ended_by, "until");
  assert.deepEqual(askedOf(end), ["from 0", "from 500"]);
  const seqs = (await redis().entries(STREAM)).map(({ value }) => JSON.parse(value).seq);
  assert.deepEqual(seqs, range(1, 4000));
});

serviceTest("R19: memory runs out: no entry and no cursor, until there is room again", ["redis"], async () => {
  using folder = tempFolder();
  const frames = await simulatedFrames(3000);
  await using server = await startSimulate({ frames, rate: 2000 });
  await using child = startCli(from(server.relay, frames.length), { cwd: folder.path });
  await grown(child, 300);
  await redis().command("CONFIG", "SET", "maxmemory", "1mb");
  const key = `${STREAM}:cursor:${new URL(server.relay).host}`;
  try {
    await child.stderr.waitFor(/OOM/);
    const stands = async () => [await lengthOf(redis()), await redis().command("GET", key)];
    const before = await stands();
    await pause(1000);
    assert.deepEqual(await stands(), before);
  } finally {
    await redis().command("CONFIG", "SET", "maxmemory", "0");
  }
  parseSummary(await ended(child));
  assert.deepEqual(await namesIn(redis()), expectedOf(frames).names);
  assert.equal(await redis().command("GET", key), String(frames.length));
});

serviceTest("R18, R14: a stream that is none, and a cursor that is none, end with 2 and leave everything as it was", [
  "redis",
], async () => {
  using folder = tempFolder();
  const frames = await simulatedFrames(20);
  await using server = await startSimulate({ frames });
  const host = new URL(server.relay).host, key = `${STREAM}:cursor:${host}`;
  await redis().command("SET", STREAM, "mine");
  assertMisuse(await run(folder.path, from(server.relay, 20)), /^Cannot .*firehose_live.*string/);
  assert.deepEqual([await redis().command("GET", STREAM), await redis().command("GET", key)], ["mine", null]);
  await redis().command("DEL", STREAM);
  await redis().command("SET", key, "abc");
  const args = from(server.relay, 20).filter((arg) => arg !== "--cursor" && arg !== "oldest");
  assertMisuse(await run(folder.path, args), /^Cannot read cursor "abc"/);
  assert.deepEqual([await redis().command("GET", key), server.counters.connections], ["abc", 0]);
  await redis().command("DEL", key);
  assert.equal((await summaryOf(folder.path, from(server.relay, 20).filter((arg) => arg !== "--json"))).exit, 0);
  assert.deepEqual(await namesIn(redis()), expectedOf(frames).names);
});

serviceTest(
  "a run that waits for a Redis which does not answer ends on SIGTERM, and after --max-time",
  ["redis"],
  async () => {
    using folder = tempFolder();
    await using server = await startSimulate({ accounts: 20, count: 20, sign: false });
    const args = from(server.relay, 20).map((arg) => arg === redis().url ? "redis://127.0.0.1:9" : arg);
    await using child = startCli(args, { cwd: folder.path });
    await child.stderr.waitFor("Cannot read the position yet");
    child.kill("SIGTERM");
    const { ended_by, received } = parseSummary(await ended(child));
    assert.deepEqual([ended_by, received], ["signal", 0]);
    const end = await run(folder.path, [...args, "-t", "1"]);
    assertCalm(end);
    assert.match(parseSummary(end, 1).error!, /^Cannot write to redis .* firehose_live: it was not there in time/);
  },
);
