/**
 * From a command line to a command, and from what it throws to an exit status.
 *
 * @module
 */
import { ConfigError, messageOf, OutputClosedError } from "../lib/pipeline/errors.ts";
import { EXIT, exitStatus, isForeseen } from "./exit.ts";
import { type Arguments, parseArguments } from "./kit/arguments.ts";
import {
  type Action,
  type Command,
  type CommandContext,
  type CommandGroup,
  type Program,
  type RegistryEntry,
  type Setup,
  type Target,
  targetsOf,
} from "./kit/command.ts";
import { findConfigFile, lookup, parseConfig } from "./kit/config_file.ts";
import type { Options } from "./kit/declaration.ts";
import { unknownKeys } from "./kit/file_keys.ts";
import { groupHelp, type HelpStyle, programHelp, targetHelp } from "./kit/help.ts";
import { checkPositionals } from "./kit/positionals.ts";
import { resolve, type Resolved } from "./kit/resolve.ts";
import { didYouMean } from "./kit/suggest.ts";
import { type Output, processOutput, terminalWidth, wantsColor } from "./kit/terminal.ts";
import { type GlobalOptions, globalOptions } from "./options/global.ts";
import { KilledError } from "./signals.ts";

const TAGLINE = "bskyingest: Bluesky's public streams into databases, files and whatever reads lines";

/** Makes the program out of its commands: arguments in, exit status out. */
export function createMain(program: Program): (args: readonly string[]) => Promise<number> {
  return async (args) => {
    const output = processOutput();
    const session = { program, output, env: (name: string) => Deno.env.get(name), path: [] as string[] };
    try {
      return await dispatch(session, args);
    } catch (error) {
      report(session, error);
      return exitStatus(error);
    }
  };
}

/** One run of the program. */
interface Session {
  readonly program: Program;
  readonly output: Output;
  readonly env: (name: string) => string | undefined;
  /** The command as far as it is known, for pointing at its help. */
  path: string[];
}

/** Says on stderr what went wrong. */
function report({ output, path }: Session, error: unknown): void {
  output.status(undefined);
  if (error instanceof ConfigError) {
    for (const fault of error.faults) output.stderr(fault.replaceAll(/\s*[\r\n]+\s*/g, " "));
    output.stderr(error.hint ?? `See "${["bskyingest", ...path].join(" ")} --help"`);
  } else if ([OutputClosedError, Deno.errors.BrokenPipe, KilledError].some((type) => error instanceof type)) {
    return;
  } else if (isForeseen(error) || !(error instanceof Error)) {
    output.stderr(messageOf(error));
  } else {
    output.stderr(error.stack ?? messageOf(error));
  }
}

/** Finds out which command is meant. */
async function dispatch(session: Session, args: readonly string[]): Promise<number> {
  const parsed = parseArguments(args, globalOptions);
  const [first, ...others] = parsed.positionals;
  if (first === undefined) return await withoutCommand(session, parsed);
  if (first.text === "help") return await helpCommand(session, others.map(({ text }) => text));
  if (!isCommand(session, first.text)) refuseEarlyOptions(args.slice(0, first.index));
  const entry = findEntry(session, first.text);
  session.path = [entry.name];
  const rest = args.toSpliced(first.index, 1);
  const command = await entry.load();
  if (!("subcommands" in command)) {
    return await runTarget(session, { path: [entry.name], brief: entry.brief, action: command }, rest);
  }
  return await runSubcommand(session, entry, command, rest);
}

async function withoutCommand(session: Session, parsed: Arguments): Promise<number> {
  const { program, output } = session;
  const help = (full: boolean) => programHelp(program, globalOptions, TAGLINE, helpStyle(session, parsed, full));
  if (parsed.flags.has("help")) return await print(session, help(asksForAll(parsed)));
  if (parsed.flags.has("version")) return await printVersions(session);
  if (parsed.faults.length > 0) throw new ConfigError(parsed.faults as [string]);
  output.stderr(help(false));
  return EXIT.misuse;
}

/** `help`, `help config`, `help config show`. */
async function helpCommand(session: Session, words: readonly string[]): Promise<number> {
  const [name, sub] = words;
  const style = helpStyle(session, undefined, true);
  if (name === undefined) return await print(session, programHelp(session.program, globalOptions, TAGLINE, style));
  const entry = findEntry(session, name);
  const command: Command = await entry.load();
  if ("subcommands" in command && sub === undefined) {
    return await print(session, groupHelp(name, entry.brief, command, style));
  }
  const target = "subcommands" in command
    ? findSubcommand(entry, command, sub!)
    : { path: [name], brief: entry.brief, action: command };
  return await print(session, targetHelp(target, globalOptions, style));
}

async function runSubcommand(
  session: Session,
  entry: RegistryEntry,
  command: CommandGroup,
  args: readonly string[],
): Promise<number> {
  const targets = await targetsOf(entry);
  const parsed = parseArguments(args, merge(globalOptions, ...targets.map(({ action }) => action.options)));
  const [first] = parsed.positionals;
  if (first !== undefined) {
    const target = findSubcommand(entry, command, first.text);
    session.path = [...target.path];
    return await runTarget(session, target, args.toSpliced(first.index, 1));
  }
  const help = (full: boolean) => groupHelp(entry.name, entry.brief, command, helpStyle(session, parsed, full));
  if (parsed.flags.has("help")) return await print(session, help(asksForAll(parsed)));
  if (parsed.flags.has("version")) return await printVersions(session);
  if (parsed.faults.length > 0) throw new ConfigError(parsed.faults as [string]);
  session.output.stderr(help(false));
  return EXIT.misuse;
}

/** Finds the values of a command's settings and runs it. */
async function runTarget(session: Session, target: Target, args: readonly string[]): Promise<number> {
  const { action, path } = target;
  const parsed = parseArguments(args, merge(globalOptions, action.options));
  if (parsed.flags.has("help")) {
    return await print(session, targetHelp(target, globalOptions, helpStyle(session, parsed, asksForAll(parsed))));
  }
  if (parsed.flags.has("version")) return await printVersions(session);
  const setup = createSetup(session, parsed);
  const { globals, own, faults } = await resolveAll(session, target, parsed, setup);
  if (faults.length > 0) throw new ConfigError(faults as [string]);
  const { configureLog } = await import("./log.ts");
  const { output } = session;
  await using _log = await configureLog({
    globals: globals.values,
    stderr: output.stderr,
    isTerminal: Deno.stderr.isTerminal(),
  });
  const context: CommandContext = {
    command: path.join(" "),
    values: own.values,
    globals: globals.values,
    origins: own.origins,
    given: (key) => own.origins[key]?.source !== "default",
    positionals: parsed.positionals.map(({ text }) => text),
    env: session.env,
    ...output,
    program: session.program,
    setup,
  };
  return await action.run(context);
}

function createSetup({ env }: Session, { flags }: Arguments): Setup {
  const readFile = (path: string) => Deno.readTextFileSync(path);
  const sources: Setup["sources"] = (file, section) => ({ flags, env, file: lookup(file, section), readFile });
  return {
    sources,
    findFile() {
      const { config, noConfig } = globalOptions;
      const { values, faults } = resolve({ config, noConfig }, sources(undefined, undefined));
      if (faults.length > 0) throw new ConfigError(faults as unknown as [string]);
      return values.noConfig ? undefined : findConfigFile(values.config, { env, readFile });
    },
  };
}

/** All values, or everything that is wrong. */
async function resolveAll(session: Session, target: Target, parsed: Arguments, setup: Setup): Promise<{
  readonly globals: Resolved<GlobalOptions>;
  readonly own: Resolved<Options>;
  readonly faults: readonly string[];
}> {
  const faults = [...parsed.faults];
  // After an unknown option nobody knows whether what follows is its value, which may be a secret.
  if (faults.length === 0) faults.push(...checkPositionals(target, parsed.positionals.map(({ text }) => text)));
  const file = await readFile(target.action, setup, faults);
  const sources = setup.sources(file, target.path[0]);
  const globals = resolve(globalOptions, sources);
  const own = resolve(target.action.options, sources);
  faults.push(...globals.faults, ...own.faults);
  if (file !== undefined) faults.push(...await unknownKeys(file, globalOptions, target, session.program.registry));
  return { globals, own, faults: [...new Set(faults)] };
}

async function readFile(action: Action, setup: Setup, faults: string[]) {
  if (action.withoutConfigFile) return undefined;
  try {
    const found = setup.findFile();
    return found === undefined ? undefined : await parseConfig(found.path, found.text);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    faults.push(...error.faults);
    return undefined;
  }
}

function isCommand({ program }: Session, name: string): boolean {
  return program.registry.some((entry) => entry.name === name);
}

/** `--db x jetstream`: before the command is known nobody knows that `x` belongs to `--db`. */
function refuseEarlyOptions(args: readonly string[]): void {
  const { faults } = parseArguments(args, globalOptions);
  if (faults.length === 0) return;
  throw new ConfigError(faults as [string], {
    hint: 'The options of a command come after its name, see "bskyingest --help"',
  });
}

function findEntry({ program }: Session, name: string): RegistryEntry {
  const entry = program.registry.find((entry) => entry.name === name);
  if (entry !== undefined) return entry;
  const names = [...program.registry.map((entry) => entry.name), "help"];
  throw new ConfigError(`Cannot run "${name}": no such command${didYouMean(name, names)}`);
}

function findSubcommand(entry: RegistryEntry, command: CommandGroup, name: string): Target {
  const names = Object.keys(command.subcommands);
  if (names.includes(name)) {
    const action = command.subcommands[name]!;
    return { path: [entry.name, name], brief: action.brief, action };
  }
  const near = didYouMean(name, names) || `, there are ${names.join(", ")}`;
  throw new ConfigError(`Cannot run "${entry.name} ${name}": no such subcommand${near}`);
}

/** Options of several sets under their flags; of two with the same flag the first counts. */
function merge(...sets: readonly Options[]): Options {
  return Object.fromEntries(sets.flatMap((set) => Object.values(set)).reverse().map((option) => [option.flag, option]));
}

function asksForAll(parsed: Arguments): boolean {
  return parsed.flags.get("help")?.name !== "-h";
}

function helpStyle({ env }: Session, parsed: Arguments | undefined, full: boolean): HelpStyle {
  const choice = parsed?.flags.get("color")?.text ?? "auto";
  return { full, width: terminalWidth(env), color: wantsColor(choice, env, Deno.stdout.isTerminal()) };
}

async function print(session: Session, text: string): Promise<number> {
  await session.output.stdout(text);
  return EXIT.ok;
}

async function printVersions(session: Session): Promise<number> {
  const { versionsText } = await import("./versions.ts");
  return await print(session, await versionsText());
}
