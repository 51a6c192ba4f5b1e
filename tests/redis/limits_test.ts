import assert from "node:assert/strict";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { redisSink, type RedisSinkOptions } from "../../lib/sinks/redis.ts";
import { captureLog } from "../support/log_records.ts";
import { sharedRedis } from "../support/redis.ts";
import { CURSOR, KEY, numbered, numbersIn, putNumbers, range, until } from "../support/redis_sink.ts";
import { serviceTest } from "../support/services.ts";
import { put } from "../support/sqlite.ts";

const redis = sharedRedis();

const open = (options: Partial<RedisSinkOptions> = {}) =>
  redisSink({ connection: { url: redis().url, commandMs: 2000 }, ...options });
const cursor = () => redis().command("GET", CURSOR);

serviceTest("R25, R26: at the mark nothing is added, and it goes on when there is room", ["redis"], async () => {
  await using log = await captureLog();
  await using sink = await open({ highWaterMark: 100, backpressureMs: 20 });
  await putNumbers(sink, 1, 150);
  assert.equal(await redis().command("XLEN", "firehose_live"), 150, "never more than the mark and one batch");
  assert.equal(sink.figures().length, 150);
  const waiting = putNumbers(sink, 151, 160);
  await until(() => sink.figures().backpressure === "length");
  await put(sink, [], { key: "firehose_live:cursor:other", cursor: "7" });
  assert.equal(await redis().command("GET", "firehose_live:cursor:other"), "7", "filtered batches move their position");
  assert.equal(await redis().command("XLEN", "firehose_live"), 150);
  assert.equal(await cursor(), "150");
  await redis().command("XTRIM", "firehose_live", "MAXLEN", "99");
  await waiting;
  assert.deepEqual(await numbersIn(redis()), range(52, 160));
  assert.equal(sink.figures().length, 109);
  assert.equal(log.lines.filter((line) => line.includes("is full")).length, 1, "said once");
});

serviceTest("R25: waiting at the mark ends when the run is killed", ["redis"], async () => {
  await using sink = await open({ highWaterMark: 1 });
  await putNumbers(sink, 1, 2);
  const kill = new AbortController();
  const waiting = sink.write({ items: numbered(1, 3), cursor: "3", key: KEY }, { signal: kill.signal });
  await until(() => sink.figures().backpressure === "length");
  kill.abort(new Error("Killed"));
  await assert.rejects(waiting, /Killed/);
});

serviceTest("R27: with consumers that never delete, what they have to do counts", ["redis"], async () => {
  await using sink = await open({ highWaterMark: 100, backpressureMs: 20, backpressure: "lag" });
  await putNumbers(sink, 1, 150);
  const blocked = putNumbers(sink, 151, 160);
  await until(() => sink.figures().backpressure === "length"); // no group yet
  await redis().command("XGROUP", "CREATE", "firehose_live", "g", "0");
  await until(() => sink.figures().backpressure === "lag");
  const read = await redis().command("XREADGROUP", "GROUP", "g", "c", "COUNT", "60", "STREAMS", "firehose_live", ">");
  assert.equal(await redis().command("XLEN", "firehose_live"), 150, "what is read and not acknowledged counts, too");
  const ids = read[0][1].map(([id]: [string]) => id);
  await redis().command("XACK", "firehose_live", "g", ...ids);
  await blocked;
  assert.equal(await redis().command("XLEN", "firehose_live"), 160);
});

serviceTest("R28: a length that was asked for is kept, and says so", ["redis"], async () => {
  await using log = await captureLog();
  await using sink = await open({ maxLength: 200 });
  assert(log.lines.some((line) => /^warning: Entries beyond 200 entries are trimmed.*mark is none$/.test(line)));
  await putNumbers(sink, 1, 2000);
  assert((await redis().command("XLEN", "firehose_live")) < 400);
  await assert.rejects(open({ maxLength: 5000, highWaterMark: 5000 }), ConfigError);
  await redis().command("XADD", "s", "*", "event", "{}");
  await redis().command("XGROUP", "CREATE", "s", "g", "0");
  await redis().command("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">");
  await using trimming = await open({ stream: "s", maxLength: 200 });
  await putNumbers(trimming, 1, 2000);
  const missed = 2000 - await redis().command("XLEN", "s");
  assert.equal(trimming.figures().trimmed_unread, missed);
  assert(log.lines.includes(`warning: A group has missed ${missed} entries of s: they were trimmed`));
  await using aged = await open({ stream: "aged", leastAgeMs: 60_000 });
  await redis().command("XADD", "aged", "1-1", "event", "{}");
  await putNumbers(aged, 1, 200);
  assert.equal(await redis().command("XLEN", "aged"), 201, "approximately: only whole nodes go");
});
