/**
 * In place of rsky-ingester: where no command is named, `INGESTER_MODE` says what is run, with the older program's defaults, and
 * several commands at once in one process.
 *
 * @module
 */
import { ConfigError, messageOf } from "../lib/pipeline/errors.ts";
import { EXIT, exitStatus } from "./exit.ts";
import type { IngestOptions } from "./ingest/transfer.ts";
import { type Arguments, parseArguments } from "./kit/arguments.ts";
import { type CommandContext, type Target, targetsOf } from "./kit/command.ts";
import type { Option, Options } from "./kit/declaration.ts";
import { didYouMean } from "./kit/suggest.ts";
import { globalOptions } from "./options/global.ts";
import { mergeOptions, openLog, prepare, report, type Session } from "./session.ts";
import { listenForSignals } from "./signals.ts";

/** The variable that stands for a command. */
export const INGESTER_MODE = "INGESTER_MODE";

/** The commands of each mode. */
const MODES: ReadonlyMap<string, readonly string[]> = new Map([
  ["firehose", ["firehose"]],
  ["backfill", ["backfill"]],
  ["labeler", ["labeler"]],
  ["all", ["firehose", "backfill", "labeler"]],
]);

/** The older program's defaults, where they are not those of the commands. */
const DEFAULTS = { sink: "redis", format: "rsky" };

/** A command that is to be run. */
interface Job {
  readonly target: Target;
  readonly context: CommandContext;
}

/** Runs the commands of the mode, each with the options that it has. Answers the exit status. */
export async function runIngesterMode(session: Session, args: readonly string[]): Promise<number> {
  const mode = session.env(INGESTER_MODE)!.trim();
  const targets = await targetsOfMode(session, mode);
  session.path = [...targets[0]!.path];
  const parsed = parseArguments(args, mergeOptions(globalOptions, ...targets.map(({ action }) => action.options)));
  refuseArguments(parsed);
  const jobs = await prepareAll(session, targets, parsed);
  const context = jobs[0]!.context as unknown as CommandContext<IngestOptions>;
  const { globals, values } = context;
  await using _log = await openLog(session, globals);
  using signals = listenForSignals({ shutdownTimeoutMs: globals.shutdownTimeout });
  const { startListening } = await import("./ingest/ops.ts");
  await using ops = await startListening(context, [values.db, values.out]);
  return await runSideBySide(session, jobs, { signals, ops });
}

async function targetsOfMode({ program: { registry } }: Session, mode: string): Promise<Target[]> {
  const names = MODES.get(mode);
  if (names === undefined) {
    const known = [...MODES.keys()];
    throw new ConfigError(
      `Cannot use ${INGESTER_MODE} "${mode}": it must be one of ${known.join(", ")}${didYouMean(mode, known)}`,
      { hint: 'Without it, a command is named: see "bskyingest --help"' },
    );
  }
  const targets = await Promise.all(registry.filter(({ name }) => names.includes(name)).map(targetsOf));
  return targets.flat().map((target) => {
    return { ...target, action: { ...target.action, options: withDefaults(target.action.options) } };
  });
}

function withDefaults(options: Options): Options {
  const changed = Object.entries(DEFAULTS).map(([key, text]): [string, Option<unknown>] => {
    const option = options[key]!;
    return [key, { ...option, fallback: option.decode(text), defaultText: text }];
  });
  return { ...options, ...Object.fromEntries(changed) };
}

function refuseArguments({ faults, positionals: [first] }: Arguments): void {
  // After an unknown option nobody knows whether what follows is its value, which may be a secret.
  if (faults.length > 0) throw new ConfigError(faults as [string]);
  if (first === undefined) return;
  const why = `a command comes first, and with ${INGESTER_MODE} there are only options`;
  throw new ConfigError(`Cannot use argument "${first.text}": ${why}`, { hint: 'See "bskyingest --help"' });
}

/** Finds the settings of all jobs, or everything that is wrong with them. */
async function prepareAll(session: Session, targets: readonly Target[], parsed: Arguments): Promise<Job[]> {
  const jobs: Job[] = [];
  const faults = new Set<string>();
  for (const target of targets) {
    const prepared = await prepare(session, target, parsed);
    for (const fault of prepared.faults) faults.add(fault);
    // Beside the others labels are read only of labelers that are named.
    if (targets.length > 1 && target.path[0] === "labeler" && !prepared.context.given("labelerHosts")) continue;
    jobs.push({ target, context: prepared.context });
  }
  if (faults.size === 0) checkApart(jobs, faults);
  if (faults.size > 0) throw new ConfigError([...faults] as unknown as [string]);
  return jobs;
}

/** Jobs must not write one position, nor into each other's lines. */
function checkApart(jobs: readonly Job[], faults: Set<string>): void {
  const users = new Map<string, string>();
  for (const { context: { command, values } } of jobs) {
    const { stream, stateKey, stateFile, sink, out } = values;
    const own = { stream, "state-key": stateKey, "state-file": stateFile, ...(sink === "ndjson" && { out }) };
    const used = Object.entries(own).filter(([, value]) => value !== undefined).map(([flag, value]) =>
      `--${flag} ${value}`
    );
    if (sink === "stdout") used.push("--sink stdout");
    for (const each of used) {
      const other = users.get(each);
      if (other === undefined) users.set(each, command);
      else faults.add(`Cannot use ${each} for ${command}: ${other} has it, and they run side by side`);
    }
  }
}

/** Runs all of them to their ends. The first one that fails has the others end, and gives its status. */
async function runSideBySide(
  session: Session,
  jobs: readonly Job[],
  inPlace: NonNullable<CommandContext["inPlace"]>,
): Promise<number> {
  const { withContext } = await import("@logtape/logtape");
  let failed: number | undefined;
  const told = new Set<string>();
  const run = async ({ target, context }: Job): Promise<number> => {
    try {
      return await withContext({ job: context.command }, () => target.action.run({ ...context, inPlace }));
    } catch (error) {
      failed ??= exitStatus(error);
      inPlace.signals.end(`${context.command} failed`);
      // What is wrong with the sink they all find out.
      if (!told.has(messageOf(error))) report({ ...session, path: [...target.path] }, error);
      told.add(messageOf(error));
      return failed;
    }
  };
  const statuses = await Promise.all(jobs.map(run));
  return failed ?? statuses.find((status) => status !== EXIT.ok) ?? EXIT.ok;
}
