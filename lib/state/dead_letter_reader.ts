/**
 * Looking through a dead letter and clearing it up, while other processes go on appending. However large the file is, only
 * one entry at a time is in memory, and the ids of those that were retried.
 *
 * @module
 */
import { join } from "node:path";
import { ConfigError } from "../pipeline/errors.ts";
import { replaceFile } from "./atomic_file.ts";
import { openLocked } from "./dead_letter.ts";
import { fileError, writeAll } from "./files.ts";
import { deadLetterFolder } from "./paths.ts";

/** One entry as it was written. */
export interface DeadLetterEntry {
  /** A ULID. */
  readonly id: string;
  /** RFC 3339, UTC. */
  readonly at: string;
  /** The command that wrote it. */
  readonly command: string;
  /** Its state key. */
  readonly key: string;
  /** `source`, `filter`, or the sink's name. */
  readonly stage: string;
  /** A short code for grouping. */
  readonly reason: string;
  /** One sentence. */
  readonly error: string;
  /** The event, or the message with its place: the rest depends on `stage`. */
  readonly [member: string]: unknown;
}

/** Which entries are meant; all conditions must hold. */
export interface DeadLetterFilter {
  /** Exactly this reason. */
  readonly reason?: string | undefined;
  /** Exactly this stage. */
  readonly stage?: string | undefined;
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

/**
 * The entries of the dead letter at `path`, oldest first.
 *
 * @throws {ConfigError} where it cannot be read.
 */
export async function* listDeadLetter(path: string, options: ListDeadLetterOptions = {}): AsyncGenerator<ListedEntry> {
  using file = await openToRead(path);
  const { size } = await file.stat();
  const retried = await retriedIds(file, size);
  const { limit = Infinity } = options;
  let unreadable = 0, given = 0;
  for await (const line of linesOf(file, size)) {
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
  const goneMarks = new Set<string>(); // a mark always comes after its entry
  let removed = 0, kept = 0, unreadable = 0;

  function stays(line: Line | undefined): boolean {
    if (line === undefined) {
      if (!all) unreadable++;
      return !all;
    }
    if ("mark" in line) return !goneMarks.has(line.mark);
    const { entry } = line;
    if (gone(entry)) {
      removed++;
      if (retried.has(entry.id)) goneMarks.add(entry.id);
      return false;
    }
    kept++;
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

const NEWLINE = 0x0a;
const NEWLINE_BYTES = Uint8Array.of(NEWLINE);
const CHUNK_BYTES = 65_536;
const UTF8 = new TextDecoder("utf-8", { fatal: true });

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

/** The lines of the first `size` bytes, without their ends: what comes behind is still being written. */
async function* linesOf(file: Deno.FsFile, size: number): AsyncGenerator<Uint8Array> {
  await file.seek(0, Deno.SeekMode.Start);
  const chunk = new Uint8Array(CHUNK_BYTES);
  let parts: Uint8Array[] = [];
  for (let left = size; left > 0;) {
    const count = await file.read(chunk.subarray(0, Math.min(left, CHUNK_BYTES)));
    if (count === null) break;
    left -= count;
    let start = 0;
    for (let end; (end = chunk.subarray(0, count).indexOf(NEWLINE, start)) >= 0; start = end + 1) {
      yield joined([...parts, chunk.slice(start, end)]);
      parts = [];
    }
    if (start < count) parts.push(chunk.slice(start, count));
  }
  if (parts.length > 0) yield joined(parts);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** An entry, or a later word on an entry's state; the last one counts. */
type Line = { readonly entry: DeadLetterEntry } | { readonly mark: string; readonly state: string };

/** `undefined` for what is neither. */
function parseLine(line: Uint8Array): Line | undefined {
  let value: unknown;
  try {
    value = JSON.parse(UTF8.decode(line));
  } catch {
    return undefined;
  }
  const members = Object(value) as Record<string, unknown>;
  const { mark, state } = members;
  if (typeof mark === "string" && typeof state === "string") return { mark, state };
  const whole = ["id", "at", "stage", "reason", "error"].every((name) => typeof members[name] === "string");
  return whole ? { entry: members as DeadLetterEntry } : undefined;
}

function matches(entry: DeadLetterEntry, { reason, stage, since, before }: DeadLetterFilter): boolean {
  const at = Date.parse(entry.at);
  return (reason === undefined || entry.reason === reason) && (stage === undefined || entry.stage === stage) &&
    (since === undefined || at >= since) && (before === undefined || at < before);
}

async function retriedIds(file: Deno.FsFile, size: number): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for await (const line of linesOf(file, size)) {
    const parsed = parseLine(line);
    if (parsed === undefined || "entry" in parsed) continue;
    if (parsed.state === "retried") ids.add(parsed.mark);
    else ids.delete(parsed.mark);
  }
  return ids;
}
