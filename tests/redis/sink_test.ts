import assert from "node:assert/strict";
import type { Gap } from "../../lib/pipeline/batch.ts";
import { ConfigError, PoisonError, RewoundError, TransientError } from "../../lib/pipeline/errors.ts";
import { redisSink, type RedisSinkOptions } from "../../lib/sinks/redis.ts";
import { faultProxy } from "../support/fault_proxy.ts";
import { captureLog } from "../support/log_records.ts";
import { sharedRedis, startRedis } from "../support/redis.ts";
import { CURSOR, KEY, numbered, numbersIn, putNumbers, range, until, WRITER } from "../support/redis_sink.ts";
import { serviceTest } from "../support/services.ts";
import { labelEvent, put } from "../support/sqlite.ts";

const redis = sharedRedis();

const open = (options: Partial<RedisSinkOptions> = {}) =>
  redisSink({ connection: { url: redis().url, commandMs: 2000 }, ...options });
const cursor = () => redis().command("GET", CURSOR);

serviceTest("R1, R13: entries and position of a relay are under the names that consumers know", ["redis"], async () => {
  await using sink = await open();
  assert.equal(await sink.checkpoints.load("firehose_live:cursor:relay1.us-east.bsky.network"), undefined);
  await putNumbers(sink, 1, 3, { key: "firehose_live:cursor:relay1.us-east.bsky.network" });
  assert.deepEqual(await numbersIn(redis()), [1, 2, 3]);
  assert.equal(await redis().command("GET", "firehose_live:cursor:relay1.us-east.bsky.network"), "3");
  assert.equal(await redis().command("TTL", "firehose_live:cursor:relay1.us-east.bsky.network"), -1, "for ever");
  assert.equal(sink.figures().entries, 3);
});

serviceTest("R14: a position that cannot be read is waited for", ["redis"], async () => {
  await redis().command("SET", CURSOR, "42");
  await using proxy = await faultProxy({ port: redis().port });
  proxy.refuse();
  await using sink = await open({ connection: { url: `redis://127.0.0.1:${proxy.port}` } });
  const loading = sink.checkpoints.load(KEY);
  assert.equal(await Promise.race([loading, new Promise((r) => setTimeout(r, 300, "waiting"))]), "waiting");
  await proxy.accept();
  assert.equal(await loading, "42");
});

serviceTest("R14: waiting for a position ends when the run is to stop", ["redis"], async () => {
  await using proxy = await faultProxy({ port: redis().port });
  proxy.refuse();
  const stop = new AbortController();
  await using sink = await open({ connection: { url: `redis://127.0.0.1:${proxy.port}` }, stop: stop.signal });
  const loading = sink.checkpoints.load(KEY);
  stop.abort(new Error("Stopped"));
  await assert.rejects(loading, /Stopped/);
});

serviceTest("R15: a batch without events moves the position", ["redis"], async () => {
  await using sink = await open();
  await putNumbers(sink, 1, 2);
  await put(sink, [], { key: KEY, cursor: "9" });
  assert.equal(await cursor(), "9");
  assert.deepEqual(await numbersIn(redis()), [1, 2]);
});

serviceTest("R7: an empty frame of labels is an entry in rsky only, and moves the position", ["redis"], async () => {
  const key = "label_live:cursor:mod.bsky.app";
  const label = { ...labelEvent("did:plc:x", "2024-10-23T17:51:21Z"), seq: 3 };
  for (const [format, values] of [["bsky", 1], ["rsky", 2]] as const) {
    await using sink = await open({ stream: `label_${format}`, format });
    await put(sink, [label], { key, cursor: "3" });
    await put(sink, [], { key, cursor: "4" });
    await put(sink, [], { key, cursor: "4" });
    const entries = await redis().entries(`label_${format}`);
    assert.equal(entries.length, values);
    if (format === "rsky") assert.equal(entries[1]!.value, '{"seq":4,"labels":[]}');
    assert.equal(await redis().command("GET", `label_${format}:cursor:mod.bsky.app`), "4");
  }
});

serviceTest(
  "R17: a reply that was lost doubles nothing, nor does a server that forgot the script",
  ["redis"],
  async () => {
    await using proxy = await faultProxy({ port: redis().port });
    await using sink = await open({ connection: { url: `redis://127.0.0.1:${proxy.port}` } });
    const batches = [1, 2, 3].map((i) => ({ items: numbered(10, i * 10), cursor: String(i * 10 + 9), key: KEY }));
    const { signal } = new AbortController();
    await sink.write(batches[0]!, { signal });
    await redis().command("SCRIPT", "FLUSH");
    proxy.bytesPerSecond = 1;
    const lost = sink.write(batches[1]!, { signal });
    await until(async () => await redis().command("XLEN", "firehose_live") === 20);
    proxy.resetAll();
    await assert.rejects(lost, TransientError);
    proxy.bytesPerSecond = Infinity;
    await sink.write(batches[1]!, { signal });
    await sink.write(batches[2]!, { signal });
    assert.deepEqual(await numbersIn(redis()), range(10, 39));
    assert.equal(await cursor(), "39");
  },
);

serviceTest("a write that was given up is not taken for the next one", ["redis"], async () => {
  await using proxy = await faultProxy({ port: redis().port });
  await using sink = await open({ connection: { url: `redis://127.0.0.1:${proxy.port}` } });
  await putNumbers(sink, 1, 2);
  proxy.bytesPerSecond = 1;
  const kill = new AbortController();
  const given = sink.write({ items: numbered(2, 3), cursor: "4", key: KEY }, { signal: kill.signal });
  await until(async () => await redis().command("XLEN", "firehose_live") === 4);
  kill.abort(new Error("Killed"));
  await assert.rejects(given, /Killed/);
  proxy.bytesPerSecond = Infinity;
  proxy.resetAll();
  await until(() => putNumbers(sink, 5, 6).then(() => true, () => false));
  assert.deepEqual(await numbersIn(redis()), range(1, 6));
});

serviceTest("R18: a key that is no stream stops nothing for good, and nothing is lost", ["redis"], async () => {
  await using sink = await open();
  await putNumbers(sink, 1, 2);
  await redis().command("SET", "firehose_live", "text");
  await assert.rejects(putNumbers(sink, 3, 4), /^TransientError: .*WRONGTYPE firehose_live holds a string/);
  assert.equal(await cursor(), "2");
  await redis().command("DEL", "firehose_live");
  await putNumbers(sink, 3, 4);
  assert.deepEqual(await numbersIn(redis()), [3, 4]);
  await redis().command("SET", "firehose_live", "text");
  await assert.rejects(open(), /^ConfigError: Cannot write to stream firehose_live: the key holds a string$/);
});

serviceTest("R19: a server without memory writes nothing, and is left alone for a second", ["redis"], async () => {
  await using server = await startRedis();
  await using sink = await redisSink({ connection: { url: server.url } });
  await putNumbers(sink, 1, 2);
  await server.command("CONFIG", "SET", "maxmemory", "1");
  await assert.rejects(putNumbers(sink, 3, 4), (error) => {
    assert(error instanceof TransientError);
    return error.retryAfterMs === 1000;
  });
  assert.equal(sink.figures().backpressure, "oom");
  assert.deepEqual([await numbersIn(server), await server.command("GET", CURSOR)], [[1, 2], "2"]);
  assert.equal(await server.command("HGET", WRITER, "n"), "1");
  await server.command("CONFIG", "SET", "maxmemory", "0");
  await putNumbers(sink, 3, 4);
  assert.deepEqual(await numbersIn(server), [1, 2, 3, 4]);
  assert.equal(sink.figures().backpressure, null);
});

for (const expired of [false, true]) {
  const name = `R21: what a server lost of what it confirmed is read again${
    expired ? ", its writer key included" : ""
  }`;
  serviceTest(name, ["redis"], async () => {
    const gaps: Gap[] = [];
    await using sink = await open({ recordGaps: (_key, more) => Promise.resolve(gaps.push(...more)) });
    await putNumbers(sink, 1, 2);
    const snapshot = await takeSnapshot();
    await putNumbers(sink, 3, 4);
    await putNumbers(sink, 5, 6);
    await snapshot.restore();
    if (expired) await redis().command("DEL", WRITER);
    await assert.rejects(putNumbers(sink, 7, 8), RewoundError);
    assert.equal(await sink.checkpoints.load(KEY), "2");
    assert.deepEqual(gaps.map(({ reason, from, to, state }) => [reason, from, to, state]), [
      ["redis_rewound", 2, 6, "healed"],
    ]);
    await putNumbers(sink, 3, 8);
    assert.deepEqual(await numbersIn(redis()), range(1, 8));
  });
}

/** What a server would have after a fail-over to a replica that lacks the last writes. */
async function takeSnapshot() {
  const keys = [CURSOR, WRITER, "firehose_live"];
  for (const key of keys) await redis().command("COPY", key, `old:${key}`);
  return {
    async restore() {
      for (const key of keys) await redis().command("COPY", `old:${key}`, key, "REPLACE");
    },
  };
}

serviceTest("R22: a server that lost everything goes on after what it confirmed", ["redis"], async () => {
  const gaps: Gap[] = [];
  await using sink = await open({ recordGaps: (_key, more) => Promise.resolve(gaps.push(...more)) });
  await putNumbers(sink, 1, 2);
  await redis().command("FLUSHALL");
  assert.equal(await sink.checkpoints.load(KEY), "2", "never from 0 or live");
  await putNumbers(sink, 3, 4);
  await redis().command("FLUSHALL");
  await putNumbers(sink, 5, 6);
  assert.deepEqual(await numbersIn(redis()), [5, 6]);
  assert.equal(await cursor(), "6");
  assert.deepEqual(gaps.map(({ reason, to, state }) => [reason, to, state]), [
    ["redis_lost", 2, "open"],
    ["redis_lost", 4, "open"],
  ]);
});

serviceTest("R29: a server that may forget is warned of", ["redis"], async () => {
  await using server = await startRedis(["--maxmemory-policy", "allkeys-lru"]);
  await using log = await captureLog();
  await using _sink = await redisSink({ connection: { url: server.url } });
  assert(log.lines.some((line) => line.includes("maxmemory-policy is allkeys-lru")));
  assert(log.lines.some((line) => line.includes("neither appendonly nor save is on")));
});

serviceTest(
  "an entry that is too large is dead, and nothing of its batch is written before it is out",
  ["redis"],
  async () => {
    await using sink = await open({ maxEntryBytes: 1000 });
    const [small, large] = numbered(2);
    const { commit } = large!;
    const batch = { key: KEY, cursor: "2" };
    const items = [small!, { ...large!, commit: { ...commit, record: { text: "é".repeat(600) } } }];
    const { rejected } = await put(sink, items, batch);
    assert.deepEqual(rejected.map(({ index }) => index), [1]);
    assert(rejected[0]!.error instanceof PoisonError);
    assert.deepEqual([await numbersIn(redis()), await cursor()], [[], null]);
    await put(sink, [small!], batch);
    assert.deepEqual([await numbersIn(redis()), await cursor()], [[1], "2"]);
  },
);

serviceTest(
  "replicas that do not confirm make a write transient, and its repetition doubles nothing",
  ["redis"],
  async () => {
    await using sink = await open({ waitReplicas: 1, connection: { url: redis().url } });
    const batch = { items: numbered(2), cursor: "2", key: KEY };
    const write = () => sink.write(batch, { signal: new AbortController().signal });
    await assert.rejects(write(), /^TransientError: Cannot have 1 replicas confirm a write: 0 did within 1 s$/);
    await assert.rejects(write(), TransientError);
    assert.deepEqual(await numbersIn(redis()), [1, 2]);
  },
);

serviceTest(
  "R31: a server that freezes or restarts without its data loses nothing that comes after",
  ["redis"],
  async () => {
    await using server = await startRedis();
    const gaps: Gap[] = [];
    await using sink = await redisSink({
      connection: { url: server.url, commandMs: 500, connectMs: 500 },
      recordGaps: (_key, more) => Promise.resolve(gaps.push(...more)),
    });
    const batch = (i: number) => ({ items: numbered(10, i * 10), cursor: String(i * 10 + 9), key: KEY });
    const { signal } = new AbortController();
    let failures = 0;
    const patient = async (i: number) => {
      const same = batch(i);
      await until(() =>
        sink.write(same, { signal }).then(() => true, (error) => {
          assert(error instanceof TransientError, String(error));
          failures++;
          return false;
        })
      );
    };
    await patient(1);
    server.freeze();
    const frozen = patient(2);
    await until(() => failures > 0);
    server.thaw();
    await frozen;
    assert.deepEqual(await numbersIn(server), range(10, 29));
    await server.kill();
    const writing = patient(3);
    await server.restart();
    await writing;
    assert.deepEqual(await numbersIn(server), range(30, 39));
    assert.deepEqual(gaps.map(({ reason, to }) => [reason, to]), [["redis_lost", 29]]);
  },
);

serviceTest("a server that became a replica is left, and written to again when it is a master", ["redis"], async () => {
  await using server = await startRedis();
  await using sink = await redisSink({ connection: { url: server.url } });
  await putNumbers(sink, 1, 2);
  await server.command("REPLICAOF", "127.0.0.1", "1");
  await assert.rejects(putNumbers(sink, 3, 4), /^TransientError: .*READONLY/);
  await server.command("REPLICAOF", "NO", "ONE");
  await putNumbers(sink, 3, 4);
  assert.deepEqual(await numbersIn(server), range(1, 4));
});

serviceTest(
  "a user who may not run scripts is the user's to mend; one who may not ask for settings is not",
  ["redis"],
  async () => {
    const url = redis().url.replace("//", "//limited:word@");
    const allow = (...rules: string[]) =>
      redis().command("ACL", "SETUSER", "limited", "reset", "on", ">word", "~*", "+@all", ...rules);
    await allow("-@scripting");
    {
      await using sink = await open({ connection: { url } });
      await assert.rejects(sink.checkpoints.load(KEY), (error) => {
        assert(error instanceof ConfigError);
        return /NOPERM/.test(error.message) && !error.message.includes("word@");
      });
    }
    await allow("-config", "-info");
    await using sink = await open({ connection: { url } });
    await putNumbers(sink, 1, 2);
    assert.deepEqual(await numbersIn(redis()), [1, 2]);
    await redis().command("ACL", "DELUSER", "limited");
  },
);
