/**
 * What a command is.
 *
 * @module
 */
import type { Ops } from "../../lib/ops/ops.ts";
import type { GlobalOptions } from "../options/global.ts";
import type { Signals } from "../signals.ts";
import type { ConfigFile } from "./config_file.ts";
import type { Options, Values } from "./declaration.ts";
import type { Origin, Sources } from "./resolve.ts";

/** The headings under which the program's help lists its commands. */
export const GROUPS = ["Ingest", "Manage", "Develop"] as const;

/** A command line and what it does. */
export interface Example {
  readonly run: string;
  readonly does: string;
}

/** An argument without a flag. */
export interface Positional {
  /** As the help shows it (`FILE`). */
  readonly name: string;
  readonly help: string;
  readonly required?: boolean;
  /** Any number of them; only the last positional. */
  readonly repeatable?: boolean;
  readonly choices?: readonly string[];
  /** Completed with file names. */
  readonly file?: boolean;
}

/** What is run: a command, or a subcommand of one. */
export interface Action<O extends Options = Options> {
  /** One paragraph for the full help. */
  readonly description?: string;
  /** Shown first in the help. */
  readonly examples: readonly Example[];
  readonly positionals?: readonly Positional[];
  readonly options: O;
  /** Works without the configuration file (and so also with a broken one). */
  readonly withoutConfigFile?: boolean;
  /** Does the work and returns the exit status. What it needs beyond declarations it imports when it is called. */
  run(context: CommandContext<O>): Promise<number>;
}

/** `show` of `config show`. */
export interface Subcommand<O extends Options = Options> extends Action<O> {
  readonly brief: string;
}

/** A command that only has subcommands. */
export interface CommandGroup {
  readonly description?: string;
  readonly examples: readonly Example[];
  readonly subcommands: Readonly<Record<string, Subcommand>>;
  /** The one that is meant where none is named. */
  readonly usual?: string;
}

/** What a file in `cli/commands/` exports as `command`. */
export type Command = Action | CommandGroup;

/** One line of the registry. */
export interface RegistryEntry {
  readonly name: string;
  readonly brief: string;
  readonly group: typeof GROUPS[number];
  readonly load: () => Promise<Command>;
}

/** The program as a whole, for the commands that are about it. */
export interface Program {
  readonly registry: readonly RegistryEntry[];
  /** Examples of the program's own help. */
  readonly examples: readonly Example[];
}

/** What a command works with. */
export interface CommandContext<O extends Options = Options> {
  /** `jetstream`, `config show`. */
  readonly command: string;
  readonly values: Values<O>;
  readonly globals: Values<GlobalOptions>;
  readonly origins: { readonly [K in keyof O]: Origin };
  /** Whether anything but the default set it. */
  given(key: keyof O): boolean;
  readonly positionals: readonly string[];
  readonly env: (name: string) => string | undefined;
  /** Writes a line of data. @throws {OutputClosedError} If nobody reads any more. */
  readonly stdout: (text: string) => Promise<void>;
  /** Writes a line for people. Never fails. */
  readonly stderr: (text: string) => void;
  /** Shows a line on the terminal that the next one replaces; `undefined` takes it away. */
  readonly status: (text: string | undefined) => void;
  readonly program: Program;
  /** When the run began, in milliseconds of `performance.now()`: 0 = with the process. */
  readonly began: number;
  /** What the settings of this run are read from. */
  readonly setup: Setup;
  /** Where `INGESTER_MODE` runs it, in place of an older program that never ends: the signals of the process, for all of its jobs. */
  readonly inPlace?: { readonly signals: Signals; readonly ops: Ops | undefined };
}

/** What the settings of a run are read from. */
export interface Setup {
  /** The flags of this run, the environment, and the file's top level and section. */
  sources(file: ConfigFile | undefined, section: string | undefined): Sources;
  /** The configuration file that the flags and variables of this run lead to. @throws {ConfigError} If it cannot be read. */
  findFile(): { readonly path: string; readonly text: string } | undefined;
}

/** Declares a command; the types of its values follow from its options. */
export function defineCommand<const O extends Options>(command: Action<O>): Action {
  return command as unknown as Action;
}

/** Declares a subcommand. */
export function defineSubcommand<const O extends Options>(command: Subcommand<O>): Subcommand {
  return command as unknown as Subcommand;
}

/** Something that can be run, with the words that call it. */
export interface Target {
  /** `["config", "show"]`. */
  readonly path: readonly string[];
  readonly brief: string;
  readonly action: Action;
}

/** Everything that a registry entry lets one run. */
export async function targetsOf(entry: RegistryEntry): Promise<Target[]> {
  const command = await entry.load();
  if (!("subcommands" in command)) return [{ path: [entry.name], brief: entry.brief, action: command }];
  return Object.entries(command.subcommands).map(([name, action]) => {
    return { path: [entry.name, name], brief: action.brief, action };
  });
}
