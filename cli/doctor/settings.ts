/**
 * The settings that another command would run with, and whether something is wrong with them.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { CommandContext } from "../kit/command.ts";
import { type ConfigFile, parseConfig } from "../kit/config_file.ts";
import { ENV_PREFIX, envName, type Option, type Options, type Values } from "../kit/declaration.ts";
import { unknownKeys } from "../kit/file_keys.ts";
import { type Origin, resolve } from "../kit/resolve.ts";
import { globalOptions } from "../options/global.ts";
import { fail, type Finding, ok, warn } from "./check.ts";

/** What a run of a command would go by. */
export interface Settings<O extends Options = Options> {
  readonly values: Values<O>;
  readonly origins: { readonly [K in keyof O]: Origin };
  readonly env: CommandContext["env"];
  /** Whether anything but the default set it. */
  given(key: keyof O): boolean;
}

/** Settings with the finding about them; without values where they must not be used. */
export interface Loaded<O extends Options> {
  readonly settings: Settings<O> | undefined;
  readonly finding: Finding;
}

/** Reads flags, environment and configuration file as `command` would, with its section of the file. */
export async function loadSettings<O extends Options>(
  { setup, program, env }: Pick<CommandContext, "setup" | "program" | "env">,
  command: string,
  options: O,
): Promise<Loaded<O>> {
  let file: ConfigFile | undefined;
  const faults: string[] = [];
  try {
    const found = setup.findFile();
    if (found !== undefined) file = await parseConfig(found.path, found.text);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { settings: undefined, finding: wrong(error.faults) };
  }
  const sources = setup.sources(file, command);
  const globals = resolve(globalOptions, sources);
  const own = resolve(options, sources);
  faults.push(...globals.faults, ...own.faults);
  const usable = faults.length === 0;
  if (file !== undefined) faults.push(...await unknownKeys(file, globalOptions, undefined, program.registry));
  const { values, origins } = own;
  const given = (key: keyof O) => origins[key].source !== "default";
  return {
    settings: usable ? { values, origins, env, given } : undefined,
    finding: faults.length > 0 ? wrong(faults) : fine(file?.path, [
      ...olderNames(globalOptions, globals.origins),
      ...olderNames(options, origins),
    ]),
  };
}

/**
 * The same for whoever runs with them.
 *
 * @throws {ConfigError} where something is wrong with them.
 */
export async function usableSettings<O extends Options>(
  context: Parameters<typeof loadSettings>[0],
  command: string,
  options: O,
): Promise<Settings<O>> {
  const { settings, finding } = await loadSettings(context, command, options);
  if (settings === undefined || finding.verdict === "fail") throw new ConfigError(finding.detail);
  return settings;
}

function wrong(faults: readonly string[]): Finding {
  return fail([...new Set(faults)].join("; "));
}

function fine(path: string | undefined, older: readonly string[]): Finding {
  const where = path ?? "no configuration file";
  if (older.length === 0) return ok(where);
  return warn(`${where}; older names are used`, `Better: ${older.join(", ")}`);
}

/** Variables of older tools, with what to say in their place. */
function olderNames(options: Options, origins: Readonly<Record<string, Origin>>): string[] {
  return Object.entries<Option<unknown>>(options).flatMap(([key, option]) => {
    const { source, name } = origins[key]!;
    if (source !== "env" || name.startsWith(ENV_PREFIX)) return [];
    return [`${envName(option)} in place of ${name}`];
  });
}
