/**
 * The configuration file: which one, what is in it, and on which line.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { FileEntry } from "./resolve.ts";
import { systemReason } from "./terminal.ts";

/** More than this is no configuration file, in bytes. */
const LARGEST = 2 ** 20;

/** What finding and reading the file needs. */
export interface FileSystem {
  readonly env: (name: string) => string | undefined;
  /** Reads a whole file; throws `Deno.errors.NotFound` where there is none. */
  readonly readFile: (path: string) => string;
}

/** A parsed configuration file. */
export interface ConfigFile {
  readonly path: string;
  /** Keys that are not in a section. */
  readonly top: Readonly<Record<string, unknown>>;
  /** `[command]` and its keys. */
  readonly sections: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** `file:line` of a key, of a section (no key), or the file alone where the line is not clear. */
  place(section: string | undefined, key: string | undefined): string;
}

/** Where the file may be when nobody names one, strongest first. */
export function defaultPaths(env: FileSystem["env"]): string[] {
  const home = env("HOME");
  const xdg = env("XDG_CONFIG_HOME") || (home ? `${home}/.config` : undefined);
  return ["bskyingest.toml", ...(xdg === undefined ? [] : [`${xdg}/bskyingest/config.toml`])];
}

/**
 * Finds the file that `named` names, else the first of the default paths that is there.
 *
 * @throws {ConfigError} If it cannot be read.
 */
export function findConfigFile(
  named: string | undefined,
  { env, readFile }: FileSystem,
): { readonly path: string; readonly text: string } | undefined {
  for (const path of named === undefined ? defaultPaths(env) : [named]) {
    try {
      return { path, text: readFile(path) };
    } catch (error) {
      if (named === undefined && error instanceof Deno.errors.NotFound) continue;
      throw new ConfigError(`Cannot read configuration file "${path}": ${systemReason(error)}`, { cause: error });
    }
  }
  return undefined;
}

/**
 * Parses the text of a configuration file.
 *
 * @throws {ConfigError} If it is larger than 1 MiB or not TOML; names the line.
 */
export async function parseConfig(path: string, text: string): Promise<ConfigFile> {
  if (text.length > LARGEST) throw new ConfigError(`Cannot read configuration file "${path}": it is larger than 1 MiB`);
  const { parse, TomlError } = await import("smol-toml");
  const top: Record<string, unknown> = {};
  const sections: Record<string, Record<string, unknown>> = {};
  try {
    for (const [key, value] of Object.entries(parse(text))) {
      if (isTable(value)) sections[key] = value;
      else top[key] = value;
    }
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The message goes on with the lines around the fault, which could hold a secret.
    const key = keyOnLine(text.split("\n")[error.line - 1] ?? "");
    const about = key === undefined ? "" : ` (key "${key}")`;
    const reason = error.message.split("\n")[0]!.replace("Invalid TOML document: ", "");
    throw new ConfigError(`Cannot parse ${path}:${error.line}${about}: ${reason}`);
  }
  return { path, top, sections, place: (section, key) => locate(path, text, section, key) };
}

/** Looks keys up for one command: its section is stronger than the top level. */
export function lookup(
  file: ConfigFile | undefined,
  command: string | undefined,
): (key: string) => FileEntry | undefined {
  return (key) => {
    if (file === undefined) return undefined;
    const section = command === undefined ? undefined : file.sections[command];
    if (section !== undefined && Object.hasOwn(section, key)) {
      return { value: section[key], place: file.place(command, key) };
    }
    if (Object.hasOwn(file.top, key)) return { value: file.top[key], place: file.place(undefined, key) };
    return undefined;
  };
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** The key that a line sets. */
function keyOnLine(line: string): string | undefined {
  const match = /^\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_.-]+))\s*=/.exec(line);
  return match?.[1] ?? match?.[2] ?? match?.[3];
}

/** Finds the line of a key by reading the text again: the TOML parser keeps no positions. */
function locate(path: string, text: string, section: string | undefined, key: string | undefined): string {
  let current: string | undefined;
  for (const [i, line] of text.split("\n").entries()) {
    const header = /^\s*\[\s*["']?([^\]"']*?)["']?\s*\]/.exec(line)?.[1];
    if (header !== undefined) current = header;
    const found = keyOnLine(line);
    const dotted = current === undefined && section !== undefined && found?.startsWith(`${section}.`);
    const hit = key === undefined
      ? dotted || (header !== undefined && header === section)
      : (found === key && current === section) || (dotted && found === `${section}.${key}`);
    if (hit) return `${path}:${i + 1}`;
  }
  return path;
}
