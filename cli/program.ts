/**
 * From a command line to a command, and from what it throws to an exit status.
 *
 * @module
 */
import { ConfigError } from "../lib/pipeline/errors.ts";
import { EXIT, exitStatus } from "./exit.ts";
import { INGESTER_MODE, runIngesterMode } from "./ingester_mode.ts";
import { type Arguments, parseArguments } from "./kit/arguments.ts";
import {
  type Command,
  type CommandGroup,
  type Program,
  type RegistryEntry,
  type Target,
  targetsOf,
} from "./kit/command.ts";
import { groupHelp, type HelpStyle, programHelp, targetHelp } from "./kit/help.ts";
import { didYouMean } from "./kit/suggest.ts";
import { processOutput, terminalWidth, wantsColor } from "./kit/terminal.ts";
import { globalOptions } from "./options/global.ts";
import { mergeOptions, openLog, prepare, report, type Session } from "./session.ts";

const TAGLINE = "bskyingest: Bluesky's public streams into databases, files and whatever reads lines";

/** Makes the program out of its commands: arguments in, exit status out. */
export function createMain(program: Program): (args: readonly string[]) => Promise<number> {
  return async (args) => {
    const output = processOutput();
    const session = { program, output, env: (name: string) => Deno.env.get(name), began: 0, path: [] as string[] };
    try {
      return await dispatch(session, args);
    } catch (error) {
      report(session, error);
      return exitStatus(error);
    }
  };
}

/** Finds out which command is meant. */
async function dispatch(session: Session, args: readonly string[]): Promise<number> {
  const parsed = parseArguments(args, globalOptions);
  const [first, ...others] = parsed.positionals;
  if (first === undefined || isOfMode(session, first.text)) return await withoutCommand(session, parsed, args);
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

/** Where `INGESTER_MODE` stands for a command, what is none is perhaps the value of an option. */
function isOfMode(session: Session, word: string): boolean {
  return Boolean(session.env(INGESTER_MODE)) && word !== "help" && !isCommand(session, word);
}

async function withoutCommand(session: Session, parsed: Arguments, args: readonly string[]): Promise<number> {
  const { program, output } = session;
  const help = (full: boolean) => programHelp(program, globalOptions, TAGLINE, helpStyle(session, parsed, full));
  if (parsed.flags.has("help")) return await print(session, help(asksForAll(parsed)));
  if (parsed.flags.has("version")) return await printVersions(session);
  if (session.env(INGESTER_MODE)) return await runIngesterMode(session, args);
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
  const parsed = parseArguments(args, mergeOptions(globalOptions, ...targets.map(({ action }) => action.options)));
  const [first] = parsed.positionals;
  if (first !== undefined) {
    const target = findSubcommand(entry, command, first.text);
    session.path = [...target.path];
    return await runTarget(session, target, args.toSpliced(first.index, 1));
  }
  const help = (full: boolean) => groupHelp(entry.name, entry.brief, command, helpStyle(session, parsed, full));
  if (parsed.flags.has("help")) return await print(session, help(asksForAll(parsed)));
  if (parsed.flags.has("version")) return await printVersions(session);
  if (command.usual !== undefined) return await runTarget(session, findSubcommand(entry, command, command.usual), args);
  if (parsed.faults.length > 0) throw new ConfigError(parsed.faults as [string]);
  session.output.stderr(help(false));
  return EXIT.misuse;
}

/** Finds the values of a command's settings and runs it. */
async function runTarget(session: Session, target: Target, args: readonly string[]): Promise<number> {
  const { action } = target;
  const parsed = parseArguments(args, mergeOptions(globalOptions, action.options));
  if (parsed.flags.has("help")) {
    return await print(session, targetHelp(target, globalOptions, helpStyle(session, parsed, asksForAll(parsed))));
  }
  if (parsed.flags.has("version")) return await printVersions(session);
  const { context, faults } = await prepare(session, target, parsed);
  if (faults.length > 0) throw new ConfigError(faults as [string]);
  await using _log = await openLog(session, context.globals);
  return await action.run(context);
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
