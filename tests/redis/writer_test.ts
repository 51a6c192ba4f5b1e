import assert from "node:assert/strict";
import { LockHeldError, TransientError } from "../../lib/pipeline/errors.ts";
import { redisSink, type RedisSinkOptions } from "../../lib/sinks/redis.ts";
import { faultProxy } from "../support/fault_proxy.ts";
import { sharedRedis } from "../support/redis.ts";
import { KEY, numbered, numbersIn, putNumbers, range, until, WRITER } from "../support/redis_sink.ts";
import { serviceTest } from "../support/services.ts";
import { inFolder } from "../support/temp.ts";

const redis = sharedRedis();

const open = (options: Partial<RedisSinkOptions> = {}) =>
  redisSink({ connection: { url: redis().url, commandMs: 2000 }, ...options });

serviceTest("a writer key that expired is taken again, and nothing is lost or doubled", ["redis"], async () => {
  await using sink = await open();
  await putNumbers(sink, 1, 2);
  await redis().command("DEL", WRITER);
  await putNumbers(sink, 3, 4);
  assert.deepEqual(await numbersIn(redis()), range(1, 4));
});

serviceTest(
  "a writer key that expired and was taken again without an answer is not another one's",
  ["redis"],
  async () => {
    await using proxy = await faultProxy({ port: redis().port });
    await using sink = await open({ connection: { url: `redis://127.0.0.1:${proxy.port}` } });
    await putNumbers(sink, 1, 2);
    await redis().command("DEL", WRITER);
    proxy.bytesPerSecond = 1;
    const batch = { items: numbered(2, 3), cursor: "4", key: KEY };
    const { signal } = new AbortController();
    const lost = sink.write(batch, { signal });
    await until(async () => await redis().command("EXISTS", WRITER) === 1);
    proxy.resetAll();
    await assert.rejects(lost, TransientError);
    proxy.bytesPerSecond = Infinity;
    await sink.write(batch, { signal });
    assert.deepEqual(await numbersIn(redis()), range(1, 4));
  },
);

serviceTest("R23: a second instance is told who writes", ["redis"], async () => {
  await using sink = await open({ ownerTtlMs: 1500 });
  await putNumbers(sink, 1, 2);
  await using second = await open({ ownerTtlMs: 1500 });
  const held = new RegExp(`^LockHeldError: Cannot hold ${WRITER}: pid ${Deno.pid} on ${Deno.hostname()} writes there$`);
  await assert.rejects(second.checkpoints.load(KEY), held);
  await putNumbers(sink, 3, 4);
});

serviceTest("R23: the key of a writer that is gone is waited for; a fenced one writes nothing", ["redis"], async () => {
  await using sink = await open({ ownerTtlMs: 60_000 });
  await putNumbers(sink, 1, 2);
  await redis().command("PEXPIRE", WRITER, "300"); // as if it had stopped renewing it
  await using second = await open();
  assert.equal(await second.checkpoints.load(KEY), "2");
  await putNumbers(second, 3, 4);
  await assert.rejects(putNumbers(sink, 3, 4), LockHeldError);
  assert.deepEqual(await numbersIn(redis()), range(1, 4));
});

serviceTest("R23: a writer key that was taken without an answer is not waited for", ["redis"], async () => {
  await using proxy = await faultProxy({ port: redis().port });
  const url = `redis://127.0.0.1:${proxy.port}`;
  await using sink = await open({ connection: { url, commandMs: 200 } });
  proxy.bytesPerSecond = 1;
  const loading = sink.checkpoints.load(KEY);
  await until(async () => await redis().command("EXISTS", WRITER) === 1);
  proxy.resetAll();
  proxy.bytesPerSecond = Infinity;
  const start = performance.now();
  assert.equal(await loading, undefined);
  assert(performance.now() - start < 5000, "its own key would last 15 s");
});

serviceTest("R23: the writer key lasts as long as its writer, and no longer", ["redis"], async () => {
  {
    await using sink = await open({ ownerTtlMs: 1500 });
    await putNumbers(sink, 1, 2);
    await new Promise((resolve) => setTimeout(resolve, 4000));
    assert.equal(await redis().command("EXISTS", WRITER), 1, "it would have expired twice");
  }
  assert.equal(await redis().command("EXISTS", WRITER), 0);
});

serviceTest(
  "R23: on one machine a lock tells at once, and lets the next one in at once",
  ["redis"],
  () =>
    inFolder(async (lockFolder) => {
      {
        await using sink = await open({ lockFolder });
        await putNumbers(sink, 1, 2);
        await using second = await open({ lockFolder });
        await assert.rejects(second.checkpoints.load(KEY), /^LockHeldError: Cannot lock .*pid \d+ on/);
        const token = await redis().command("HGET", WRITER, "token");
        await sink[Symbol.asyncDispose]();
        await redis().command("HSET", WRITER, "token", token, "n", "1"); // as if it had been killed
      }
      await using next = await open({ lockFolder });
      const start = performance.now();
      assert.equal(await next.checkpoints.load(KEY), "2");
      assert(performance.now() - start < 5000, "its predecessor's key would last 15 s");
    }),
);
