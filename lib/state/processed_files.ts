/**
 * Which Megastream files are done, which failed, and how far those are that were begun.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { Cursor } from "../pipeline/batch.ts";
import { messageOf } from "../pipeline/errors.ts";
import type { CheckpointStore } from "../pipeline/sink.ts";
import { writeTextAtomic } from "./atomic_file.ts";
import { fileError } from "./files.ts";
import {
  failedAttempts,
  type FileEntry,
  type FileFacts,
  isChanged,
  mtimeOf,
  otherKeys,
  parseEntries,
  printEntries,
} from "./processed_entries.ts";
import { type KnownFile, knownFiles, type KnownFilesOptions, type ProcessedFigures } from "./processed_known.ts";

export type { KnownFile, ProcessedFigures } from "./processed_known.ts";
export { failedAttempts, type FileEntry, type FileFacts } from "./processed_entries.ts";

const log = getLogger(["bskyingest", "megastream"]);

/** The least time between two saves that nobody waits for. */
const SAVE_MS = 1_000;

/** How {@link openProcessedFiles} reads and writes. */
export interface ProcessedFilesOptions extends Pick<KnownFilesOptions, "timeOf" | "maxEntries"> {
  /** The name of the file with a time. */
  readonly nameOf: (us: number) => string;
  /** Never write: what happens is only remembered. For dry runs. @default {false} */
  readonly readOnly?: boolean;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** What became of rows that one run has settled. */
export interface FileCounts {
  /** All of them. */
  readonly rows: number;
  /** Those in the dead letter. */
  readonly rejected: number;
  /** Those that were left out on purpose. */
  readonly skipped: number;
}

/** How far one run got. */
export interface FileProgress extends FileCounts {
  /** A rowid as text. Anything else, such as `end`, is no row to go on from and leaves the saved one as it is. */
  readonly cursor: Cursor | undefined;
}

/** A file that was begun. Counts are those of this run: they are added to what earlier runs have settled. */
export interface BegunFile {
  /** The rowid after which to go on, as text; undefined: from the first row. */
  readonly cursor: Cursor | undefined;
  /**
   * Keeps the position of this file, for sinks that keep none; keys are not looked at. A final position is not saved: only
   * {@link processed} says so, which follows right behind.
   *
   * @param counts What is settled at the moment of a save.
   */
  checkpoints(counts: () => FileCounts): CheckpointStore;
  /** Notes how far it is; written if the last save is a second ago, else with the next one. */
  partial(progress: FileProgress): Promise<void>;
  /** Every row is durable in the sink or the dead letter, or was left out. On the disk when it resolves. @throws {TransientError} */
  processed(counts: FileCounts): Promise<void>;
  /**
   * It turned out to be bad. On the disk when it resolves.
   *
   * @param error `<code>: <detail>`.
   * @param progress Default: how far it was when that was last noted.
   * @throws {TransientError}
   */
  failed(error: string, progress?: FileProgress): Promise<void>;
}

/** The state of all files. */
export interface ProcessedFiles {
  /** Undefined: it is kept in memory only. */
  readonly path: string | undefined;
  readonly readOnly: boolean;
  /** What is known of the file with this name. */
  entry(name: string): FileEntry | undefined;
  /** Whether it is done with: it is processed and has not changed since, or it is older than all that is listed. */
  isProcessed(file: FileFacts): boolean;
  /** Whether another file had this name when it was last tried. Of what early ingex wrote nobody can tell: false. */
  isChanged(file: FileFacts): boolean;
  /** Failed and partial files, by time. */
  unfinished(): readonly KnownFile[];
  /** Counts. */
  figures(): ProcessedFigures;
  /**
   * Notes that a file is being read. Of one that has changed, all that was known is forgotten, on the disk too.
   *
   * @throws {ConfigError | TransientError} Where that cannot be written.
   */
  begin(file: FileFacts): Promise<BegunFile>;
  /** Writes what is not written yet. @throws {ConfigError | TransientError} The file is as before. */
  flush(): Promise<void>;
}

/**
 * Opens the state at `path`; the caller holds its lock. It is written atomically (0600) and made with the first save. Missing or
 * empty: nothing is processed yet.
 *
 * @param path Undefined: nothing is read or written.
 * @throws {ConfigError} Where the file is damaged or cannot be read.
 */
export async function openProcessedFiles(
  path: string | undefined,
  options: ProcessedFilesOptions,
): Promise<ProcessedFiles> {
  const { now = Date.now, readOnly = false } = options;
  const files = knownFiles(path === undefined ? [] : await readEntries(path, options.nameOf), { ...options, now });
  let unsaved = false, savedAt = -Infinity;
  let turn: Promise<void> = Promise.resolve();

  /** Saves take turns: two must not share a temporary file. What a running one has not seen is written by the next. */
  function flush(): Promise<void> {
    turn = turn.catch(() => {}).then(async () => {
      if (!unsaved || readOnly || path === undefined) return;
      unsaved = false;
      try {
        await writeTextAtomic(path, printEntries(files.fold()));
        savedAt = now();
      } catch (error) {
        unsaved = true;
        throw error;
      }
    });
    return turn;
  }

  function set(entry: FileEntry): void {
    files.set(entry);
    unsaved = true;
  }

  /** Of no consequence when it fails: a later save says the same. */
  async function saveSometimes(): Promise<void> {
    if (now() - savedAt < SAVE_MS) return;
    await flush().catch((error) => log.warn("Cannot save the state of files: {error}", { error: messageOf(error) }));
  }

  return {
    path,
    readOnly,
    entry: (name) => files.get(name)?.entry,
    isProcessed(file) {
      const entry = files.get(file.name)?.entry;
      if (entry) return entry.status === "processed" && !isChanged(entry, file);
      return file.timeUs <= files.lowWaterUs;
    },
    isChanged: (file) => isChanged(files.get(file.name)?.entry, file),
    unfinished: files.unfinished,
    figures: files.figures,
    async begin(file) {
      const before = files.get(file.name)?.entry;
      const changed = isChanged(before, file);
      const begun = beginFile(file, changed || before?.status === "processed" ? undefined : before, {
        set: ({ filename, status, ...rest }) =>
          set({ filename, status, timestamp: new Date(now()).toISOString(), ...rest, ...otherKeys(before) }),
        flush,
        saveSometimes,
      });
      if (changed) await flush();
      else await saveSometimes();
      return begun;
    },
    flush,
  };
}

async function readEntries(path: string, nameOf: ProcessedFilesOptions["nameOf"]): Promise<FileEntry[]> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw fileError("read processed files from", path, error);
  }
  if (text.trim() !== "") return parseEntries(text, path, nameOf);
  log.warn("{path} is empty: no file counts as processed", { path });
  return [];
}

/** Where an entry goes, without the time and the foreign keys. */
interface Saving {
  set(entry: Omit<FileEntry, "timestamp">): void;
  flush(): Promise<void>;
  saveSometimes(): Promise<void>;
}

/** @param before What earlier runs have left of the same file. */
function beginFile(file: FileFacts, before: FileEntry | undefined, { set, flush, saveSometimes }: Saving): BegunFile {
  const attempts = failedAttempts(before) + 1;
  const { rows = 0, rejected = 0, skipped = 0 } = before ?? {};
  let cursor = before?.cursor;
  let latest: FileCounts = { rows: 0, rejected: 0, skipped: 0 };

  function note(status: FileEntry["status"], counts: FileCounts, error?: string): void {
    latest = counts;
    set({
      filename: file.name,
      status,
      ...(error !== undefined && { error }),
      attempts,
      rows: rows + counts.rows,
      rejected: rejected + counts.rejected,
      skipped: skipped + counts.skipped,
      ...(status !== "processed" && cursor !== undefined && { cursor }),
      size: file.size,
      mtime: mtimeOf(file),
      ...(file.etag !== undefined && { etag: file.etag }),
    });
  }

  function advance(position: Cursor | undefined): void {
    if (position !== undefined && /^\d+$/.test(position)) cursor = Number(position);
  }

  note("partial", latest);
  const from = cursor === undefined ? undefined : String(cursor);
  return {
    cursor: from,
    checkpoints: (counts) => ({
      load: () => Promise.resolve(from),
      async save(_key, position, end) {
        if (end) return;
        advance(position);
        note("partial", counts());
        await flush();
      },
    }),
    async partial(progress) {
      advance(progress.cursor);
      note("partial", progress);
      await saveSometimes();
    },
    processed(counts) {
      note("processed", counts);
      return flush();
    },
    failed(error, progress) {
      advance(progress?.cursor);
      note("failed", progress ?? latest, error);
      return flush();
    },
  };
}
