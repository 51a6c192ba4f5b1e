import assert from "node:assert/strict";
import { ROOT } from "../support/paths.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { CURSOR } from "../support/redis_sink.ts";
import { serviceTest } from "../support/services.ts";
import { tempFolder } from "../support/temp.ts";

const KILLS = 50;
const TOTAL = 200_000;
/** What a batch of the writer has on average. */
const BATCH = 200;
/** A restart that had to wait for its predecessor's key to expire would take longer, in milliseconds. */
const AT_ONCE_MS = 14_000;

function spawn(...args: string[]): Deno.ChildProcess {
  const script = `${ROOT}/tests/crash/redis_writer.ts`;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", `${ROOT}/deno.json`, script, ...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

/** Lets the writer print `lines` lines, at least one, and `ms` milliseconds more, then kills it. Gives back whether it was still at work. */
async function killAfter(child: Deno.ChildProcess, lines: number, ms: number): Promise<boolean> {
  let seen = 0;
  const start = performance.now();
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    if (seen === 0) assert(performance.now() - start < AT_ONCE_MS, "the next writer takes over at once");
    seen += text.split("\n").length - 1;
    if (seen >= lines) break;
  }
  await new Promise((resolve) => setTimeout(resolve, ms));
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // it has ended already
  }
  return (await child.status).signal === "SIGKILL";
}

/** Each number up to the position is there once, in its place. */
async function assertWhole(redis: RedisServer, context: string): Promise<number> {
  const cursor = Number(await redis.command("GET", CURSOR));
  const numbers = (await redis.entries("firehose_live")).map(({ value }) => Number(/"seq":(\d+)/.exec(value)![1]));
  assert.equal(numbers.length, cursor, context);
  assert(numbers.every((number, i) => number === i + 1), context);
  return cursor;
}

serviceTest(
  `R16: ${KILLS} times kill -9 while ${TOTAL} events are written lose and double nothing`,
  ["redis"],
  async () => {
    const start = startNumber("R16");
    const random = randomFrom(start);
    using folder = tempFolder();
    await using redis = await startRedis();
    const args = [redis.url, String(TOTAL), folder.path];
    let killed = 0;
    let checked = 0;
    while (killed < KILLS) {
      const lines = Math.floor(random() * 1.4 * TOTAL / KILLS / BATCH);
      killed += Number(await killAfter(spawn(...args), lines, random() * 6));
      const context = `BSKYINGEST_SEED=${start}, kill ${killed}`;
      if (killed % 10 === 0) checked = await assertWhole(redis, context);
      assert(checked < TOTAL, `${context}: all was written before the last kill`);
    }
    const { code } = await spawn(...args).output();
    assert.equal(code, 0);
    assert.equal(await assertWhole(redis, `BSKYINGEST_SEED=${start}, at the end`), TOTAL);
  },
);
