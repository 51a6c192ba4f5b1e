/**
 * What happens to a process that writes to a sink: it is killed, or told to end, also when it cannot.
 *
 * @module
 */
import assert from "node:assert/strict";
import { until } from "../support/program.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { inFolder } from "../support/temp.ts";
import { numbers } from "./events.ts";
import type { Figures } from "./figures.ts";
import { startLocker } from "./locker.ts";
import type { Process } from "./program.ts";
import type { SinkFault } from "./sink_faults.ts";
import type { SinkSpec } from "./sinks.ts";
import { assertComplete, makeWorld, positionOf, stopWhenComplete, summaryIn, type World } from "./world.ts";

/** Numbers of a cell, how many come a second, and how often it is killed. */
const LAST = 600, RATE = 600, KILLS = 3;
/** So slowly that what is stuck is stuck long before the last event. */
const STUCK_RATE = 60;
/** A process is killed within so many milliseconds after it has read something. */
const WITHIN_MS = 150;
/** What a sink that cannot tell may hold twice for each kill: what was read in one interval between saves, requests under way. */
const COPIES = 120;

/** A cell that has the world for itself. */
async function inWorld(
  spec: SinkSpec,
  rate: (connection: number) => number,
  work: (world: World) => Promise<Figures>,
): Promise<Figures> {
  return await inFolder(async (folder) => {
    await using world = await makeWorld(spec, folder, { last: LAST, rate });
    return await work(world);
  });
}

/** Waits until a process reads something that no other has read. */
async function reading({ server }: World, process: Process): Promise<void> {
  const before = server.counters.events;
  await until(() => server.counters.events > before || process.over, "something to be read");
}

/** Lets a last run bring everything to its end. */
async function finished(world: World, copies: number, before: readonly string[] = []): Promise<Figures> {
  await using last = world.spawn();
  const end = await stopWhenComplete(world, last);
  return await assertComplete(world, end, { copies, said: [...before, ...end.stderr] });
}

const killed: SinkFault = {
  name: "kill -9 at random moments",
  never: () => undefined,
  run: (spec) =>
    inWorld(spec, () => RATE, async (world) => {
      const random = randomFrom(startNumber("kill -9 in the matrix"));
      for (let kill = 0; kill < KILLS; kill++) {
        await using process = world.spawn();
        await reading(world, process);
        const timer = setTimeout(() => process.kill("SIGKILL"), random() * WITHIN_MS);
        assert.equal((await process.ended).code, 128 + 9);
        clearTimeout(timer);
      }
      return await finished(world, KILLS * COPIES);
    }),
};

/** One signal in the middle of the work: the run drains, and the next one goes on behind it. */
const signalled = (signal: "SIGTERM" | "SIGINT"): SinkFault => ({
  name: `${signal} under load`,
  never: () => undefined,
  run: (spec) =>
    inWorld(spec, (connection) => connection === 1 ? RATE : 0, async (world) => {
      await using process = world.spawn();
      await reading(world, process);
      await until(() => world.server.counters.events > LAST / 10, "some more");
      process.kill(signal);
      const end = await process.ended;
      assert.equal(end.code, 0, end.stderr.join("\n"));
      const summary = summaryIn(end), position = positionOf(summary)!;
      assert.deepEqual([summary.ended_by, summary.unsettled], ["signal", 0]);
      const found = new Set(await world.read());
      const safe = numbers(position, "written");
      // What waits in the queue of a sink that delivers goes out first the next time.
      if (spec.into !== "nothing" && spec.into !== "network") assert.deepEqual([...found].sort((a, b) => a - b), safe);
      return await finished(world, 0, end.stderr);
    }),
});

/** What can keep a sink from getting on. */
interface Obstacle extends AsyncDisposable {
  /** From now on, until it is disposed of. */
  begin(): Promise<void>;
}

async function obstacleTo({ place, spec }: World): Promise<Obstacle> {
  if (spec.into === "network") {
    const { proxy } = place;
    return {
      begin: () => Promise.resolve(proxy!.stall()),
      [Symbol.asyncDispose]: () => Promise.resolve(proxy!.resume()),
    };
  }
  const other = await startLocker(place.file!, 60_000);
  return { begin: () => other.lock(), [Symbol.asyncDispose]: () => other[Symbol.asyncDispose]() };
}

const canStick: SinkFault["never"] = ({ into }) =>
  into === "nothing"
    ? "it never waits"
    : into === "file"
    ? "a disk that hangs cannot be made here"
    : into === "pipe"
    ? "tests/e2e/signals_test.ts has it: a pipe that nobody reads"
    : undefined;

/** A run that cannot get on is told to end: once, and it gives up after a while; twice, and it is gone. */
const stuck = (times: "once" | "twice"): SinkFault => ({
  name: `SIGTERM ${times} with a stuck sink`,
  never: canStick,
  run: (spec) =>
    inWorld(spec, (connection) => connection === 1 ? STUCK_RATE : 0, async (world) => {
      let said: readonly string[];
      {
        await using obstacle = await obstacleTo(world);
        await using process = world.spawn("--shutdown-timeout", "1s", "--max-in-flight", "40");
        await reading(world, process);
        await obstacle.begin();
        const before = (await world.read()).length;
        const started = Date.now();
        process.kill("SIGTERM");
        if (times === "twice") {
          // Two signals of a kind that are pending together arrive as one.
          await new Promise((resolve) => setTimeout(resolve, 200));
          process.kill("SIGTERM");
        }
        const { code, stderr } = await process.ended;
        said = stderr;
        // What is delivered from a queue on the disk is safe there.
        const queued = spec.files === "events" && spec.into === "network" ? [0] : [];
        const allowed = [times === "twice" ? 128 + 15 : 1, ...queued];
        assert(allowed.includes(code), `${code}: ${stderr.slice(-5).join("\n")}`);
        assert(Date.now() - started < 10_000, "it took too long");
        assert((await world.read()).length >= before);
      }
      return await finished(world, COPIES, said);
    }),
});

/** All of them. */
export const PROCESS_FAULTS: readonly SinkFault[] = [
  killed,
  signalled("SIGTERM"),
  signalled("SIGINT"),
  stuck("once"),
  stuck("twice"),
];
