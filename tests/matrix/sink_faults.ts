/**
 * What goes wrong with sinks while a run writes to them; the run outlives it, or says why not.
 *
 * @module
 */
import assert from "node:assert/strict";
import { captureLog, type LogRecords } from "../support/log_records.ts";
import { type Ended, fileExists, until } from "../support/program.ts";
import { CAN_MOUNT, onSmallDisk } from "../support/small_disk.ts";
import { inFolder } from "../support/temp.ts";
import { takeClock } from "./clock.ts";
import type { Figures } from "./figures.ts";
import { startLocker } from "./locker.ts";
import type { Running } from "./program.ts";
import type { SinkSpec } from "./sinks.ts";
import { assertComplete, makeWorld, positionOf, stopWhenComplete, summaryIn, untilLast, type World } from "./world.ts";

/** A fault of the matrix. */
export interface SinkFault {
  readonly name: string;
  /** Why it cannot happen to a sink; undefined: it can. */
  never(spec: SinkSpec): string | undefined;
  /** Lets it happen; answers what was counted. */
  run(spec: SinkSpec): Promise<Figures>;
}

/** Numbers of a cell, and how many come a second, so that there is a middle. */
const LAST = 200, RATE = 500;
const HOURS = 3_600_000;
/** Requests whose answers a fault can swallow, each with one event: the receiver has them although the sink cannot know. */
const UNDER_WAY = 16;

/** A run into a sink in the middle of which something happens; it ends by itself, with everything in its place. */
function outlived(
  name: string,
  never: SinkFault["never"],
  work: (world: World, log: LogRecords) => Promise<Ended & { readonly other?: Ended }>,
  within: (work: (folder: string) => Promise<Figures>) => Promise<Figures> = inFolder,
): SinkFault {
  return {
    name,
    never,
    async run(spec) {
      return await within(async (folder) => {
        await using world = await makeWorld(spec, folder, { last: LAST, rate: () => RATE });
        await using log = await captureLog();
        const end = await work(world, log);
        const said = [...log.lines, ...end.stderr, ...end.other?.stderr ?? []];
        return await assertComplete(world, end, { copies: UNDER_WAY, said });
      });
    },
  };
}

/** Waits until a run has read half of what there is. */
async function halfway({ server, last }: World, run: Running): Promise<void> {
  await until(() => server.counters.events >= last / 2 || run.over, "half of the events");
}

/** Waits until a run says that something is wrong. */
async function noticed(log: LogRecords, run: Running): Promise<void> {
  const complaints = () => [...log.lines, ...run.stderr].filter((line) => /^(\S+Z )?(warning|error)/.test(line)).length;
  const before = complaints();
  await until(() => complaints() > before || run.over, "a warning");
  assert(!run.over, run.stderr.slice(-5).join("\n"));
}

/** Runs to the end while something is wrong from the middle on, until the run has said so. */
async function whileWrong(
  world: World,
  log: LogRecords,
  begin: () => void,
  end: () => void | Promise<void>,
): Promise<Ended> {
  await using run = world.start(...untilLast(world));
  await halfway(world, run);
  begin();
  try {
    await noticed(log, run);
  } finally {
    await end();
  }
  return await run.ended;
}

const network: SinkFault["never"] = ({ into }) => into === "network" ? undefined : "it writes to no server";

const SERVER_FAULTS: readonly SinkFault[] = [
  outlived("server down at the start", network, async (world, log) => {
    const { proxy } = world.place;
    proxy!.refuse();
    await using run = world.start(...untilLast(world));
    await noticed(log, run);
    await proxy!.accept();
    return await run.ended;
  }),
  outlived("server down in the middle", network, (world, log) => {
    const { proxy } = world.place;
    const begin = () => {
      proxy!.refuse();
      proxy!.resetAll();
    };
    return whileWrong(world, log, begin, () => proxy!.accept());
  }),
  outlived("slow server", network, async (world) => {
    world.place.proxy!.bytesPerSecond = world.spec.slowBytes!;
    await using run = world.start(...untilLast(world), "--max-in-flight", "40");
    return await run.ended;
  }),
  outlived("server accepts and never answers", network, (world, log) => {
    const { proxy } = world.place;
    return whileWrong(world, log, () => proxy!.stall(), () => proxy!.resume());
  }),
  outlived("server resets in the middle of an answer", network, (world, log) => {
    const { proxy } = world.place;
    const begin = () => {
      proxy!.cutAfter = 1;
      proxy!.resetAll();
    };
    return whileWrong(world, log, begin, () => void (proxy!.cutAfter = Infinity));
  }),
];

/** The file of a sink that is a SQLite database. */
const isDatabase = ({ files, into }: SinkSpec) => files === "events" && into !== "file";

const FILE_FAULTS: readonly SinkFault[] = [
  outlived(
    "file locked by another program",
    ({ files }) => files === "events" ? undefined : "it has no file of events",
    async (world) => {
      const { place, spec } = world;
      if (!isDatabase(spec)) return await lockedAtStart(world);
      await using other = await startLocker(place.file!, 700);
      await using run = world.start(...untilLast(world));
      await halfway(world, run);
      await other.lock();
      assert(!run.over, "it was locked in the middle");
      return await run.ended;
    },
  ),
  outlived(
    "disk full",
    () => CAN_MOUNT ? undefined : "mounting a small file system is not allowed here",
    (world, log) => {
      const ballast = `${world.folder}/ballast`;
      return whileWrong(world, log, () => fillDisk(ballast), () => Deno.remove(ballast));
    },
    (fn) => onSmallDisk(4, fn),
  ),
];

/** Whoever appends to a file has it for itself from the start. */
async function lockedAtStart(world: World): Promise<Ended & { readonly other: Ended }> {
  let other: Ended;
  {
    using file = await Deno.open(world.place.file!, { create: true, append: true });
    file.lockSync(true);
    await using run = world.start();
    other = await run.ended;
    assert.equal(other.code, 75);
  }
  await using run = world.start(...untilLast(world));
  return { ...await run.ended, other };
}

/** Leaves not a byte. */
function fillDisk(ballast: string): void {
  using file = Deno.openSync(ballast, { create: true, write: true });
  for (let size = 2 ** 20; size >= 1;) {
    try {
      file.writeSync(new Uint8Array(size));
    } catch {
      size = Math.floor(size / 2);
    }
  }
}

const STATE_FAULTS: readonly SinkFault[] = [
  outlived("second instance", () => undefined, async (world) => {
    await using first = world.start();
    await halfway(world, first);
    await using second = world.start();
    const other = await second.ended;
    assert.equal(other.code, 75);
    return { ...await stopWhenComplete(world, first), other };
  }),
  spoiled("position cut short", (position) => {
    if (typeof position !== "string") return undefined;
    return () => Deno.truncate(position, Math.floor(Deno.statSync(position).size / 2));
  }, ({ files }) => files === "none" ? "its server keeps the position" : undefined),
  spoiled("position is garbage", (position) => {
    if (typeof position !== "string") return position;
    return () => Deno.writeFile(position, new Uint8Array(Deno.statSync(position).size).fill(0x21));
  }, () => undefined),
];

/** A position that cannot be read is never "from now on": the run ends with 2, and leaves it as it is. */
function spoiled(
  name: string,
  by: (position: World["place"]["position"]) => (() => Promise<unknown>) | undefined,
  never: SinkFault["never"],
): SinkFault {
  return {
    name,
    never,
    async run(spec) {
      return await inFolder(async (folder) => {
        await using world = await makeWorld(spec, folder, { last: LAST });
        const { position } = world.place;
        await using first = world.start("-n", "60");
        const { received, written, dead_lettered, filtered, duplicates, ...summary } = summaryIn(await first.ended);
        const before = await world.read();
        await by(position)!();
        const bytes = () => typeof position === "string" ? Deno.readFileSync(position) : undefined;
        const spoiled = bytes(), asked = world.server.counters.requests;
        await using second = world.start();
        const { code, stderr } = await second.ended;
        assert.equal(code, 2, stderr.join("\n"));
        assert.equal(world.server.counters.requests, asked, "nothing was asked for");
        assert.deepEqual(bytes(), spoiled, "it is as it was");
        if (spec.into === "network" && world.place.read) assert.deepEqual(await world.read(), before);
        assert.equal(received, written + dead_lettered + filtered + duplicates);
        return {
          sent: received,
          written,
          dead: dead_lettered,
          filtered,
          duplicate: duplicates,
          position: positionOf(summary),
          exit: code,
          said: stderr,
        };
      });
    },
  };
}

const here: SinkFault["never"] = ({ into }) => into === "pipe" ? "its runs have a clock of their own here" : undefined;

const CLOCK_FAULTS: readonly SinkFault[] = [["forwards", 6 * HOURS], ["backwards", -6 * HOURS]].map(([way, ms]) =>
  outlived(`clock jumps ${way}`, here, async (world) => {
    using clock = takeClock();
    await using run = world.start(...untilLast(world));
    await halfway(world, run);
    clock.jump(ms as number);
    return await run.ended;
  })
);

const MISSING: SinkFault = {
  name: "folder missing",
  never: ({ into, makesFolder }) =>
    makesFolder ? "it makes the folder" : into === "network" ? "it makes no file of events" : undefined,
  async run(spec) {
    let said: readonly string[] = [];
    await inFolder(async (folder) => {
      await using world = await makeWorld(spec, folder, { last: LAST, placeFolder: `${folder}/missing` });
      await using run = world.start(...untilLast(world));
      const { code, stderr } = await run.ended;
      said = stderr;
      assert.equal(code, 2, stderr.join("\n"));
      assert.equal(world.server.counters.requests, 0, "nothing was asked for");
      assert(!fileExists(`${folder}/missing`));
    });
    return { sent: 0, written: 0, dead: 0, filtered: 0, duplicate: 0, position: undefined, exit: 2, said };
  },
};

/** All of them, but for those that end the process. */
export const SINK_FAULTS: readonly SinkFault[] = [
  MISSING,
  ...SERVER_FAULTS,
  ...FILE_FAULTS,
  ...STATE_FAULTS,
  ...CLOCK_FAULTS,
];
