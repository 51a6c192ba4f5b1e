/**
 * The entries of all files in memory, with their times; the oldest ones become one.
 *
 * @module
 */
import { ConfigError } from "../pipeline/errors.ts";
import { type FileEntry, otherKeys } from "./processed_entries.ts";

/** How {@link knownFiles} tells the times of files. */
export interface KnownFilesOptions {
  /** The time that a file's name gives, in microseconds since 1970; undefined: it gives none. */
  readonly timeOf: (name: string) => number | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Entries kept. @default {20000} */
  readonly maxEntries?: number;
}

/** An entry and its time in microseconds since 1970: its name gives it, else when the file was last modified. */
export interface KnownFile {
  readonly entry: FileEntry;
  readonly timeUs: number | undefined;
}

/** What is known of all files together. */
export interface ProcessedFigures {
  /** Those that were folded are not counted. */
  readonly processed: number;
  readonly failed: number;
  readonly partial: number;
  /** The time of the newest processed file, in microseconds since 1970. */
  readonly newestUs: number | undefined;
}

/** The entries by name. */
export interface KnownFiles {
  get(name: string): KnownFile | undefined;
  set(entry: FileEntry): void;
  /** Every file with this time or an earlier one counts as processed unless it has an entry: microseconds, or -Infinity. */
  readonly lowWaterUs: number;
  /** Failed and partial files, by time. */
  unfinished(): KnownFile[];
  figures(): ProcessedFigures;
  /** What to write, once the oldest processed files beyond the limit have become one entry. */
  fold(): FileEntry[];
}

/** @throws {ConfigError} Where nobody can tell which time the low water has. */
export function knownFiles(entries: readonly FileEntry[], options: KnownFilesOptions): KnownFiles {
  const { timeOf, now, maxEntries = 20_000 } = options;
  const byName = new Map<string, KnownFile>();
  let low: KnownFile | undefined;

  const known = (entry: FileEntry): KnownFile => {
    const modified = entry.mtime === undefined ? NaN : Date.parse(entry.mtime) * 1000;
    return { entry, timeUs: timeOf(entry.filename) ?? (Number.isNaN(modified) ? undefined : modified) };
  };
  for (const entry of entries) {
    if (entry.status === "low_water") low = known(entry);
    else byName.set(entry.filename, known(entry));
  }
  if (low && low.timeUs === undefined) {
    throw new ConfigError(
      `Cannot read processed files: the name "${low.entry.filename}" of the low water gives no time`,
    );
  }

  /** An entry whose time nobody knows stays. */
  function foldOldest(): void {
    if (byName.size + (low ? 1 : 0) <= maxEntries) return;
    const excess = byName.size + 1 - maxEntries;
    const timed = [...byName.values()].filter(({ entry, timeUs }) =>
      entry.status === "processed" && timeUs !== undefined
    );
    const oldest = timed.sort(byTime).slice(0, excess);
    for (const { entry } of oldest) byName.delete(entry.filename);
    const newest = oldest.at(-1);
    if (newest === undefined || newest.timeUs! <= (low?.timeUs ?? -Infinity)) return;
    const { filename, mtime } = newest.entry;
    const entry: FileEntry = {
      filename,
      status: "low_water",
      timestamp: new Date(now()).toISOString(),
      ...(timeOf(filename) === undefined && mtime !== undefined && { mtime }),
      ...otherKeys(low?.entry),
    };
    low = { entry, timeUs: newest.timeUs };
  }

  return {
    get: (name) => byName.get(name),
    set: (entry) => void byName.set(entry.filename, known(entry)),
    get lowWaterUs() {
      return low?.timeUs ?? -Infinity;
    },
    unfinished: () => [...byName.values()].filter(({ entry }) => entry.status !== "processed").sort(byTime),
    figures: () => figuresOf(byName.values(), low?.timeUs),
    fold() {
      foldOldest();
      return [...low ? [low] : [], ...byName.values()].map(({ entry }) => entry);
    },
  };
}

function figuresOf(files: Iterable<KnownFile>, lowWaterUs: number | undefined): ProcessedFigures {
  const counts = { processed: 0, failed: 0, partial: 0, low_water: 0 };
  let newestUs = lowWaterUs;
  for (const { entry, timeUs } of files) {
    counts[entry.status]++;
    if (entry.status === "processed" && timeUs !== undefined) newestUs = Math.max(newestUs ?? timeUs, timeUs);
  }
  const { processed, failed, partial } = counts;
  return { processed, failed, partial, newestUs };
}

/** Those without a time come last. */
function byTime(a: KnownFile, b: KnownFile): number {
  const [x, y] = [a.timeUs ?? Infinity, b.timeUs ?? Infinity];
  if (x !== y) return x < y ? -1 : 1;
  return a.entry.filename < b.entry.filename ? -1 : 1;
}
