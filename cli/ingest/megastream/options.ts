/**
 * What passes over files are given, and what they tell.
 *
 * @module
 */
import type { Backoff } from "../../../lib/pipeline/retry.ts";
import type { BadFileError, FileStore, ListedFile, LocalFile } from "../../../lib/sources/megastream/files.ts";
import type { BegunFile, FileProgress, ProcessedFiles } from "../../../lib/state/processed_files.ts";
import type { Clock } from "./clock.ts";

/** What one run of a file led to; counts are of this run only. */
export type FileRun =
  & FileProgress
  & (
    /** All its rows are settled, or it was left before that because the run is to end. */
    | { readonly ended: "done" | "stopped" }
    /** It cannot be read any further. */
    | { readonly ended: "bad"; readonly error: BadFileError }
  );

/** How {@link runPasses} works. */
export interface PassesOptions {
  readonly store: FileStore;
  /** Where it is kept what became of each file. Of a dry run it is read-only: then nothing is removed or recorded either. */
  readonly state: ProcessedFiles;
  /** Fetches a file and unpacks its database. What it returns is disposed of once the file is read. */
  readonly open: (file: ListedFile, options: { readonly signal: AbortSignal }) => Promise<LocalFile>;
  /**
   * Reads a file into the sink, until its end or until `stop` aborts. A `BadFileError` that it throws counts as `bad` without any
   * row; whatever else it throws ends the run, and the file goes on at its position the next time.
   */
  readonly run: (file: ListedFile, local: LocalFile, begun: BegunFile) => Promise<FileRun>;
  /** Whether a sink that keeps positions has all of a file already. */
  readonly isDone?: (file: ListedFile) => Promise<boolean>;
  /** Has a sink that keeps positions forget the one of this file: it is another file now, with the same name. Durable when it resolves. */
  readonly forget?: (file: ListedFile) => Promise<void>;
  /** Told once a run of each file that should be there and is not. */
  readonly onVanished?: (name: string) => Promise<void>;
  /** One listing, or one after the other until `stop` aborts. */
  readonly mode: "once" | "spool";
  /** Between two passes, in milliseconds. */
  readonly intervalMs: number;
  /** Earlier files are left alone: microseconds since 1970. */
  readonly boundUs?: number | undefined;
  /** How far behind the newest processed file later passes list, in microseconds. Default: everything. */
  readonly lateWindowUs?: number | undefined;
  /** What a bad file leads to. */
  readonly onBadFile: "skip" | "fail";
  /** Passes in which a bad file is tried; 0 = no limit. */
  readonly maxAttempts: number;
  /** Try bad files in the first pass whatever they have been through. */
  readonly retryFailed: boolean;
  /** Remove a file from the store once it is processed. */
  readonly deleteAfter: boolean;
  /** Aborting ends the run: no further file is begun. */
  readonly stop: AbortSignal;
  readonly clock?: Clock;
  /** When to repeat what is transient. It is tried for ever. Default: full jitter. */
  readonly backoff?: Backoff;
  /** Filled while running. */
  readonly figures?: PassesFigures;
}

/** Live figures, for progress, summary and metrics. */
export interface PassesFigures {
  /** Files by what became of them. `failed` and `partial` are those of the state, `ignored` and `not_ready` those of the last pass. */
  readonly files: {
    eligible: number;
    processed: number;
    failed: number;
    partial: number;
    ignored: number;
    not_ready: number;
  };
  /** The file that is being read, and which of how many in this pass it is. */
  current: { readonly file: ListedFile; readonly number: number; readonly of: number } | undefined;
  /** Bytes of the files of this pass that come after `current`. */
  bytesLeft: number;
  /** Bytes of all files that were read to their end. */
  bytesDone: number;
  /** When the next pass begins, in milliseconds since 1970; undefined: one is running. */
  nextPassAt: number | undefined;
  /** The time of the newest file that was listed, in microseconds since 1970. */
  newestUs: number | undefined;
}

/** A file that is failed at the end of a run. */
export interface FailedFile {
  readonly name: string;
  /** `<code>: <detail>`. */
  readonly error: string;
  readonly attempts: number;
  /** Whether this run tried it. */
  readonly tried: boolean;
}

/** How a run ended by itself. */
export interface PassesResult {
  /** `bad_file`: there was one, and `onBadFile` is `fail`. */
  readonly endedBy: "done" | "stopped" | "bad_file";
  readonly figures: PassesFigures;
  /** By time. */
  readonly failed: readonly FailedFile[];
}

/** All zero. */
export function createPassesFigures(): PassesFigures {
  return {
    files: { eligible: 0, processed: 0, failed: 0, partial: 0, ignored: 0, not_ready: 0 },
    current: undefined,
    bytesLeft: 0,
    bytesDone: 0,
    nextPassAt: undefined,
    newestUs: undefined,
  };
}

/** The options, complete, and what is known of this run. */
export interface Run extends Omit<PassesOptions, "isDone"> {
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly figures: PassesFigures;
  readonly isDone: (file: ListedFile) => Promise<boolean>;
  /** Whether the sink keeps positions. */
  readonly keepsPositions: boolean;
  /** Names of files that were eligible, that turned out to be bad, that are gone. */
  readonly eligible: Set<string>;
  readonly tried: Set<string>;
  readonly vanished: Set<string>;
}
