import assert from "node:assert/strict";
import { ConfigError, TransientError } from "../../lib/pipeline/errors.ts";
import { redisSink } from "../../lib/sinks/redis.ts";
import { partitionOf } from "../../lib/transforms/stream_events.ts";
import { type RedisServer, sharedRedis, startRedisCluster } from "../support/redis.ts";
import { KEY, numbered, numbersIn, putNumbers, range, until } from "../support/redis_sink.ts";
import { serviceTest } from "../support/services.ts";
import { put } from "../support/sqlite.ts";

const redis = sharedRedis();

serviceTest("R33: with partitions each DID is in one stream, and the position is exact", ["redis"], async () => {
  const connection = { url: redis().url };
  {
    await using sink = await redisSink({ connection, partitions: 8, highWaterMark: 300, backpressureMs: 20 });
    const known = numbered(2).map((event, i) => ({
      ...event,
      did: ["did:plc:wq4aajammjtxdomz3e23667t", "did:web:example.com"][i]!,
    }));
    await put(sink, known, { key: KEY, cursor: "2" });
    assert.deepEqual([await numbersIn(redis(), "{firehose_live}:2"), await numbersIn(redis(), "{firehose_live}:5")], [
      [1],
      [2],
    ]);
    await putNumbers(sink, 3, 400);
    const found = [];
    for (let i = 0; i < 8; i++) {
      for (const { value } of await redis().entries(`{firehose_live}:${i}`)) {
        const { did, seq } = JSON.parse(value);
        assert.equal(partitionOf(did, 8), i);
        found.push(seq);
      }
    }
    assert.deepEqual(found.sort((a, b) => a - b), range(1, 400));
    assert.equal(await redis().command("GET", "{firehose_live}:cursor:bsky.network"), "400");
    const full = putNumbers(sink, 401, 401);
    await until(() => sink.figures().backpressure === "length"); // the sum over all
    for (let i = 0; i < 8; i++) await redis().command("DEL", `{firehose_live}:${i}`);
    await full;
  }
  for (const partitions of [4, undefined]) {
    await assert.rejects(redisSink({ connection, partitions }), (error) => {
      assert(error instanceof ConfigError);
      return /it has 8$/.test(error.message) && error.hint?.includes("drain") === true;
    });
  }
  await assert.rejects(redisSink({ connection, partitions: 0 }), ConfigError);
});

serviceTest("R33: the position from before there were partitions counts", ["redis"], async () => {
  const connection = { url: redis().url };
  {
    await using sink = await redisSink({ connection, stream: "s" });
    await putNumbers(sink, 1, 2);
  }
  await redis().command("DEL", "s");
  await using sink = await redisSink({ connection, stream: "s", partitions: 2 });
  assert.equal(await sink.checkpoints.load(KEY), "2");
});

serviceTest("R32: in a cluster the stream keeps its name, and its own keys are beside it", ["redis"], async () => {
  await using cluster = await startRedisCluster();
  await using sink = await redisSink({ connection: { url: cluster.nodes[0]!.url } });
  assert.equal(await sink.checkpoints.load(KEY), undefined);
  await putNumbers(sink, 1, 10);
  const [, , owner] = cluster.nodes as [RedisServer, RedisServer, RedisServer];
  assert.equal(await owner.command("CLUSTER", "KEYSLOT", "firehose_live"), 14815);
  assert.deepEqual(await numbersIn(owner), range(1, 10));
  assert.equal(await owner.command("GET", "{firehose_live}:cursor:bsky.network"), "10");
  assert.equal(await owner.command("EXISTS", "{firehose_live}:writer:bsky.network"), 1);
});

serviceTest("R32: nothing is lost while a cluster moves the stream to another node", ["redis"], async () => {
  await using cluster = await startRedisCluster();
  const [to, , from] = cluster.nodes as [RedisServer, RedisServer, RedisServer];
  await using sink = await redisSink({ connection: { url: to.url } });
  let moving: Promise<void> | undefined;
  for (let i = 1; i <= 300; i += 10) {
    if (i === 101) moving = moveSlot(14815, from, to);
    const batch = { items: numbered(10, i), cursor: String(i + 9), key: KEY };
    await until(() =>
      sink.write(batch, { signal: new AbortController().signal }).then(() => true, (error) => {
        assert(error instanceof TransientError, String(error));
        return false;
      })
    );
  }
  await moving;
  assert.deepEqual(await numbersIn(to), range(1, 300));
  assert.equal(await to.command("GET", "{firehose_live}:cursor:bsky.network"), "300");
});

async function moveSlot(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
  const [source, target] = [await from.command("CLUSTER", "MYID"), await to.command("CLUSTER", "MYID")];
  await to.command("CLUSTER", "SETSLOT", String(slot), "IMPORTING", source);
  await from.command("CLUSTER", "SETSLOT", String(slot), "MIGRATING", target);
  for (const key of await from.command("CLUSTER", "GETKEYSINSLOT", String(slot), "100")) {
    await from.command("MIGRATE", "127.0.0.1", String(to.port), key, "0", "5000");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const node of [to, from]) await node.command("CLUSTER", "SETSLOT", String(slot), "NODE", target);
}
