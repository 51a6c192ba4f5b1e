import assert from "node:assert/strict";
import type { AnyEvent } from "../../lib/atproto/event.ts";
import type { Batch } from "../../lib/pipeline/batch.ts";
import { RewoundError } from "../../lib/pipeline/errors.ts";
import { runPipeline } from "../../lib/pipeline/pipeline.ts";
import { batchStream, type Source } from "../../lib/pipeline/source.ts";
import { redisSink } from "../../lib/sinks/redis.ts";
import { faultProxy } from "../support/fault_proxy.ts";
import { sharedRedis } from "../support/redis.ts";
import { CURSOR, KEY, numbered, numbersIn, range, until, WRITER } from "../support/redis_sink.ts";
import { serviceTest } from "../support/services.ts";

const redis = sharedRedis();

/** The numbers 1 to `total`, in batches that cannot be cut, from the saved position on. */
function numbers(total: number, size = 50, between: () => Promise<void> = () => Promise.resolve()): Source<AnyEvent> {
  return {
    key: KEY,
    open: ({ cursor, stop } = {}) =>
      batchStream<AnyEvent>(stop, async function* (ended): AsyncGenerator<Batch<AnyEvent>, void> {
        for (let from = Number(cursor ?? 0) + 1; from <= total && !ended.aborted; from += size) {
          await between();
          const to = Math.min(from + size - 1, total);
          yield { items: numbered(to - from + 1, from), cursor: String(to) };
        }
      }),
  };
}

serviceTest("R25: a slow consumer holds the source back, and misses nothing", ["redis"], async () => {
  const [mark, batchSize, total] = [1000, 200, 6000];
  await using sink = await redisSink({ connection: { url: redis().url }, highWaterMark: mark, backpressureMs: 10 });
  let pulled = 0;
  const source = numbers(total, 50, () => Promise.resolve(void (pulled += 50)));
  const maxInFlight = 500;
  const running = runPipeline({ source, sink, batchSize, batchMs: 10, maxInFlight });
  const seen: number[] = [];
  let longest = 0;
  let furthest = 0;
  while (seen.length < total) {
    longest = Math.max(longest, await redis().command("XLEN", "firehose_live"));
    furthest = Math.max(furthest, pulled - seen.length);
    const entries: [string, string[]][] = await redis().command("XRANGE", "firehose_live", "-", "+", "COUNT", "100");
    seen.push(...entries.map(([, fields]) => JSON.parse(fields[1]!).seq));
    if (entries.length > 0) await redis().command("XDEL", "firehose_live", ...entries.map(([id]) => id));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await running;
  assert.deepEqual(seen, range(1, total));
  assert(longest <= mark + batchSize + 50, `${longest} entries`);
  assert(furthest <= mark + maxInFlight + 4 * batchSize, `${furthest} events are on their way`);
  assert.equal(await redis().command("GET", CURSOR), String(total));
});

serviceTest("R24: batches stay whole over disconnects, and all is there once, in order", ["redis"], async () => {
  await using proxy = await faultProxy({ port: redis().port });
  await using sink = await redisSink({ connection: { url: `redis://127.0.0.1:${proxy.port}`, commandMs: 1000 } });
  let count = 0;
  const source = numbers(10_000, 200, () => {
    if (++count % 7 === 0) proxy.resetAll();
    return new Promise((resolve) => setTimeout(resolve, 1));
  });
  await runPipeline({ source, sink, batchSize: 150, batchMs: 10, backoff: () => 1 });
  assert.deepEqual(await numbersIn(redis()), range(1, 10_000));
  assert.equal(await redis().command("GET", CURSOR), "10000");
});

/** Makes a server what a replica would be that lacks the newest entries: it has the first 500. */
const LOSE = `
local old = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 500)
redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)
for _, entry in ipairs(old) do redis.call('XADD', KEYS[1], '*', unpack(entry[2])) end
redis.call('SET', KEYS[2], '500')
redis.call('HINCRBY', KEYS[3], 'n', -3)`;

serviceTest("R21: a run that begins again after a fail-over misses nothing", ["redis"], async () => {
  await using sink = await redisSink({ connection: { url: redis().url } });
  let failedOver = false;
  const source = numbers(2000, 50, async () => {
    const length = await redis().command("XLEN", "firehose_live");
    if (failedOver || length < 800) return;
    failedOver = true;
    await redis().command("EVAL", LOSE, "3", "firehose_live", CURSOR, WRITER);
  });
  const run = () => runPipeline({ source, sink, batchSize: 50, batchMs: 10 });
  await assert.rejects(run(), RewoundError);
  await run();
  assert.deepEqual(await numbersIn(redis()), range(1, 2000));
});

serviceTest("R22: a server that is emptied while a run writes does not make it begin anew", ["redis"], async () => {
  await using sink = await redisSink({ connection: { url: redis().url } });
  let emptied = 0;
  const source = numbers(2000, 50, async () => {
    if (emptied > 0 || await redis().command("XLEN", "firehose_live") < 500) return;
    const empty = "local last = redis.call('GET', KEYS[1]); redis.call('FLUSHALL'); return last";
    emptied = Number(await redis().command("EVAL", empty, "1", CURSOR));
  });
  await runPipeline({ source, sink, batchSize: 50, batchMs: 10 });
  assert.deepEqual(await numbersIn(redis()), range(emptied + 1, 2000));
});

serviceTest("the run ends with its position saved when it is stopped", ["redis"], async () => {
  await using sink = await redisSink({ connection: { url: redis().url } });
  const stop = new AbortController();
  const source = numbers(1_000_000, 50, () => new Promise((resolve) => setTimeout(resolve, 1)));
  const running = runPipeline({ source, sink, batchSize: 100, batchMs: 10, stop: stop.signal });
  await until(async () => await redis().command("XLEN", "firehose_live") > 500);
  stop.abort();
  await running;
  const found = await numbersIn(redis());
  assert.deepEqual(found, range(1, found.length));
  assert.equal(await redis().command("GET", CURSOR), String(found.length));
});
