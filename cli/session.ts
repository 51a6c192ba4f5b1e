/**
 * One run of the program: the values of a command's settings, its log, and what is said when it fails.
 *
 * @module
 */
import { ConfigError, messageOf, OutputClosedError } from "../lib/pipeline/errors.ts";
import { isForeseen } from "./exit.ts";
import type { Arguments } from "./kit/arguments.ts";
import type { Action, CommandContext, Program, Setup, Target } from "./kit/command.ts";
import { findConfigFile, lookup, parseConfig } from "./kit/config_file.ts";
import type { Options, Values } from "./kit/declaration.ts";
import { unknownKeys } from "./kit/file_keys.ts";
import { checkPositionals } from "./kit/positionals.ts";
import { resolve, type Resolved } from "./kit/resolve.ts";
import { type Output, printable } from "./kit/terminal.ts";
import { type GlobalOptions, globalOptions } from "./options/global.ts";
import { KilledError } from "./signals.ts";

/** One run of the program. */
export interface Session {
  readonly program: Program;
  readonly output: Output;
  readonly env: (name: string) => string | undefined;
  /** When it began, in milliseconds of `performance.now()`. */
  readonly began: number;
  /** The command as far as it is known, for pointing at its help. */
  path: string[];
}

/** Says on stderr what went wrong. */
export function report({ output, path }: Session, error: unknown): void {
  output.status(undefined);
  if (error instanceof ConfigError) {
    for (const fault of error.faults) output.stderr(printable(fault.replaceAll(/\s*[\r\n]+\s*/g, " ")));
    output.stderr(error.hint ?? `See "${["bskyingest", ...path].join(" ")} --help"`);
  } else if ([OutputClosedError, Deno.errors.BrokenPipe, KilledError].some((type) => error instanceof type)) {
    return;
  } else if (isForeseen(error) || !(error instanceof Error)) {
    output.stderr(printable(messageOf(error)));
  } else {
    output.stderr(error.stack ?? messageOf(error));
  }
}

/** Options of several sets under their flags; of two with the same flag the first counts. */
export function mergeOptions(...sets: readonly Options[]): Options {
  return Object.fromEntries(sets.flatMap((set) => Object.values(set)).reverse().map((option) => [option.flag, option]));
}

/** What a command is run with; where there are `faults`, it must not be. */
export interface Prepared {
  readonly context: CommandContext;
  readonly faults: readonly string[];
}

/** Finds the values of a command's settings. */
export async function prepare(session: Session, target: Target, parsed: Arguments): Promise<Prepared> {
  const setup = createSetup(session, parsed);
  const { globals, own, faults } = await resolveAll(session, target, parsed, setup);
  return {
    faults,
    context: {
      command: target.path.join(" "),
      values: own.values,
      globals: globals.values,
      origins: own.origins,
      given: (key) => own.origins[key]?.source !== "default",
      positionals: parsed.positionals.map(({ text }) => text),
      env: session.env,
      ...session.output,
      program: session.program,
      began: session.began,
      setup,
    },
  };
}

/** Opens the log of the run; disposing of the result closes it. */
export async function openLog({ output }: Session, globals: Values<GlobalOptions>): Promise<AsyncDisposable> {
  const { configureLog } = await import("./log.ts");
  return await configureLog({ globals, stderr: output.stderr, isTerminal: Deno.stderr.isTerminal() });
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
