import assert from "node:assert/strict";
import { type AnyEvent, dedupeKey } from "../../lib/atproto/event.ts";
import { ConfigError, PoisonError, RewoundError, TransientError } from "../../lib/pipeline/errors.ts";
import { type PipelineResult, runPipeline } from "../../lib/pipeline/pipeline.ts";
import type { Sink } from "../../lib/pipeline/sink.ts";
import { redisSource, type RedisSourceOptions } from "../../lib/sources/redis.ts";
import { streamEntries } from "../../lib/transforms/stream_events.ts";
import { faultProxy } from "../support/fault_proxy.ts";
import { sharedRedis } from "../support/redis.ts";
import { numbered, range, until } from "../support/redis_sink.ts";
import { serviceTest } from "../support/services.ts";

const redis = sharedRedis();

const consumer = (options: Partial<RedisSourceOptions> = {}) =>
  redisSource({
    connection: { url: redis().url },
    consumer: "a",
    group: "g",
    blockMs: 20,
    claimMs: 50,
    trimMs: 50,
    ...options,
  });

/** Keeps the numbers of what was written; `before` may refuse or wait. */
function collecting(before: (items: readonly AnyEvent[]) => Promise<void> | void = () => {}) {
  const numbers: number[] = [];
  const sink: Sink<AnyEvent> = {
    name: "collecting",
    async write({ items }) {
      await before(items);
      numbers.push(...items.map(numberOf));
      return { rejected: [] };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return { numbers, sink };
}

function numberOf(event: AnyEvent): number {
  return "seq" in event ? event.seq! : -1;
}

async function add(from: number, to: number, stream = "firehose_live"): Promise<string[]> {
  const ids = [];
  for (const { field, value } of streamEntries()(numbered(to - from + 1, from))) {
    ids.push(await redis().command("XADD", stream, "*", field, value));
  }
  return ids;
}

interface Running {
  readonly stop: AbortController;
  readonly end: Promise<PipelineResult>;
}

function run(source: ReturnType<typeof consumer>, sink: Sink<AnyEvent>, batchSize = 100): Running {
  const stop = new AbortController();
  const deadLetter = source.deadLetter(() => Promise.reject(new Error("Not ours")));
  const settings = { checkpointMs: 20, batchMs: 20, batchSize, backoff: () => 20 };
  return { stop, end: runPipeline({ source, sink, deadLetter, stop: stop.signal, ...settings }) };
}

/** Entries that were delivered and not acknowledged; -1 while there is no group. */
const pending = () =>
  redis().command("XPENDING", "firehose_live", "g").then(([count]: [number]) => count, (error: Error) => {
    assert.match(error.message, /^NOGROUP/);
    return -1;
  });
const length = () => redis().command("XLEN", "firehose_live");

serviceTest(
  "entries are delivered in order, acknowledged once they are safe, and then removed",
  ["redis"],
  async () => {
    await add(1, 1000);
    await using source = consumer();
    const { numbers, sink } = collecting();
    const { stop, end } = run(source, sink);
    await until(() => numbers.length === 1000);
    await add(1001, 1010);
    await until(async () => numbers.length === 1010 && await length() === 0);
    stop.abort();
    await end;
    assert.deepEqual(numbers, range(1, 1010));
    assert.equal(await pending(), 0);
    assert.equal(source.figures().acknowledged, 1010);
  },
);

serviceTest("R36: while the sink is away nothing is acknowledged; a stop leaves what is not safe to the next run", [
  "redis",
], async () => {
  await add(1, 300);
  let away = true;
  {
    await using source = consumer();
    const { numbers, sink } = collecting(() => {
      if (away) throw new TransientError("Cannot write: away");
    });
    const { stop, end } = run(source, sink);
    await until(() => source.figures().read === 300);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual([numbers, source.figures().acknowledged, await pending()], [[], 0, 300]);
    away = false;
    await until(async () => numbers.length === 300 && await pending() === 0);
    away = true;
    await add(301, 400);
    await until(() => source.figures().read > 300); // what is on its way here is left to the next run
    stop.abort();
    setTimeout(() => away = false, 50);
    await end;
    const { read } = source.figures();
    assert.deepEqual(numbers, range(1, read), "what was read was brought to an end");
    assert(await pending() <= 400 - read, "and acknowledged");
  }
});

serviceTest(
  "R35: what a consumer that is gone left is taken over, and its own comes again after a restart",
  ["redis"],
  async () => {
    await add(1, 50);
    const leave = (name: string, count: number) =>
      redis().command("XREADGROUP", "GROUP", "g", name, "COUNT", String(count), "STREAMS", "firehose_live", ">");
    await redis().command("XGROUP", "CREATE", "firehose_live", "g", "0");
    await leave("a", 20);
    await leave("gone", 20);
    await using source = consumer({ claimIdleMs: 300 });
    const { numbers, sink } = collecting();
    const { stop, end } = run(source, sink);
    await until(() => numbers.length === 50);
    stop.abort();
    await end;
    assert.deepEqual([...numbers.slice(0, 20)], range(1, 20), "its own come first");
    assert.deepEqual(numbers.toSorted((a, b) => a - b), range(1, 50));
    assert.deepEqual([source.figures().redelivered, await pending()], [40, 0]);
  },
);

serviceTest(
  "R37: what cannot be read is in the dead stream at once, and no other entry suffers",
  ["redis"],
  async () => {
    await add(1, 3);
    const bad = await redis().command("XADD", "firehose_live", "*", "event", '{"type":"nonsense"}');
    await redis().command("XADD", "firehose_live", "*", "event", "no json");
    await add(4, 6);
    await using source = consumer();
    const { numbers, sink } = collecting();
    const { stop, end } = run(source, sink);
    await until(async () => numbers.length === 6 && await pending() === 0);
    stop.abort();
    await end;
    const dead = (await redis().command("XRANGE", "firehose_live_dlq", "-", "+")).map((
      [, fields]: [string, string[]],
    ) => fields);
    assert.deepEqual(dead[0], [
      "event",
      '{"type":"nonsense"}',
      "reason",
      "unknown_shape",
      "attempts",
      "1",
      "id",
      bad,
      "consumer",
      "a",
    ]);
    assert.deepEqual(dead[1].slice(0, 4), ["event", "no json", "reason", "not_json"]);
    assert.deepEqual([numbers, source.figures().dead], [range(1, 6), 2]);
  },
);

serviceTest("R37: what the sink refuses for good is in the dead stream", ["redis"], async () => {
  await add(1, 5);
  await using source = consumer();
  const written: number[] = [];
  const sink: Sink<AnyEvent> = {
    name: "refusing",
    write({ items }) {
      const rejected = items.flatMap((item, index) =>
        numberOf(item) === 3 ? [{ index, error: new PoisonError("status_400", "Refused") }] : []
      );
      if (rejected.length === 0 || !sink.checkpoints) {
        written.push(...items.map(numberOf).filter((number) => number !== 3));
      }
      return Promise.resolve({ rejected });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const { stop, end } = run(source, sink);
  await until(async () => written.length === 4 && await pending() === 0);
  stop.abort();
  await end;
  const [dead, ...more] = await redis().command("XRANGE", "firehose_live_dlq", "-", "+");
  assert.deepEqual([JSON.parse(dead[1][1]).seq, dead[1][3], more], [3, "status_400", []]);
});

serviceTest("R38: an entry that was deleted while it was pending is acknowledged", ["redis"], async () => {
  const [first, second] = await add(1, 5);
  await redis().command("XGROUP", "CREATE", "firehose_live", "g", "0");
  await redis().command("XREADGROUP", "GROUP", "g", "a", "COUNT", "3", "STREAMS", "firehose_live", ">");
  await redis().command("XDEL", "firehose_live", first!, second!);
  await using source = consumer();
  const { numbers, sink } = collecting();
  const { stop, end } = run(source, sink);
  await until(async () => numbers.length === 3 && await pending() === 0);
  stop.abort();
  await end;
  assert.deepEqual([numbers, source.figures().deleted], [[3, 4, 5], 2]);
});

serviceTest(
  "R39: an entry that takes long stays with its consumer, and counts as delivered once",
  ["redis"],
  async () => {
    await add(1, 2);
    await using slow = consumer({ claimIdleMs: 1500 });
    let release = () => {};
    const { numbers, sink } = collecting(() => new Promise((resolve) => release = resolve));
    const first = run(slow, sink);
    await until(async () => await pending() === 2);
    await using other = consumer({ consumer: "b", claimIdleMs: 1500 });
    const rest = collecting();
    const second = run(other, rest.sink);
    await new Promise((resolve) => setTimeout(resolve, 4000));
    const rows = await redis().command("XPENDING", "firehose_live", "g", "-", "+", "10");
    assert.deepEqual(rows.map((row: unknown[]) => [row[1], row[3]]), [["a", 1], ["a", 1]]);
    release();
    await until(async () => await pending() === 0);
    for (const { stop } of [first, second]) stop.abort();
    await Promise.all([first.end, second.end]);
    assert.deepEqual([numbers, rest.numbers], [[1, 2], []]);
  },
);

serviceTest(
  "R41: nothing is cut that a slow group needs; deleting at once is for a group that is alone",
  ["redis"],
  async () => {
    await add(1, 100);
    await redis().command("XGROUP", "CREATE", "firehose_live", "slow", "0");
    await redis().command("XREADGROUP", "GROUP", "slow", "x", "COUNT", "40", "STREAMS", "firehose_live", ">");
    const { numbers, sink } = collecting();
    {
      await using source = consumer();
      const { stop, end } = run(source, sink);
      await until(async () => numbers.length === 100 && await pending() === 0);
      await new Promise((resolve) => setTimeout(resolve, 150));
      assert.equal(await length(), 100, "the slow group has not acknowledged the first one");
      const ids = (await redis().entries("firehose_live")).map(({ id }) => id);
      await redis().command("XACK", "firehose_live", "slow", ...ids.slice(0, 10));
      await until(async () => await length() === 90);
      stop.abort();
      await end;
    }

    await using greedy = consumer({ afterAck: "delete" });
    await assert.rejects(
      run(greedy, sink).end,
      /^ConfigError: Cannot use --after-ack delete: group slow reads firehose_live, too$/,
    );
    await redis().command("XGROUP", "DESTROY", "firehose_live", "slow");
    await using alone = consumer({ afterAck: "delete", group: "g" });
    await add(101, 102);
    const last = run(alone, sink);
    await until(async () => numbers.length === 102 && await length() === 90);
    last.stop.abort();
    await last.end;
  },
);

serviceTest("R42: how far behind a group is, also where the server cannot count", ["redis"], async () => {
  await using source = consumer({ afterAck: "keep" });
  const { numbers, sink } = collecting();
  const { stop, end } = run(source, sink);
  await add(1, 3);
  await until(async () => numbers.length === 3 && await pending() === 0);
  stop.abort();
  await end;
  assert.deepEqual(await source.lag(), [
    { stream: "firehose_live", entries: 0, seconds: 0, pending: 0, oldestPendingSeconds: 0 },
  ]);
  const newest = Date.now() + 5000;
  const ids = await add(4, 5);
  await redis().command("XADD", "firehose_live", `${newest}-0`, "event", "{}");
  await redis().command("XDEL", "firehose_live", ids[1]!);
  const [lag] = await source.lag();
  assert.equal(lag!.entries, undefined);
  assert(lag!.seconds >= 4 && lag!.seconds < 3600);
});

serviceTest("R40: partitions are read by whoever was told to, and only by them", ["redis"], async () => {
  await redis().command("SET", "{firehose_live}:partitions", "3");
  for (let i = 0; i < 3; i++) await add(i * 10 + 1, i * 10 + 10, `{firehose_live}:${i}`);
  await using source = consumer({ partitions: [0, 2] });
  const { numbers, sink } = collecting();
  const { stop, end } = run(source, sink);
  await until(() => numbers.length === 20);
  stop.abort();
  await end;
  assert.deepEqual(numbers.toSorted((a, b) => a - b), [...range(1, 10), ...range(21, 30)]);
  await using all = consumer({ group: "all" });
  const everything = collecting();
  const second = run(all, everything.sink);
  await until(() => everything.numbers.length >= 10 && everything.numbers.includes(20));
  second.stop.abort();
  await second.end;
  await using wrong = consumer({ partitions: [3] });
  await assert.rejects(run(wrong, sink).end, ConfigError);
});

serviceTest("a group that begins with what is new, and begins again whenever it is deleted", ["redis"], async () => {
  await add(1, 2);
  // Half of all commands look for entries to take over, the others read: each kind finds the group missing now and then.
  await using source = consumer({ from: "new", claimMs: 1, blockMs: 1 });
  const { numbers, sink } = collecting();
  const { stop, end } = run(source, sink);
  const hasGroup = () =>
    redis().command("XINFO", "GROUPS", "firehose_live").then((all) => all.length === 1, () => false);
  await until(hasGroup);
  for (let n = 3; n < 43; n += 2) {
    await add(n, n + 1);
    await until(() => numbers.length === n - 1);
    await redis().command("FLUSHALL");
    await until(hasGroup);
  }
  stop.abort();
  await end;
  assert.deepEqual(numbers, range(3, 42));
});

serviceTest("R35: what the sink holds already is not written again", ["redis"], async () => {
  await add(1, 20);
  await redis().command("XGROUP", "CREATE", "firehose_live", "g", "0");
  await redis().command("XREADGROUP", "GROUP", "g", "a", "COUNT", "10", "STREAMS", "firehose_live", ">");
  await using source = consumer();
  const { numbers, sink } = collecting();
  const held = numbered(5);
  const recall = (since: number) => Promise.resolve({ items: held.filter((event) => event.time_us >= since), since });
  const { stop, end } = run(source, { ...sink, recall });
  await until(async () => numbers.length === 15 && await pending() === 0);
  stop.abort();
  const { counters } = await end;
  assert.deepEqual([numbers, counters.duplicates], [range(6, 20), 5]);
});

serviceTest(
  "R31: a consumer outlives broken connections, and misses nothing that went into them",
  ["redis"],
  async () => {
    await add(1, 3000);
    await using proxy = await faultProxy({ port: redis().port });
    await using source = consumer({
      connection: { url: `redis://127.0.0.1:${proxy.port}` },
      count: 100,
      maxDeliveries: 2,
    });
    let writes = 0;
    const { numbers, sink } = collecting(() => {
      if (++writes % 5 === 0) proxy.resetAll();
    });
    const { stop, end } = run(source, sink);
    await until(async () => new Set(numbers).size === 3000 && await pending() === 0);
    stop.abort();
    await end;
    assert.deepEqual([...new Set(numbers)].sort((a, b) => a - b), range(1, 3000));
    assert.equal(source.figures().dead, 0);
  },
);

serviceTest("R21: a run that begins again is given what was not acknowledged, and that counts as no delivery", [
  "redis",
], async () => {
  await add(1, 1000);
  await using source = consumer({ count: 100, afterAck: "keep" });
  let writes = 0;
  const { numbers, sink } = collecting(() => {
    if (++writes % 4 === 0) throw new RewoundError("Cannot go on: lost");
  });
  for (let begun = 0; begun < 3; begun++) {
    const from = numbers.length;
    await assert.rejects(run(source, sink, 50).end, RewoundError);
    assert.equal(numbers.length, from + 150, "three writes, and the one that failed");
    const { acknowledged } = source.figures();
    assert.deepEqual(numbers.slice(from), range(numbers[from]!, numbers[from]! + 149));
    assert(numbers[from]! <= acknowledged + 1, "it began with the oldest one that was not acknowledged");
  }
  const rows: unknown[][] = await redis().command("XPENDING", "firehose_live", "g", "-", "+", "1000");
  assert.deepEqual(new Set(rows.map((row) => row[3])), new Set([1]));
  writes = -Infinity;
  const { stop, end } = run(source, sink);
  await until(async () => numbers.at(-1) === 1000 && await pending() === 0);
  stop.abort();
  await end;
  assert.deepEqual([...new Set(numbers)], range(1, 1000));
  assert.equal(source.figures().dead, 0);
});

serviceTest("events that are read twice are the same events", ["redis"], async () => {
  await add(1, 2);
  const keys: string[][] = [];
  for (const group of ["g", "h"]) {
    await using source = consumer({ group, afterAck: "keep" });
    const seen: string[] = [];
    const { numbers, sink } = collecting((items) => void seen.push(...items.map(dedupeKey)));
    const { stop, end } = run(source, sink);
    await until(() => numbers.length === 2);
    stop.abort();
    await end;
    keys.push(seen);
  }
  assert.deepEqual(keys[0], keys[1]);
});
