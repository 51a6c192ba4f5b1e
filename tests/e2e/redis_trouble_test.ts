import assert from "node:assert/strict";
import { startCli } from "../support/child.ts";
import { ended, parseSummary, serve } from "../support/program.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { range, until } from "../support/redis_sink.ts";
import { serviceTest } from "../support/services.ts";
import { tempFolder } from "../support/temp.ts";

const STREAM = "jetstream_live";
/** Events a second: a run that kept what comes meanwhile would grow by far more than {@link MOST_MB}. */
const RATE = 10_000;
const MOST_MB = 60;

const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** Keeps Redis from taking anything for so many seconds, and then mends it. */
interface Trouble {
  readonly seconds: number;
  /** What the run must say of it. */
  readonly says: RegExp;
  begin(redis: RedisServer): Promise<unknown> | void;
  end(redis: RedisServer): Promise<unknown> | void;
}

const TROUBLES: Readonly<Record<string, Trouble>> = {
  // Longer than commands are waited for, and than writer keys last.
  "R31: Redis stands still for 30 s": {
    seconds: 30,
    says: /Cannot write to redis, trying again: .*No answer within/,
    begin: (redis) => redis.freeze(),
    end: (redis) => redis.thaw(),
  },
  "R19: Redis has no memory left": {
    seconds: 5,
    says: /Cannot write to redis, trying again: .*OOM/,
    begin: (redis) => redis.command("CONFIG", "SET", "maxmemory", "1mb"),
    end: (redis) => redis.command("CONFIG", "SET", "maxmemory", "0"),
  },
  "R18: the stream's key holds a string": {
    seconds: 5,
    says: /Cannot write to redis, trying again: .*WRONGTYPE/,
    begin: (redis) =>
      redis.command("EVAL", "redis.call('RENAME', KEYS[1], 'old') redis.call('SET', KEYS[1], 'x')", "1", STREAM),
    end: (redis) => redis.command("RENAME", "old", STREAM),
  },
};

for (const [name, { seconds, says, begin, end }] of Object.entries(TROUBLES)) {
  serviceTest(`${name}: nothing is lost, nothing is there twice, and memory stays`, ["redis"], async () => {
    using folder = tempFolder();
    await using redis = await startRedis();
    await using server = await serve(folder.path, ["--epoch", "2026-01-01", "--rate", String(RATE)]);
    const from = ["jetstream", "--url", server.v1, "-c", "all", "--cursor", "1", "--json"];
    const into = ["--sink", "redis", "--redis-url", redis.url, "--high-water-mark", "0", "--batch-timeout", "50ms"];
    await using child = startCli([...from, ...into], { cwd: folder.path });
    const length = () => redis.command("XLEN", STREAM) as Promise<number>;
    const grows = async () => {
      const before = await length();
      await until(async () => await length() > before + 2 * RATE);
    };
    await grows();
    const before = child.peakRssBytes();
    await begin(redis);
    await pause(seconds);
    await child.stderr.waitFor(says);
    const after = child.peakRssBytes();
    await end(redis);
    await grows();
    child.kill();
    const { written, gaps, retried } = parseSummary(await ended(child));
    assert.deepEqual((await redis.entries(STREAM)).map(({ value }) => JSON.parse(value).seq), range(1, written));
    assert(!child.stderr.lines.some((line) => line.includes("Beginning again")), child.stderr.lines.join("\n"));
    assert.equal(gaps, 0);
    assert(retried > 0 && retried < 10 * seconds, `${retried} attempts`);
    if (before !== undefined && after !== undefined) {
      const grown = (after - before) / 1e6;
      assert(grown < MOST_MB, `grown by ${grown} MB`);
    }
  });
}
