/**
 * Everything that a run of `jetstream` depends on, in the order of the report.
 *
 * @module
 */
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { makePlan, type Plan } from "../../lib/sources/jetstream/options.ts";
import { jetstreamRace } from "../../lib/sources/jetstream/race.ts";
import { cacheFolder, stateFolder } from "../../lib/state/paths.ts";
import { resolveWantedHandles } from "../ingest/handles.ts";
import { simulate, sourceOptions } from "../ingest/jetstream_source.ts";
import { filterOf } from "../ingest/filters.ts";
import type { IngestOptions } from "../ingest/transfer.ts";
import { concurrencyOf, findTarget, JETSTREAM_STATE, type Target } from "../ingest/target.ts";
import type { Options } from "../kit/declaration.ts";
import type { jetstreamOptions } from "../options/jetstream.ts";
import { type Check, type CheckResult, fail, type Finding, ok, runChecks, skip } from "./check.ts";
import { checkClock } from "./clock.ts";
import { checkDictionary } from "./dictionary.ts";
import { checkHosts, examineHosts, type Host } from "./hosts.ts";
import { checkFolder, checkTemporary, type Folder } from "./paths.ts";
import { checkRuntime, type Needs } from "./runtime.ts";
import type { Loaded, Settings } from "./settings.ts";
import { checkSink, isLocked } from "./sink.ts";
import { checkDeadLetter, checkGaps, checkLocks, checkPosition } from "./state.ts";

type JetstreamSettings = Settings<typeof jetstreamOptions & IngestOptions>;

/** What a run would come to. */
interface Prepared {
  readonly settings: JetstreamSettings;
  readonly plan: Plan;
  readonly target: Target;
  readonly simulateUrl: string | undefined;
}

type Simulation = Awaited<ReturnType<typeof simulate>>;

/** Checks what a run with these settings would use. */
export async function examineJetstream({ settings, finding }: Loaded<Options>): Promise<CheckResult[]> {
  if (settings === undefined) return await settingsOnly(finding);
  const known = settings as unknown as JetstreamSettings;
  const simulation = known.values.simulate ? await simulate(known.values) : undefined;
  await using _server = simulation?.server;
  try {
    return await examine(await prepare(known, simulation), finding);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return await settingsOnly(fail(error.faults.join("; "), error.hint));
  }
}

/** With settings that cannot be used there is nothing more to look at. */
async function settingsOnly(finding: Finding): Promise<CheckResult[]> {
  const needs = { hosts: [], read: [], write: [] };
  return await runChecks([{ name: "runtime", run: () => checkRuntime(needs) }, { name: "config", run: () => finding }]);
}

/** @throws {ConfigError} With what a run would refuse. */
async function prepare(settings: JetstreamSettings, simulation: Simulation | undefined): Promise<Prepared> {
  const { values } = settings;
  const target = findTarget(
    settings,
    simulation ? { ...JETSTREAM_STATE, defaultKey: "jetstream-simulate" } : JETSTREAM_STATE,
  );
  concurrencyOf(values.concurrency, target.sink);
  const options = {
    ...sourceOptions(settings),
    noRewind: values.noRewind,
    maxRewindMinutes: values.maxRewind / 60_000,
    ...simulation?.options,
    key: target.key,
  };
  if (values.race) jetstreamRace(options);
  await filterOf(values);
  return { settings, plan: makePlan(options), target, simulateUrl: simulation?.server.url };
}

async function examine({ settings, plan, target, simulateUrl }: Prepared, config: Finding): Promise<CheckResult[]> {
  const { values, env } = settings;
  const folders = foldersOf(settings, target);
  const hosts = examineHosts(plan);
  const needs = needsOf(hosts, Object.values(folders).map(({ path }) => path));
  const before: Check[] = [
    { name: "runtime", run: () => checkRuntime(needs) },
    { name: "config", run: () => config },
    ...Object.entries(folders).map(([name, folder]) => ({ name: `paths ${name}`, run: () => checkFolder(folder) })),
    { name: "paths temporary", run: () => checkTemporary(tmpdir()) },
    { name: "lock", run: () => checkLocks(target) },
  ];
  const after: Check[] = [
    ...(values.handles.length > 0 ? [{ name: "handles", run: () => checkHandles(settings, simulateUrl) }] : []),
    { name: "dictionary", run: () => checkDictionary(plan, hosts, cacheFolder(env)) },
    { name: "clock", optional: true, run: (signal) => checkClock(plan.endpoints, signal) },
  ];
  const [first, ofHosts, others] = await Promise.all([
    runChecks(before),
    checkHosts(hosts, plan.wire),
    runChecks(after),
  ]);
  // SQLite reads, and waits for locks, in one go: nothing else in this process could move meanwhile.
  const locked = isLocked(target);
  const [position, ...rest] = await runChecks([
    { name: "position", run: unless(locked, () => checkPosition({ target, plan, race: values.race, hosts, values })) },
    { name: "sink", run: unless(locked, (signal) => checkSink(target, values, plan.filter.collections, signal)) },
    { name: "dead letter", run: () => checkDeadLetter(target, values.deadLetterMaxBytes) },
    { name: "gaps", needs: "sink", run: unless(locked, () => checkGaps(target)) },
  ]);
  return [...first, position!, ...ofHosts, ...others, ...rest];
}

async function checkHandles(settings: JetstreamSettings, simulateUrl: string | undefined): Promise<Finding> {
  const dids = await resolveWantedHandles(settings, simulateUrl);
  return ok(`${settings.values.handles.length} handles; ${dids.length} accounts in all`);
}

function unless(locked: boolean, run: Check["run"]): Check["run"] {
  return locked ? () => skip("another program keeps the database locked: a run would wait for it") : run;
}

/** The folders that a run makes files in: its own ones it makes, those that the user names must be there. */
function foldersOf({ values, env }: JetstreamSettings, { sink, deadLetter, position }: Target) {
  const named = (file: string): Folder => ({ path: dirname(file), made: false });
  const file = sink === "sqlite" ? values.db : sink === "ndjson" ? values.out : undefined;
  const ownFile = position !== undefined && "file" in position && values.stateFile !== undefined;
  const folders: Record<string, Folder> = { state: { path: stateFolder(env), made: true } };
  if (file !== undefined) folders.target = named(file);
  if (sink === "queue") folders.target = { path: values.queueDir, made: true };
  if (ownFile) folders["state file"] = named(position.file);
  if (values.deadLetter !== undefined) folders["dead letter"] = named(deadLetter);
  return folders;
}

function needsOf(hosts: readonly Host[], folders: readonly string[]): Needs {
  const authority = ({ protocol, host, port }: URL) => port === "" ? `${host}:${protocol === "wss:" ? 443 : 80}` : host;
  return { hosts: hosts.map(({ url }) => authority(url)), read: folders, write: folders };
}
