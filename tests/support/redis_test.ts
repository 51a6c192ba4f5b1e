import assert from "node:assert/strict";
import { startRedis, startRedisCluster } from "./redis.ts";
import { serviceTest } from "./services.ts";

serviceTest("a Redis server is empty at first, and empty again after it was killed", ["redis"], async () => {
  await using redis = await startRedis();
  assert.equal(await redis.command("DBSIZE"), 0);
  await redis.command("XADD", "s", "*", "field", "value");
  assert.deepEqual((await redis.entries("s")).map(({ field, value }) => [field, value]), [["field", "value"]]);
  const { pid } = redis;
  await redis.restart();
  assert.notEqual(redis.pid, pid);
  assert.equal(await redis.command("DBSIZE"), 0);
});

serviceTest("a Redis server can demand a password", ["redis"], async () => {
  await using locked = await startRedis(["--requirepass", "secret"]);
  assert.equal(await locked.command("PING"), "PONG");
});

serviceTest("a Redis cluster has three masters, and each key is with one of them", ["redis"], async () => {
  await using cluster = await startRedisCluster();
  const answers = await Promise.allSettled(cluster.nodes.map((node) => node.command("SET", "firehose_live", "x")));
  assert.deepEqual(answers.map(({ status }) => status).sort(), ["fulfilled", "rejected", "rejected"]);
});
