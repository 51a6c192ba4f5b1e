/**
 * The soak: one simulated source, sinks under runs of `jetstream`, and trouble at random moments.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { generatedEvents } from "../../lib/simulate/generator.ts";
import { listGaps } from "../../lib/state/gaps.ts";
import { type Child, startCli } from "../../tests/support/child.ts";
import { type FaultProxy, faultProxy } from "../../tests/support/fault_proxy.ts";
import { fileExists, filesIn, parseSummary, serve, summaryOf } from "../../tests/support/program.ts";
import { randomFrom } from "../../tests/support/random.ts";
import { EPOCH_US } from "../../tests/support/sqlite.ts";
import { tempFolder } from "../../tests/support/temp.ts";
import { type Figures, growthOf, type Watch, watchProcesses } from "./figures.ts";
import { type Lane, sentBy } from "./lane.ts";
import { redisLane } from "./redis_lane.ts";
import { sqliteLane } from "./sqlite_lane.ts";
import type { Tally } from "./tally.ts";

/** How long, how fast, and how often trouble comes: times in milliseconds, on average. */
export interface SoakOptions {
  readonly ms: number;
  /** Events a second into each sink. */
  readonly rate: number;
  readonly disconnectEveryMs: number;
  readonly pauseEveryMs: number;
  readonly pauseMs: number;
  readonly killEveryMs: number;
  /** Where chance starts. */
  readonly seed: number;
  /** Is told once a minute how it goes. */
  readonly say: (text: string) => void;
}

/** What came of one sink. */
export interface LaneReport extends Tally {
  readonly name: string;
  readonly kills: number;
  readonly disconnects: number;
  readonly pauses: number;
  /** Of the longest life of a run. */
  readonly figures: Figures;
  /** What must not be: one line each. */
  readonly faults: readonly string[];
}

/** What came of it all. */
export interface SoakReport {
  readonly seconds: number;
  readonly lanes: readonly LaneReport[];
  /** Of the simulated source, which lives all the time. */
  readonly source: Figures;
}

/** A sink with what happens to it. */
interface Soaked {
  readonly lane: Lane;
  readonly proxy: FaultProxy;
  readonly args: readonly string[];
  child: Child;
  kills: number;
  disconnects: number;
  pauses: number;
}

/** With a fixed time for each event, what the source sends can be made again. */
const EPOCH = new Date(EPOCH_US / 1000).toISOString();

/** Runs the soak to its end. @throws {Error} Where a run ends by itself. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { rate, seed } = options;
  await using stack = new AsyncDisposableStack();
  const home = stack.use(tempFolder()).path;
  const folder = (name: string) => {
    Deno.mkdirSync(`${home}/${name}`);
    return `${home}/${name}`;
  };
  const server = stack.use(await serve(folder("source"), ["--rate", `${rate}`, "--epoch", EPOCH]));
  const watch = stack.use(watchProcesses());
  watch.follow("source", server.child.pid);
  const sent = sentBy(generatedEvents({ epoch: EPOCH_US }));
  const lanes = [sqliteLane(folder("sqlite"), sent), stack.use(await redisLane(folder("redis"), sent))];
  const soaked: Soaked[] = [];
  for (const lane of lanes) {
    const proxy = stack.use(await faultProxy({ port: Number(new URL(server.v1).port) }));
    soaked.push(await begin(lane, proxy, server[lane.wire], watch));
  }
  stack.defer(async () => void await Promise.all(soaked.map(({ child }) => child[Symbol.asyncDispose]())));

  const begun = performance.now();
  await trouble(soaked, options, randomFrom(seed), watch);
  const reports: LaneReport[] = [];
  for (const each of soaked) reports.push(await finish(each, watch));
  return { seconds: Math.round((performance.now() - begun) / 1000), lanes: reports, source: watch.figuresOf("source") };
}

/** Starts a run at the first event. */
async function begin(lane: Lane, proxy: FaultProxy, url: string, watch: Watch): Promise<Soaked> {
  const direct = new URL(url);
  direct.port = `${proxy.port}`;
  const args = ["jetstream", "--url", direct.href, "-c", "all", ...lane.args];
  // A run that is killed before its first write has no position: from then on it would be live.
  await summaryOf(lane.folder, [...args, "--cursor", "1", "-n", "1"]);
  const soaked = { lane, proxy, args, child: start(lane, args), kills: 0, disconnects: 0, pauses: 0 };
  watch.follow(lane.name, soaked.child.pid);
  return soaked;
}

const start = ({ folder }: Lane, args: readonly string[]): Child => startCli([...args, "--json"], { cwd: folder });

/** Disconnects, pauses, kills and checks until the time is over. */
async function trouble(soaked: readonly Soaked[], options: SoakOptions, random: () => number, watch: Watch) {
  const { ms, say, disconnectEveryMs, pauseEveryMs, pauseMs, killEveryMs } = options;
  const over = new AbortController();
  const begun = performance.now();
  const timer = setTimeout(() => over.abort(), ms);
  /** Does something to a sink now and then. */
  const often = async (everyMs: number, act: () => Promise<void>) => {
    while (await waited(everyMs * (0.8 + 0.4 * random()), over.signal)) await act();
  };
  /** One of the sinks is killed in the first half of the time, the other one in the second: each also has a long life. */
  const turn = () => soaked[performance.now() - begun < ms / 2 ? 0 : 1]!;
  try {
    await Promise.all([
      ...soaked.flatMap((each) => [
        often(disconnectEveryMs, () => disconnect(each)),
        often(pauseEveryMs, () => pause(each, pauseMs)),
        often(1000, () => look(each)),
      ]),
      often(killEveryMs, () => kill(turn(), watch)),
      often(60_000, () => Promise.resolve(say(progress(soaked, performance.now() - begun)))),
    ]);
  } finally {
    over.abort();
    clearTimeout(timer);
  }
}

/** `false` where the time was over before. */
function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  return delay(ms, true, { signal }).catch(() => false);
}

/** In an orderly way and not, in turn. */
function disconnect(each: Soaked): Promise<void> {
  if (each.disconnects++ % 2 === 0) each.proxy.resetAll();
  else each.proxy.cutAll();
  return Promise.resolve();
}

async function pause(each: Soaked, ms: number): Promise<void> {
  each.pauses++;
  await each.lane.pause(ms);
}

async function kill(each: Soaked, watch: Watch): Promise<void> {
  each.child.kill("SIGKILL");
  const { signal, code } = await each.child.status;
  if (signal !== "SIGKILL") throw endedByItself(each, code);
  each.kills++;
  each.child = start(each.lane, each.args);
  watch.follow(each.lane.name, each.child.pid);
}

async function look(each: Soaked): Promise<void> {
  await each.lane.check();
  const { child } = each;
  const end = await Promise.race([child.status, Promise.resolve(undefined)]);
  if (end !== undefined && end.signal !== "SIGKILL") throw endedByItself(each, end.code);
}

function endedByItself({ lane, child }: Soaked, code: number): Error {
  return new Error(
    `Cannot go on: the run into ${lane.name} ended with ${code}: ${child.stderr.lines.slice(-5).join("\n")}`,
  );
}

function progress(soaked: readonly Soaked[], ms: number): string {
  const of = ({ lane: { name, tally }, kills, disconnects, pauses }: Soaked) =>
    `${name} ${tally.events} events, ${kills} kills, ${disconnects} disconnects, ${pauses} pauses, ${tally.lost} lost, ${tally.doubled} doubled`;
  return `${Math.round(ms / 60_000)} min: ${soaked.map(of).join("; ")}`;
}

/** Stops the run as a user would, and compares all that is left. */
async function finish({ lane, child, kills, disconnects, pauses }: Soaked, watch: Watch): Promise<LaneReport> {
  await child.stderr.waitFor("Connected to "); // it may have begun only now
  child.kill("SIGTERM");
  const { code } = await child.status;
  const { dead_lettered } = parseSummary({ code, stdout: child.stdout.lines, stderr: child.stderr.lines });
  await lane.check();
  const position = await lane.position();
  const figures = watch.figuresOf(lane.name);
  const { events, last, lost, doubled, changed } = lane.tally;
  const letters = filesIn(lane.folder).filter((path) => path.includes("dead-letter") && path.endsWith(".ndjson"));
  const faults = [
    ...lost > 0 ? [`${lost} events lost`] : [],
    ...doubled > 0 ? [`${doubled} events doubled`] : [],
    ...changed > 0 ? [`${changed} events are not what was sent`] : [],
    ...position !== last ? [`the position is ${position}, the last event ${last}`] : [],
    ...dead_lettered > 0 || letters.length > 0 ? ["events went to the dead letter"] : [],
    ...gapsOf(lane).map((reason) => `a gap was recorded: ${reason}`),
    ...growthOf(figures),
  ];
  return { name: lane.name, events, last, lost, doubled, changed, kills, disconnects, pauses, figures, faults };
}

/** Wherever the sink keeps them. */
function gapsOf({ folder }: Lane): string[] {
  const files = [`${folder}/bskyingest.db`, `${folder}/.local/state/bskyingest/gaps.db`].filter(fileExists);
  return files.flatMap((file) => listGaps(file, { all: true }).map(({ reason }) => reason));
}
