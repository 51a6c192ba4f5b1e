/**
 * Looking through a dead letter and clearing it up, while other processes go on appending. However large the file is, only
 * one entry at a time is in memory, and the ids of those that were retried.
 *
 * @module
 */
import { join } from "node:path";
import { ConfigError } from "../pipeline/errors.ts";
import { replaceFile } from "./atomic_file.ts";
import { openLocked } from "./dead_letter_file.ts";
import {
  CHUNK_BYTES,
  type DeadLetterEntry,
  joined,
  type Line,
  linesOf,
  NEWLINE,
  parseLine,
  retriedIds,
} from "./dead_letter_lines.ts";
import { fileError, writeAll } from "./files.ts";
import { deadLetterFolder } from "./paths.ts";

/** Which entries are meant; all conditions must hold. */
export interface DeadLetterFilter {
  /** Exactly this reason. */
  readonly reason?: string | undefined;
  /** Exactly this stage. */
  readonly stage?: string | undefined;
  /** One of these ids. */
  readonly ids?: ReadonlySet<string> | undefined;
  /** Written at this time or later, in milliseconds since 1970. */
  readonly since?: number | undefined;
  /** Written earlier than this time, in milliseconds since 1970. */
  readonly before?: number | undefined;
}

/** What {@link listDeadLetter} gives. */
export interface ListDeadLetterOptions extends DeadLetterFilter {
  /** Those that were retried too. */
  readonly all?: boolean;
  /** At most so many, the oldest ones. Default: no limit. */
  readonly limit?: number | undefined;
  /** Told at the end how many lines could not be read (an entry cut off by a kill, or damaged). */
  readonly onUnreadable?: (lines: number) => void;
}

/** An entry, and whether it was dealt with. */
export interface ListedEntry {
  /** As it was written. */
  readonly entry: DeadLetterEntry;
  /** What its last mark says. */
  readonly state: "open" | "retried";
}

/** What {@link purgeDeadLetter} removes. Conditions must be given, or `all`. */
export interface PurgeDeadLetterOptions extends DeadLetterFilter {
  /** Only those that were retried. */
  readonly retried?: boolean;
  /** Everything, lines that cannot be read included. */
  readonly all?: boolean;
}

/** What {@link purgeDeadLetter} did. */
export interface PurgeResult {
  /** Entries removed. */
  readonly removed: number;
  /** Entries kept. */
  readonly kept: number;
  /** Lines kept that cannot be read. */
  readonly unreadable: number;
}

/** A dead letter at one moment: what is appended later is not part of it, a purge leaves it as it was. */
export interface DeadLetterSnapshot extends Disposable {
  /** The entries, oldest first, however often they are asked for; only one such walk at a time. */
  entries(options?: ListDeadLetterOptions): AsyncGenerator<ListedEntry>;
}

/**
 * Opens the dead letter at `path` to be read more than once.
 *
 * @throws {ConfigError} where it cannot be read.
 */
export async function openSnapshot(path: string): Promise<DeadLetterSnapshot> {
  const file = await openToRead(path);
  try {
    const { size } = await file.stat();
    const retried = await retriedIds(file, size);
    return {
      entries: (options = {}) => walk(linesOf(file, size), retried, options),
      [Symbol.dispose]: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * The entries of the dead letter at `path`, oldest first.
 *
 * @throws {ConfigError} where it cannot be read.
 */
export async function* listDeadLetter(path: string, options: ListDeadLetterOptions = {}): AsyncGenerator<ListedEntry> {
  using snapshot = await openSnapshot(path);
  yield* snapshot.entries(options);
}

async function* walk(
  lines: AsyncIterable<Uint8Array>,
  retried: ReadonlySet<string>,
  options: ListDeadLetterOptions,
): AsyncGenerator<ListedEntry> {
  const { limit = Infinity } = options;
  let unreadable = 0, given = 0;
  for await (const line of lines) {
    const parsed = parseLine(line);
    if (parsed === undefined) unreadable++;
    if (parsed === undefined || "mark" in parsed || given >= limit) continue;
    const { entry } = parsed;
    const state = retried.has(entry.id) ? "retried" : "open";
    if ((state === "retried" && !options.all) || !matches(entry, options)) continue;
    given++;
    yield { entry, state };
  }
  options.onUnreadable?.(unreadable);
}

/**
 * The entries with these ids, in the order of the file.
 *
 * @throws {ConfigError} where one is missing, or the file cannot be read.
 */
export async function showDeadLetter(path: string, ids: readonly string[]): Promise<ListedEntry[]> {
  const wanted = new Set(ids);
  const found: ListedEntry[] = [];
  for await (const listed of listDeadLetter(path, { all: true })) {
    if (wanted.has(listed.entry.id)) found.push(listed);
  }
  const there = new Set(found.map(({ entry }) => entry.id));
  const missing = ids.find((id) => !there.has(id));
  if (missing !== undefined) throw new ConfigError(`Cannot show "${missing}": ${path} has no such entry`);
  return found;
}

/**
 * Removes entries, and the marks that belong to them. The file is rewritten under its lock and replaced atomically, so that no
 * process that appends meanwhile loses anything.
 *
 * @throws {ConfigError} without any condition; where the file cannot be read or written. @throws {TransientError} disk full: the
 * file is as before.
 */
export async function purgeDeadLetter(path: string, options: PurgeDeadLetterOptions): Promise<PurgeResult> {
  const { all, retried: onlyRetried, ...filter } = options;
  if (!all && !onlyRetried && Object.values(filter).every((condition) => condition === undefined)) {
    throw new ConfigError(`Cannot purge ${path}: no filter was given`, { hint: "To remove every entry, say --all" });
  }
  using file = await openToRewrite(path);
  const { size } = await file.stat();
  const retried = await retriedIds(file, size);
  const gone = (entry: DeadLetterEntry) => (!onlyRetried || retried.has(entry.id)) && matches(entry, filter);
  const marked = new Set<string>(); // entries that stay and have marks, which always come after them
  let removed = 0, kept = 0, unreadable = 0;

  function stays(line: Line | undefined): boolean {
    if (line === undefined) {
      if (!all) unreadable++;
      return !all;
    }
    if ("mark" in line) return marked.has(line.mark);
    const { entry } = line;
    if (gone(entry)) {
      removed++;
      return false;
    }
    kept++;
    if (retried.has(entry.id)) marked.add(entry.id);
    return true;
  }

  await replaceFile(path, async (target) => {
    let waiting: Uint8Array[] = [], bytes = 0;
    for await (const line of linesOf(file, size)) {
      if (!stays(parseLine(line))) continue;
      waiting.push(line, NEWLINE_BYTES);
      bytes += line.length + 1;
      if (bytes < CHUNK_BYTES) continue;
      await writeAll(target, joined(waiting));
      [waiting, bytes] = [[], 0];
    }
    await writeAll(target, joined(waiting));
  });
  return { removed, kept, unreadable };
}

/**
 * The only dead letter in the state folder.
 *
 * @throws {ConfigError} where there is none, or several.
 */
export async function onlyDeadLetter(stateFolder: string): Promise<string> {
  const folder = deadLetterFolder(stateFolder);
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) if (/^[^.].*\.ndjson$/.test(name)) names.push(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw fileError("read", folder, error);
  }
  const [only] = names.sort();
  if (only === undefined) throw new ConfigError(`Cannot find a dead letter: there is none in ${folder}`);
  if (names.length === 1) return join(folder, only);
  const keys = names.map((name) => name.slice(0, -".ndjson".length)).join(", ");
  throw new ConfigError(`Cannot choose a dead letter in ${folder}: there are several (${keys})`, {
    hint: "Name one with --state-key or --dead-letter",
  });
}

export type { DeadLetterEntry } from "./dead_letter_lines.ts";

const NEWLINE_BYTES = Uint8Array.of(NEWLINE);

async function openToRead(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (error) {
    throw fileError("read the dead letter", path, error);
  }
}

async function openToRewrite(path: string): Promise<Deno.FsFile> {
  try {
    return await openLocked(path, undefined, false);
  } catch (error) {
    throw fileError("purge the dead letter", path, error);
  }
}

function matches({ id, at, reason, stage }: DeadLetterEntry, wanted: DeadLetterFilter): boolean {
  const { ids, since = -Infinity, before = Infinity } = wanted;
  const time = Date.parse(at);
  return (wanted.reason === undefined || reason === wanted.reason) &&
    (wanted.stage === undefined || stage === wanted.stage) && (ids === undefined || ids.has(id)) &&
    time >= since && time < before;
}
