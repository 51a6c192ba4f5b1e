/**
 * One cell of the matrix while it runs: a Jetstream server in this process, a place to write to, and the runs between them.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Summary } from "../../cli/report.ts";
import { type SimulateServer, startSimulate } from "../../lib/simulate/server.ts";
import { type Ended, fileExists } from "../support/program.ts";
import { countOf, jetstreamLines, numbers, numbersIn, WHERE } from "./events.ts";
import { assertSettled, type Figures } from "./figures.ts";
import { type Process, type Running, startHere, startProcess } from "./program.ts";
import type { SinkPlace, SinkSpec } from "./sinks.ts";

/** What a cell works with. */
export interface World extends AsyncDisposable {
  readonly folder: string;
  /** What the server sends: the numbers from 1 to this one. */
  readonly last: number;
  readonly spec: SinkSpec;
  readonly place: SinkPlace;
  readonly server: SimulateServer;
  /** Begins a run, in this process unless the sink is one that cannot. */
  start(...more: string[]): Running;
  /** Begins a run in a process of its own. */
  spawn(...more: string[]): Process;
  /** What all runs so far have left in the sink. */
  read(): Promise<number[]>;
}

/** How a world is made. */
export interface WorldOptions {
  readonly last: number;
  /** Events a second of the `n`-th connection, from 1 on; 0, the default: as fast as they are read. */
  readonly rate?: (n: number) => number;
  /** Where the place to write to is made. Default: the world's folder. */
  readonly placeFolder?: string;
}

/** Makes one in a folder. */
export async function makeWorld(
  spec: SinkSpec,
  folder: string,
  { last, rate, placeFolder = folder }: WorldOptions,
): Promise<World> {
  await using resources = new AsyncDisposableStack();
  const server = resources.use(
    await startSimulate({
      events: jetstreamLines(last),
      // Who has no position is given everything.
      onRequest: ({ n, url }) => ({ rate: rate?.(n) ?? 0, ...(!url.searchParams.has("cursor") && { startAt: 1 }) }),
    }),
  );
  const place = await spec.open(placeFolder, resources);
  const printed: string[] = [];
  const argsOf = (more: readonly string[]) => [
    ...["jetstream", "--url", server.jetstreamV2, "-c", "all", "--where", WHERE, "--max-dead-ratio", "1"],
    ...["--batch-size", "20", "--batch-timeout", "20ms", "--checkpoint-interval", "20ms"],
    ...["--dead-letter", `${folder}/dead.ndjson`, "--json", ...place.args, ...place.state ?? [], ...more],
  ];
  const spawn: World["spawn"] = (...more) => {
    const process = startProcess(argsOf(more), folder);
    process.ended.then(({ stdout }) => void printed.push(...stdout));
    return process;
  };
  const owned = resources.move();
  return {
    folder,
    last,
    spec,
    place,
    server,
    spawn,
    start: (...more) => spec.into === "pipe" ? spawn(...more) : startHere(argsOf(more), folder),
    read: () => place.read?.() ?? Promise.resolve(numbersIn(printed)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The option that ends a run with the last number. */
export const untilLast = ({ last }: Pick<World, "last">): string[] => ["-n", String(countOf(last, "written"))];

/** The summary of a run with `--json`, wherever its sink left room for it. */
export function summaryIn(end: Ended): Summary {
  const summary = findSummary(end);
  assert(summary !== undefined, `There is no summary: exit ${end.code}, ${end.stderr.slice(-5).join("\n")}`);
  return summary;
}

/** The same; a fault of the user's ends a run before there is anything to tell. */
export function findSummary({ code, stdout, stderr }: Ended): Summary | undefined {
  const line = [...stdout, ...stderr].findLast((text) => text.startsWith('{"command"'));
  if (line === undefined) return undefined;
  const summary: Summary = JSON.parse(line);
  assert.equal(summary.exit, code);
  return summary;
}

/** What is in the dead letter, each once: a crash between it and the position repeats some. */
export function deadIn({ folder }: Pick<World, "folder">): Set<string> {
  try {
    const lines = Deno.readTextFileSync(`${folder}/dead.ndjson`).trimEnd().split("\n");
    const entries = lines.map((line) => JSON.parse(line));
    return new Set(entries.map(({ sha256, event, row }) => [sha256, event, row].join()));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Set();
    throw error;
  }
}

/** Waits until a run has brought everything where it belongs, and stops it. */
export async function stopWhenComplete(world: World, run: Running): Promise<Ended> {
  const due = countOf(world.last, "written"), end = Date.now() + 60_000;
  while (!run.over && (await reached(world, run)) < due) {
    assert(Date.now() < end, `Waited a minute for the last event: ${run.stderr.slice(-5).join("\n")}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  run.stop();
  return await run.ended;
}

/** How many different numbers have reached the sink, also by a run that goes on; of a sink that forgets, what the position tells. */
async function reached({ place, spec, read }: World, run: Running): Promise<number> {
  if (spec.into === "nothing") return countOf(savedIn(place.position as string), "written");
  const found = await read();
  return new Set(spec.into === "pipe" ? [...found, ...numbersIn(run.stdout)] : found).size;
}

/** The number of the position in a state file. */
function savedIn(file: string): number {
  const text = fileExists(file) ? Deno.readTextFileSync(file) : "{}";
  return JSON.parse(text).cursor?.seq ?? 0;
}

/** Everything is where it belongs after the last run, `end`, which came to its end by itself or was told to. */
export async function assertComplete(
  world: World,
  end: Ended,
  { copies = 0, said = end.stderr }: { readonly copies?: number; readonly said?: readonly string[] } = {},
): Promise<Figures> {
  const { last, place, spec } = world;
  const summary = summaryIn(end);
  assertSettled(summary);
  const found = spec.into === "pipe" || place.read ? await world.read() : undefined;
  if (found) {
    const once = [...new Set(found)].sort((a, b) => a - b);
    assert.deepEqual(once, numbers(last, "written"), "every number that is to be written, and no other");
    assert(found.length - once.length <= (spec.exact ? 0 : copies), `${found.length - once.length} copies`);
  }
  assert.equal(deadIn(world).size, countOf(last, "dead"));
  const position = positionOf(summary);
  assert.equal(position, last);
  return {
    sent: last,
    written: found?.length,
    dead: deadIn(world).size,
    filtered: countOf(last, "filtered"),
    duplicate: summary.duplicates + (found ? found.length - new Set(found).size : 0),
    position,
    exit: end.code,
    said,
  };
}

/** The number of a position. */
export function positionOf({ cursor }: Pick<Summary, "cursor">): number | undefined {
  return (cursor as { readonly seq?: number } | null)?.seq;
}
