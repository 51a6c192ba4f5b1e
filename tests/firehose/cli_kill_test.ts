import assert from "node:assert/strict";
import { startSimulate } from "../../lib/simulate/server.ts";
import { startCli } from "../support/child.ts";
import { fileExists, summaryOf } from "../support/program.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { startRedis } from "../support/redis.ts";
import { serviceTest } from "../support/services.ts";
import { cursorsIn, dbIn, eventsIn, expectedOf, namesIn, simulatedFrames } from "../support/stream_run.ts";
import { tempFolder } from "../support/temp.ts";

/** So many in each test; another number by hand. */
const KILLS = Number(Deno.env.get("BSKYINGEST_KILLS") ?? 20);
/** Frames of a run, and how many a second come as long as it is killed: about 150 ms of work between two kills. */
const FRAMES = 600 * KILLS, RATE = 2500;
/** Small writes, so that a run that lives for a moment gets somewhere. */
const OFTEN = ["--batch-size", "100", "--batch-timeout", "20ms"];

/** What a run has stored. */
interface Stored {
  readonly cursor: string | undefined;
  /** In their order. */
  readonly events: readonly string[];
}

/** Kills runs again and again, looks at what they leave each time, and lets the last one go to the end. */
async function killAndFinish(
  name: string,
  args: readonly string[],
  { expected, look }: {
    readonly expected: (frames: readonly Uint8Array[]) => readonly string[];
    readonly look: (folder: string, key: string) => Promise<Stored> | Stored;
  },
): Promise<void> {
  const start = startNumber(name);
  const random = randomFrom(start);
  using folder = tempFolder();
  const frames = await simulatedFrames(FRAMES);
  const all = expected(frames);
  /** How many events the first so many frames have. */
  const upTo = new Map<string, number>();
  let rate = RATE;
  await using server = await startSimulate({ frames, onRequest: () => ({ rate }) });
  const run = ["firehose", "--relay-hosts", server.relay, "--cursor", "oldest", ...OFTEN, ...args];
  const resume = run.filter((arg) => arg !== "--cursor" && arg !== "oldest");
  const key = `firehose_live:cursor:${new URL(server.relay).host}`;
  const check = async (context: string): Promise<number> => {
    const { cursor, events } = await look(folder.path, key);
    assert.deepEqual(events, all.slice(0, events.length), `${context}: nothing is missing, doubled or out of order`);
    if (cursor === undefined) assert.equal(events.length, 0, context);
    else assert.equal(events.length, upTo.get(cursor), `${context}: events and cursor ${cursor} tell the same`);
    return events.length;
  };
  let seen = 0;
  for (const [i, frame] of frames.entries()) upTo.set(String(i + 1), seen += expected([frame]).length);
  assert.equal(seen, all.length);

  let done = 0, resumed = 0;
  for (let kill = 1; kill <= KILLS; kill++) {
    await using child = startCli(done === 0 ? run : resume, { cwd: folder.path });
    // Most are killed while they are at work, some while they start.
    if (random() < 0.85) await child.stderr.waitFor("Connected to");
    const { signal } = await child.killWithin(300, random);
    assert.equal(signal, "SIGKILL", child.stderr.lines.join("\n"));
    const now = await check(`BSKYINGEST_SEED=${start}, kill ${kill}`);
    assert(now >= done && now < all.length, `${now} of ${all.length} events after kill ${kill}`);
    if (now > done && done > 0) resumed++;
    done = now;
  }
  assert(resumed > KILLS / 4, `only ${resumed} runs went on where another had been killed`);
  rate = 0;
  const { written } = await summaryOf(folder.path, [...resume, "--until", String(FRAMES)]);
  assert.equal(written, all.length - done);
  assert.equal(await check("at the end"), all.length);
}

Deno.test(`F34: kill -9 at ${KILLS} random moments of a firehose into SQLite: every event once`, async () => {
  await killAndFinish("firehose into SQLite", [], {
    expected: (frames) => expectedOf(frames).json,
    look: (folder, key) =>
      fileExists(dbIn(folder)) ? { cursor: cursorsIn(folder)[key], events: eventsIn(folder) } : NOTHING,
  });
});

const NOTHING: Stored = { cursor: undefined, events: [] };

serviceTest(
  `R16: kill -9 at ${KILLS} random moments of a firehose into Redis: every event once`,
  ["redis"],
  async () => {
    await using redis = await startRedis();
    await killAndFinish(
      "firehose into Redis",
      ["--sink", "redis", "--redis-url", redis.url, "--high-water-mark", "0"],
      {
        expected: (frames) => expectedOf(frames).names,
        look: async (_, key) => ({
          cursor: await redis.command("GET", key) ?? undefined,
          events: await namesIn(redis),
        }),
      },
    );
  },
);
