import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { streamEntries } from "../../lib/transforms/stream_events.ts";
import { startScript } from "../support/child.ts";
import { ROOT } from "../support/paths.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { numbered, range } from "../support/redis_sink.ts";
import { serviceTest } from "../support/services.ts";
import { tempFolder } from "../support/temp.ts";

const TOTAL = 10_000;

const consumer = (redis: RedisServer, name: string, folder: string) =>
  startScript("tests/crash/redis_consumer.ts", [redis.url, name, `${folder}/x.db`], { cwd: ROOT });

async function fill(redis: RedisServer, total: number, deadly?: number): Promise<void> {
  const events = numbered(total).map((event, i) =>
    i + 1 === deadly ? { ...event, commit: { ...event.commit, rkey: "deadly" } } : event
  );
  for (const { field, value } of streamEntries()(events)) {
    await redis.command("XADD", "firehose_live", "*", field, value);
  }
}

/** The numbers of the events in a database, in its order. */
function numbersOf(path: string): number[] {
  using db = new DatabaseSync(path, { readOnly: true });
  return db.prepare("SELECT json ->> 'cursor' AS n FROM events ORDER BY position").all().map(({ n }) => Number(n));
}

async function drained(redis: RedisServer, isOver = () => false): Promise<void> {
  for (const last = Date.now() + 60_000; Date.now() < last && !isOver();) {
    const groups: unknown[][] = await redis.command("XINFO", "GROUPS", "firehose_live").catch(() => []);
    const [group] = groups.map((flat) =>
      new Map(range(0, flat.length / 2 - 1).map((i) => [flat[2 * i], flat[2 * i + 1]]))
    );
    if (group?.get("pending") === 0 && group.get("lag") === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (!isOver()) throw new Error("Entries are left after a minute");
}

serviceTest(
  `R35: ${TOTAL} entries of two consumers are in one database, each once, although one is killed and never comes back`,
  ["redis"],
  async () => {
    using folder = tempFolder();
    await using redis = await startRedis();
    await fill(redis, TOTAL);
    await using first = consumer(redis, "a", folder.path);
    await using second = consumer(redis, "b", folder.path);
    await first.stdout.waitFor("read");
    await second.stdout.waitFor("read");
    first.kill("SIGKILL");
    await first.status;
    await drained(redis);
    second.kill("SIGTERM");
    assert.equal((await second.status).code, 0);
    assert.deepEqual(numbersOf(`${folder.path}/x.db`).sort((a, b) => a - b), range(1, TOTAL), "each of them once");
  },
);

serviceTest(
  "R37: an entry that kills the process is dead after five deliveries, and harms no other",
  ["redis"],
  async () => {
    using folder = tempFolder();
    await using redis = await startRedis();
    await fill(redis, 1000, 700);
    let deaths = 0;
    for (;; deaths++) {
      assert(deaths < 10, "it never ends");
      await using child = consumer(redis, "a", folder.path);
      let ended = false;
      const end = child.status.then(() => ended = true);
      await Promise.race([end, drained(redis, () => ended)]);
      if (ended) continue;
      child.kill("SIGTERM");
      assert.equal((await child.status).code, 0);
      break;
    }
    assert.equal(deaths, 5);
    assert.deepEqual(numbersOf(`${folder.path}/x.db`).sort((a, b) => a - b), range(1, 1000).filter((n) => n !== 700));
    const dead = await redis.command("XRANGE", "firehose_live_dlq", "-", "+");
    assert.equal(dead.length, 1);
    assert.deepEqual(dead[0][1].slice(2, 6), ["reason", "deliveries", "attempts", "5"]);
  },
);
