/**
 * Where a capture begins: a run that was killed is continued, one that came to its end is not.
 */
import assert from "node:assert/strict";
import type { ServerKind } from "../../lib/simulate/server.ts";
import { captureOf, positionIn, queueIn, recordsIn, rowSizes, watched } from "../support/capture.ts";
import { startCli } from "../support/child.ts";
import { askedFor, assertCalm, ended, fileExists, rowsIn, run, serve, until } from "../support/program.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { type RedisServer, sharedRedis } from "../support/redis.ts";
import { serviceTest } from "../support/services.ts";
import { EPOCH_US, readBack } from "../support/sqlite.ts";
import { tempFolder } from "../support/temp.ts";

const redis = sharedRedis();
const KILLS = 30;

/** The numbers of made-up events, by their times. */
const numbersOf = (times: readonly (string | number)[]): number[] => times.map((us) => (Number(us) - EPOCH_US) / 500);

/** What one kind of sink leaves in the folder of a run. */
interface Kept {
  readonly args: readonly string[];
  /** The numbers of the events that are there. */
  events(): Promise<number[]>;
  state(): Promise<string>;
  /** After kill -9 the newest events may come again. */
  readonly repeats?: true;
}

const SINKS: Readonly<Record<"queue" | "sqlite" | "ndjson", (folder: string) => Kept>> = {
  queue: (folder) => ({
    args: [],
    events: () => Promise.resolve(numbersOf(recordsIn(queueIn(folder)).map(({ time_us }) => time_us))),
    state: () => Promise.resolve(positionIn(queueIn(folder)).state),
  }),
  sqlite: (folder) => ({
    args: ["--sink", "sqlite"],
    events() {
      const file = `${folder}/bskyingest.db`;
      const rows = rowsIn(file) === 0 ? [] : readBack(file, "SELECT time_us FROM events ORDER BY position");
      return Promise.resolve(numbersOf(rows.map(({ time_us }) => time_us as number)));
    },
    state: () => Promise.resolve(positionIn(`${folder}/bskyingest.db`).state),
  }),
  ndjson: (folder) => ({
    args: ["--sink", "ndjson", "--checkpoint-interval", "10ms"],
    events() {
      const file = `${folder}/bskyingest.ndjson`;
      const lines = fileExists(file) ? Deno.readTextFileSync(file).split("\n").slice(0, -1) : [];
      return Promise.resolve(numbersOf(lines.map((line) => JSON.parse(line).time_us)));
    },
    repeats: true,
    state: async () => (await savedIn(`${folder}/.local/state/bskyingest/connector-ndjson.json`)).state ?? "running",
  }),
};

const savedIn = async (file: string) => JSON.parse(await Deno.readTextFile(file));

/** Ends a run, begins others, kills one, and looks each time at what the server was asked for. */
async function assertStates(folder: string, kind: ServerKind, { args, events, state, repeats }: Kept): Promise<void> {
  await using net = await watched({ kind, epoch: EPOCH_US, rate: 2000 });
  const source = ["connector", "--url", net.server.jetstream, "-c", "all", "--count", "all", "--json", ...args];
  const command = [...source, "--batch-size", "10"];
  const capture = async (...more: string[]) => {
    const end = await run(folder, [...command, "-n", "25", ...more]);
    captureOf(end);
    return end.stderr.find((line) => line.includes(" run: "))!.replace(/^.*?\), /, "");
  };
  assert.match(await capture("--resume"), /^live: --resume finds no saved position/);
  assert.deepEqual([(await events()).length, await state()], [25, "done"]);
  assert.match(await capture(), /^live: the last run came to its end, --resume goes on from there/);
  const last = (await events()).at(-1)!;
  assert.match(await capture("--resume"), /^resuming after 2026-01-01T/);
  // A legacy server is asked by time, and may so give what it sent before the second run began to listen.
  if (kind === "new") assert.equal((await events())[50], last + 1);
  {
    await using child = startCli([...command, "--resume", "-n", "1000000"], { cwd: folder });
    const before = (await events()).length;
    // What keeps no position itself may have events before the position of this run is saved for the first time.
    while ((await events()).length < before + 30 || await state() !== "running") {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill("SIGKILL");
    await child.status;
  }
  assert.equal(await state(), "running");
  assert.match(await capture(), /^continuing the last run, which was killed: resuming after 2026-01-01T/);
  assert.equal(await state(), "done");
  const since = (await events()).slice(kind === "new" ? 25 : 0);
  assert.equal(new Set(since).size, Math.max(...since) - Math.min(...since) + 1, "nothing is missing");
  // An NDJSON file may be ahead of the position that is saved beside it.
  if (!repeats) assert.equal(since.length, new Set(since).size, "nothing comes twice");
  assert.match(await capture("--no-rewind"), /^live, by --no-rewind/);
  assert.match(await capture("--cursor", String(EPOCH_US)), /^beginning where it is told to/);
  assert.deepEqual(net.asked.map((query) => query.has("cursor")), [false, false, true, true, true, false, true]);
}

for (const [sink, kept] of Object.entries(SINKS)) {
  Deno.test(`C14: a run that came to its end is continued by --resume alone, one that was killed by any; ${sink}`, async () => {
    using folder = tempFolder();
    await assertStates(folder.path, "new", kept(folder.path));
  });
}

Deno.test("C14: the same from a legacy server, whose events have no numbers", async () => {
  using folder = tempFolder();
  await assertStates(folder.path, "legacy", SINKS.queue(folder.path));
});

serviceTest("C14: the same; redis, where the text of the position says it", ["redis"], async () => {
  using folder = tempFolder();
  await assertStates(folder.path, "new", inRedis(redis()));
});

function inRedis(server: RedisServer): Kept {
  const entries = async () => (await server.entries("jetstream_live")).map(({ value }) => JSON.parse(value));
  return {
    args: ["--sink", "redis", "--redis-url", server.url],
    events: async () => (await entries()).map(({ seq }) => seq),
    state: async () =>
      JSON.parse(String(await server.command("GET", "jetstream_live:cursor:connector"))).state ?? "running",
  };
}

Deno.test(`C13: kill -9 at ${KILLS} random moments, the same command again: every event once`, async () => {
  const random = randomFrom(startNumber("kill -9 of connector"));
  using folder = tempFolder();
  const total = 60_000;
  const made = ["--epoch", "2026-01-01", "--count", String(total), "--kind", "legacy", "--rate", "20000"];
  await using server = await serve(folder.path, made);
  const file = queueIn(folder.path);
  const args = ["connector", "--url", server.v1, "-c", "all", "--count", "all", "--overlap", "1s"];
  for (let kill = 0; kill < KILLS; kill++) {
    await using child = startCli([...args, "-n", "0"], { cwd: folder.path });
    // A run that is killed before its first write has no position: the next one is live.
    if (kill === 0) await until(() => rowSizes(file).length > 0, "rows");
    else await Promise.race([child.stderr.waitFor(" run: "), child.status]);
    const { signal } = await child.killWithin(500, random);
    assert.equal(signal, "SIGKILL", child.stderr.lines.join("\n"));
    assertCalm({ stderr: child.stderr.lines, stdout: [], code: 137 });
    if (kill > 0) assert(child.stderr.lines.some((line) => line.includes("continuing the last run, which was killed")));
  }
  const left = total - recordsIn(file).length;
  console.log(`${left} of ${total} are left after the last kill`);
  if (left > 0) {
    const last = captureOf(await run(folder.path, [...args, "-n", String(left), "--json"]));
    assert.deepEqual([last.records_stored, last.gaps], [left, 0]);
  }
  const records = recordsIn(file);
  assert.deepEqual(numbersOf(records.map(({ time_us }) => time_us)), Array.from({ length: total }, (_, i) => i + 1));
});

Deno.test("C15: a second capture into the same queue exits 75 and names the first", async () => {
  using folder = tempFolder();
  await using net = await watched({ rate: 500 });
  const args = ["connector", "--url", net.server.jetstream, "-c", "all", "--json"];
  await using first = startCli([...args, "-n", "0"], { cwd: folder.path });
  await first.stderr.waitFor("Connected to");
  const second = await run(folder.path, args);
  assert.equal(second.code, 75);
  assertCalm(second);
  const holder = `connector (pid ${first.pid} on ${Deno.hostname()}) holds it since `;
  assert.equal(second.stderr.filter((line) => line.includes(holder)).length, 1, second.stderr.join("\n"));
  assert.equal(captureOf(await run(folder.path, [...args, "-n", "10", "--queue-name", "other"])).records_counted, 10);
  first.kill();
  assert.equal(captureOf(await ended(first)).ended_by, "signal");
});

Deno.test("a run that was killed is continued by the next one that finds a server, although it finds no event", async () => {
  using folder = tempFolder();
  await using net = await watched({ epoch: EPOCH_US, count: 200, rate: 1000 });
  const args = ["connector", "--url", net.server.jetstream, "-c", "all", "--batch-size", "10"];
  {
    await using child = startCli([...args, "-n", "0"], { cwd: folder.path });
    await until(() => recordsIn(queueIn(folder.path)).length === 200, "all events");
    child.kill("SIGKILL");
    await child.status;
  }
  const { host } = new URL(net.server.url);
  await using refusing = await watched({ refuse: 503 });
  const refused = args.map((arg) => arg.replace(host, new URL(refusing.server.url).host));
  captureOf(await run(folder.path, [...refused, "-t", "1", "--json"]), 1);
  assert.equal(positionIn(queueIn(folder.path)).state, "running");
  const { stderr } = await run(folder.path, [...args, "-t", "5"]);
  assert.deepEqual([askedFor({ stderr }).length, positionIn(queueIn(folder.path)).state], [1, "done"]);
  assert.equal(recordsIn(queueIn(folder.path)).length, 200);
});
