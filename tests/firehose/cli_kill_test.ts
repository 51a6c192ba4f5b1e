import assert from "node:assert/strict";
import { startSimulate } from "../../lib/simulate/server.ts";
import { startCli } from "../support/child.ts";
import { fileExists, summaryOf } from "../support/program.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { serviceTest } from "../support/services.ts";
import { cursorsIn, dbIn, eventsIn, expectedOf, nameOfEntry, simulatedFrames } from "../support/stream_run.ts";
import { tempFolder } from "../support/temp.ts";

/**
 * How often a run is killed, and over how many frames. Making frames takes longer than killing: of 200,000 (the sink alone has a test
 * of its own with so many, in tests/crash) it is a fifth. `BSKYINGEST_KILLS=50 BSKYINGEST_FRAMES=200000` does it all, in two minutes.
 */
const [SQLITE, REDIS] = [{ kills: 20, frames: 12_000 }, { kills: 50, frames: 40_000 }].map(({ kills, frames }) => ({
  kills: Number(Deno.env.get("BSKYINGEST_KILLS") ?? kills),
  frames: Number(Deno.env.get("BSKYINGEST_FRAMES") ?? frames),
})) as [Size, Size];
/**
 * As long as runs are killed, so many seconds would do for a fair part of what is left: they work for 150 ms or so, for longer where the
 * machine has much to do.
 */
const SECONDS_A_KILL = 0.24;
/** Parts that are left for the last run. */
const SPARE = 5;
/** Small writes, so that a run that lives for a moment gets somewhere. */
const OFTEN = ["--batch-size", "100", "--batch-timeout", "20ms"];

/** How much there is to do. */
interface Size {
  readonly kills: number;
  readonly frames: number;
}

/** What a run has stored. */
interface Stored {
  readonly cursor: string | undefined;
  /** In their order, without those that are known. */
  readonly events: readonly string[];
}

/** Kills runs again and again, looks at what they leave each time, and lets the last one go to the end. */
async function killAndFinish(
  name: string,
  size: Size,
  args: readonly string[],
  { expected, look }: {
    readonly expected: (frames: readonly Uint8Array[]) => readonly string[];
    /** What is stored behind the first `known` events. */
    readonly look: (folder: string, key: string, known: number) => Promise<Stored> | Stored;
  },
): Promise<void> {
  const start = startNumber(name);
  const random = randomFrom(start);
  using folder = tempFolder();
  const frames = await simulatedFrames(size.frames);
  const all: string[] = [];
  /** How many events the first so many frames have. */
  const upTo = new Map<string, number>();
  for (const [i, frame] of frames.entries()) upTo.set(String(i + 1), all.push(...expected([frame])));
  let rate = 0, at = 0;
  await using server = await startSimulate({ frames, onRequest: () => ({ rate }) });
  const run = ["firehose", "--relay-hosts", server.relay, "--cursor", "oldest", ...OFTEN, ...args];
  const resume = run.filter((arg) => arg !== "--cursor" && arg !== "oldest");
  const key = `firehose_live:cursor:${new URL(server.relay).host}`;
  const check = async (context: string, known: number): Promise<number> => {
    const { cursor, events } = await look(folder.path, key, known);
    const now = known + events.length;
    assert.deepEqual(events, all.slice(known, now), `${context}: nothing is missing, doubled or out of order`);
    at = Number(cursor ?? 0);
    if (cursor === undefined) assert.equal(now, 0, context);
    else assert.equal(now, upTo.get(cursor), `${context}: events and cursor ${cursor} tell the same`);
    return now;
  };

  let done = 0, resumed = 0;
  for (let kill = 1; kill <= size.kills; kill++) {
    rate = (size.frames - at) / (size.kills - kill + 1 + SPARE) / SECONDS_A_KILL;
    await using child = startCli(done === 0 ? run : resume, { cwd: folder.path });
    // Most are killed while they are at work, some while they start.
    if (random() < 0.85) await child.stderr.waitFor("Connected to");
    const { signal } = await child.killWithin(300, random);
    assert.equal(signal, "SIGKILL", child.stderr.lines.join("\n"));
    const now = await check(`BSKYINGEST_SEED=${start}, kill ${kill}`, done);
    assert(now >= done && now < all.length, `${now} of ${all.length} events after kill ${kill}`);
    if (now > done && done > 0) resumed++;
    done = now;
  }
  assert(resumed > size.kills / 4, `only ${resumed} runs went on where another had been killed`);
  rate = 0;
  const { written } = await summaryOf(folder.path, [...resume, "--until", String(size.frames)]);
  assert.equal(written, all.length - done);
  assert.equal(await check("at the end", 0), all.length);
}

Deno.test(`F34: kill -9 at ${SQLITE.kills} random moments of a firehose into SQLite: every event once`, async () => {
  await killAndFinish("firehose into SQLite", SQLITE, [], {
    expected: (frames) => expectedOf(frames).json,
    look: (folder, key, known) =>
      fileExists(dbIn(folder)) ? { cursor: cursorsIn(folder)[key], events: eventsIn(folder).slice(known) } : NOTHING,
  });
});

/** As `namesIn`, without the first so many. */
async function namesBehind(redis: RedisServer, known: number): Promise<string[]> {
  const more = await redis.command("XLEN", "firehose_live") - known;
  const found: [string, [string, string]][] = more === 0
    ? []
    : await redis.command("XREVRANGE", "firehose_live", "+", "-", "COUNT", String(more));
  return found.reverse().map(([, [, value]]) => nameOfEntry(value));
}

const NOTHING: Stored = { cursor: undefined, events: [] };

serviceTest(
  `R16: kill -9 at ${REDIS.kills} random moments of a firehose of ${REDIS.frames} frames into Redis: every event once`,
  ["redis"],
  async () => {
    await using redis = await startRedis();
    await killAndFinish(
      "firehose into Redis",
      REDIS,
      ["--sink", "redis", "--redis-url", redis.url, "--high-water-mark", "0"],
      {
        expected: (frames) => expectedOf(frames).names,
        look: async (_, key, known) => ({
          cursor: await redis.command("GET", key) ?? undefined,
          events: await namesBehind(redis, known),
        }),
      },
    );
  },
);
