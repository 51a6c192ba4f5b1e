/**
 * Everything that a run of any ingest command depends on, in the order of the report.
 *
 * @module
 */
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { stateFolder } from "../../lib/state/paths.ts";
import { filterOf } from "../ingest/filters.ts";
import { concurrencyOf, findTarget, type StateOptions, type Target } from "../ingest/target.ts";
import type { IngestOptions } from "../ingest/transfer.ts";
import type { Options } from "../kit/declaration.ts";
import { type Check, type CheckResult, fail, type Finding, runChecks, skip } from "./check.ts";
import { checkFolder, checkTemporary, type Folder } from "./paths.ts";
import { checkRuntime } from "./runtime.ts";
import type { Loaded, Settings } from "./settings.ts";
import { checkSink, isLocked } from "./sink.ts";
import { checkDeadLetter, checkGaps, checkLocks } from "./state.ts";

/** What is particular to a command. */
export interface Run {
  readonly target: Target;
  /** The collections that are read; undefined: any. */
  readonly collections?: readonly string[] | undefined;
  /** Of the positions, where the state key is not in them. */
  readonly keys?: readonly string[];
  /** `host:port` of the servers that are read. */
  readonly net: readonly string[];
  /** Folders and files that are read. */
  readonly inputs?: readonly string[];
  /** For temporary files, where it is not the system's. */
  readonly temporary?: Folder;
  /** Checks of what is read. */
  source(): Promise<readonly CheckResult[]>;
  /** Where the run would begin; undefined: there is no such place. */
  readonly position?: Check["run"];
  /** Whatever else there is to check. */
  readonly others?: readonly Check[];
}

/** Finds out what a run would come to. What it opens is closed with `resources`. @throws {ConfigError} With what a run would refuse. */
export type Prepare<O extends Options> = (
  settings: Settings<O & IngestOptions>,
  resources: AsyncDisposableStack,
) => Promise<Run>;

/** Makes what checks everything that a run with given settings would use. */
export function examineRun<O extends Options>(
  prepare: Prepare<O>,
): (loaded: Loaded<Options>) => Promise<readonly CheckResult[]> {
  return async ({ settings, finding }) => {
    if (settings === undefined) return await settingsOnly(finding);
    const common = settings as unknown as Settings<IngestOptions>;
    await using resources = new AsyncDisposableStack();
    try {
      await filterOf(common.values);
      const run = await prepare(settings as unknown as Settings<O & IngestOptions>, resources);
      return await examine(common, run, finding);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return await settingsOnly(fail(error.faults.join("; "), error.hint));
    }
  };
}

/** Where the run would write to. @throws {ConfigError} */
export function targetOf(settings: Settings<IngestOptions>, state: StateOptions): Target {
  const target = findTarget(settings, state);
  concurrencyOf(settings.values.concurrency, target.sink);
  return target;
}

/** With settings that cannot be used there is nothing more to look at. */
async function settingsOnly(finding: Finding): Promise<CheckResult[]> {
  const needs = { hosts: [], read: [], write: [] };
  return await runChecks([{ name: "runtime", run: () => checkRuntime(needs) }, { name: "config", run: () => finding }]);
}

async function examine(settings: Settings<IngestOptions>, run: Run, config: Finding): Promise<CheckResult[]> {
  const { values } = settings;
  const { target, keys = [], net, inputs = [], temporary, position, others = [] } = run;
  const folders = foldersOf(settings, target);
  const written = Object.values(folders).map(({ path }) => path);
  const needs = { hosts: net, read: [...written, ...inputs], write: written };
  const before: Check[] = [
    { name: "runtime", run: () => checkRuntime(needs) },
    { name: "config", run: () => config },
    ...Object.entries(folders).map(([name, folder]) => ({ name: `paths ${name}`, run: () => checkFolder(folder) })),
    { name: "paths temporary", run: () => temporary ? checkFolder(temporary) : checkTemporary(tmpdir()) },
    { name: "lock", run: () => checkLocks(target) },
  ];
  const [first, ofSource, more] = await Promise.all([runChecks(before), run.source(), runChecks(others)]);
  // SQLite reads, and waits for locks, in one go: nothing else in this process could move meanwhile.
  const locked = isLocked(target);
  const [found, ...rest] = await runChecks([
    { name: "position", run: unless(locked, position ?? (() => skip("there is none"))) },
    { name: "sink", run: unless(locked, (signal) => checkSink(target, values, run.collections, signal)) },
    { name: "dead letter", run: () => checkDeadLetter(target, values.deadLetterMaxBytes) },
    { name: "gaps", needs: "sink", run: unless(locked, () => checkGaps(target, keys)) },
  ]);
  return [...first, ...position ? [found!] : [], ...ofSource, ...more, ...rest];
}

function unless(locked: boolean, run: Check["run"]): Check["run"] {
  return locked ? () => skip("another program keeps the database locked: a run would wait for it") : run;
}

/** The folders that a run makes files in: its own ones it makes, those that the user names must be there. */
function foldersOf({ values, env }: Settings<IngestOptions>, { sink, deadLetter, stateFile }: Target) {
  const named = (file: string): Folder => ({ path: dirname(file), made: false });
  const file = sink === "sqlite" ? values.db : sink === "ndjson" ? values.out : undefined;
  const folders: Record<string, Folder> = { state: { path: stateFolder(env), made: true } };
  if (file !== undefined) folders.target = named(file);
  if (sink === "queue") folders.target = { path: values.queueDir, made: true };
  if (stateFile !== undefined && values.stateFile !== undefined) folders["state file"] = named(stateFile);
  if (values.deadLetter !== undefined) folders["dead letter"] = named(deadLetter);
  return folders;
}
