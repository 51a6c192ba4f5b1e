/**
 * What an error of SQLite means for a run.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { ConfigError, FatalError, messageOf, TransientError } from "../pipeline/errors.ts";

/** The kinds of failure that lead to different ends; `other` is a bug or something nobody foresaw. */
export type SqliteFault =
  | "busy"
  | "no_space"
  | "io"
  | "readonly"
  | "cannot_open"
  | "corrupt"
  | "too_large"
  | "constraint"
  | "other";

/** Deno's `node:sqlite` gives the words of SQLite's errors but not always its numbers, so the words decide. */
const WORDS: readonly (readonly [RegExp, SqliteFault])[] = [
  [/database (table |schema )?is locked|locking protocol/, "busy"],
  [/database or disk is full/, "no_space"],
  [/disk I\/O error/, "io"],
  [/attempt to write a readonly database/, "readonly"],
  [/unable to open database file|access permission denied|authorization denied/, "cannot_open"],
  [/disk image is malformed|file is not a database|malformed database schema/, "corrupt"],
  [/too large to be represented as a JavaScript number/, "corrupt"], // no program of ours writes one
  [/string or blob too big/, "too_large"],
  [/constraint failed|cannot store \w+ value in/, "constraint"],
];

/** A file that is shorter than it should be: the disk is well. https://sqlite.org/rescode.html#ioerr_short_read */
const SHORT_READ = 522;

/** SQLite takes the row for whole, but nobody can have written it. Becomes one of the errors below where the file is known. */
export class DamagedRowError extends Error {
  /** Tells the class where `instanceof` cannot. */
  override readonly name = "DamagedRowError";

  /** Makes one; `id` is the row's number in its table. */
  constructor(id: number, cause: unknown) {
    super(`row ${id} is damaged: ${messageOf(cause)}`, { cause });
  }
}

/** Which fault `error` is; `other` also for what did not come from SQLite. */
export function faultOf(error: unknown): SqliteFault {
  if (error instanceof DamagedRowError) return "corrupt";
  if (!isFromSqlite(error)) return "other";
  if ((error as { readonly errcode?: unknown }).errcode === SHORT_READ) return "corrupt";
  const message = messageOf(error);
  return WORDS.find(([words]) => words.test(message))?.[1] ?? "other";
}

function isFromSqlite(error: unknown): boolean {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return code === "ERR_SQLITE_ERROR" || code === "ERR_OUT_OF_RANGE";
}

/** The way out of a damaged file: never a new one in its place. */
function recoverHint(path: string): string {
  return `Save what can be read: sqlite3 ${path} .recover`;
}

/** For a file that is damaged or no database; found before anything was written. */
export function damaged(path: string, state: string, cause?: unknown): ConfigError {
  return new ConfigError(`Cannot use ${path}: ${state}`, { cause, hint: recoverHint(path) });
}

/** For a row that nobody can have written, met in the midst of a run. */
export function damagedRow(path: string, id: number): FatalError {
  return new FatalError(`Cannot read row ${id} of ${path}: it is damaged. ${recoverHint(path)}`);
}

/** Takes up a database that was opened; where its tables are not what they seemed to be, it is closed. */
export function orClose<T>(db: DatabaseSync, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    db.close();
    throw openingError(path, error);
  }
}

/** What a failure before the first write becomes: the user has to act (`ConfigError`), unless it is a bug of ours. */
export function openingError(path: string, error: unknown): unknown {
  if (error instanceof ConfigError || error instanceof TransientError) return error;
  if (faultOf(error) === "corrupt") return damaged(path, messageOf(error), error);
  const fromSystem = typeof (error as { code?: unknown } | null)?.code === "string"; // ERR_SQLITE_ERROR, EACCES, ...
  return fromSystem ? new ConfigError(`Cannot open ${path}: ${messageOf(error)}`, { cause: error }) : error;
}

/**
 * What a failure in the midst of a run becomes: `TransientError` where waiting may help, `ConfigError` where the user must
 * give access back, `FatalError` for a file that is damaged or that somebody has changed, and a bug of ours as it is.
 */
export function runningError(path: string, error: unknown): unknown {
  const text = `Cannot write to ${path}: ${messageOf(error)}`;
  switch (faultOf(error)) {
    case "busy":
    case "no_space":
    case "io":
      return new TransientError(text, { cause: error });
    case "readonly":
    case "cannot_open":
      return new ConfigError(text, { cause: error });
    case "corrupt":
    case "constraint":
      return new FatalError(`${text}. ${recoverHint(path)}`, { cause: error });
    default:
      return isFromSqlite(error) ? new FatalError(text, { cause: error }) : error;
  }
}
