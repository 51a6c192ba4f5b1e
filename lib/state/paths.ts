/**
 * Where positions, locks, dead letters and gaps are kept.
 *
 * @module
 */
import { isAbsolute, join } from "node:path";
import { ConfigError } from "../pipeline/errors.ts";
import { fileError } from "./files.ts";

/** Reads one environment variable; empty counts as unset. */
export type Env = (name: string) => string | undefined;

const STATE_KEY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * The folder of all state: `$XDG_STATE_HOME/bskyingest`, else `~/.local/state/bskyingest`, else `.bskyingest`.
 *
 * @throws {ConfigError} a variable with a relative path: it would mean another folder for every working directory.
 */
export function stateFolder(env: Env): string {
  return ownFolder(env, "XDG_STATE_HOME", ".local/state");
}

/** The folder of what can be fetched again: `$XDG_CACHE_HOME/bskyingest`, else `~/.cache/bskyingest`, else `.bskyingest`. */
export function cacheFolder(env: Env): string {
  return ownFolder(env, "XDG_CACHE_HOME", ".cache");
}

function ownFolder(env: Env, variable: string, underHome: string): string {
  const base = absolute(env, variable);
  if (base) return join(base, "bskyingest");
  const home = absolute(env, "HOME");
  return home ? join(home, underHome, "bskyingest") : ".bskyingest";
}

function absolute(env: Env, variable: string): string | undefined {
  const value = env(variable) || undefined;
  if (value === undefined || isAbsolute(value)) return value;
  throw new ConfigError(`Cannot use ${variable} "${value}": it must be an absolute path`);
}

/**
 * Makes a folder (0700) unless it is there, and sees whether files can be made in it.
 *
 * @throws {ConfigError} naming the folder.
 */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    await Deno.remove(await Deno.makeTempFile({ dir: folder, prefix: ".writable-" }));
  } catch (error) {
    throw fileError("keep state in", folder, error);
  }
}

/**
 * A state key is a part of file names: letters, digits, `.`, `_`, `-`, at most 64, beginning with a letter or digit.
 *
 * @throws {ConfigError} for anything else.
 */
export function checkStateKey(key: string): string {
  if (STATE_KEY.test(key)) return key;
  throw new ConfigError(`Cannot use state key "${key}": it must match ${STATE_KEY.source.slice(1, -1)}`);
}

/** The position of one state key for one sink: what one sink has reached must not make another skip. */
export function stateFile(folder: string, key: string, sink: string): string {
  return join(folder, `${key}-${sink}.json`);
}

/** The dead letter of one state key. */
export function deadLetterFile(folder: string, key: string): string {
  return join(deadLetterFolder(folder), `${key}.ndjson`);
}

/** The folder of all dead letters. */
export function deadLetterFolder(folder: string): string {
  return join(folder, "dead-letter");
}

/** The gaps of sinks that have no table of their own for them. */
export function gapsFile(folder: string): string {
  return join(folder, "gaps.db");
}

/** What one state key has for a webhook and is not delivered yet. */
export function webhookQueueFile(folder: string, key: string): string {
  return join(folder, "webhook", `${key}.db`);
}

/** The lock of a state file. */
export function stateLock(file: string): string {
  return `${file}.lock`;
}

/** The lock of one state key in a database. */
export function databaseLock(db: string, key: string): string {
  return `${db}.${key}.lock`;
}
