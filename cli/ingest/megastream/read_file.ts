/**
 * One file: a run of the pipeline, and what became of its rows.
 *
 * @module
 */
import type { Passed } from "../../../lib/pipeline/counters.ts";
import { countRows } from "../../../lib/sources/megastream/count_rows.ts";
import { END, megastreamFile, type MegastreamFileSource } from "../../../lib/sources/megastream/file_source.ts";
import { BadFileError, type ListedFile, type LocalFile } from "../../../lib/sources/megastream/files.ts";
import { addRowCounters, createRowCounters, type RowCounters } from "../../../lib/sources/megastream/row_counters.ts";
import type { BegunFile, FileCounts } from "../../../lib/state/processed_files.ts";
import type { Delivery } from "../reading.ts";
import type { FileRun, PassesFigures } from "./options.ts";

/** How often it is noted how far a sink is that keeps the position itself, in milliseconds. */
const NOTE_MS = 1_000;

/** What changes while files are read. */
export interface Live {
  readonly figures: PassesFigures;
  /** Of all files of this run. */
  readonly rows: RowCounters;
  /** The file that is being read. */
  source: MegastreamFileSource | undefined;
}

/** How files are read. */
export interface FileReaderOptions {
  readonly delivery: Delivery;
  readonly live: Live;
  /** Under which a sink keeps the position of a file. */
  readonly keyOf: (file: ListedFile) => string;
  /** Statuses of accounts that count as deleted. */
  readonly purgeAccounts: readonly string[];
  /** Whether anybody wants the inferences. */
  readonly inferences: boolean;
  /** Told what was in a file, or in the part of it that was read. */
  readonly onRead?: (file: ListedFile, rows: RowCounters) => Promise<void>;
}

/** Makes `PassesOptions.run`. */
export function fileReader(
  options: FileReaderOptions,
): (file: ListedFile, local: LocalFile, begun: BegunFile) => Promise<FileRun> {
  const { delivery: { counters, positions, pipe }, live, keyOf, purgeAccounts, inferences, onRead } = options;
  return async (file, local, begun) => {
    const key = keyOf(file);
    const facts = { path: local.path, name: file.name, fileTimeUs: file.timeUs, purgeAccounts };
    // A sink that keeps positions may be ahead of what was noted.
    const start = await positions?.load(key);
    const earlier = await countRows({ ...facts, after: begun.cursor, upTo: start });
    const before = { ...counters.passed };
    const counts = () => added(earlier, counters.passed, before);
    if (start !== undefined) await begun.partial({ ...earlier, cursor: start });
    const noting = positions &&
      setInterval(() => begun.partial({ ...counts(), cursor: counters.cursors.get(key) }), NOTE_MS);
    const rows = createRowCounters();
    const source = live.source = megastreamFile({ ...facts, key, inferences, counters: rows });
    try {
      await pipe(source, positions ?? begun.checkpoints(counts));
    } finally {
      clearInterval(noting);
      live.source = undefined;
      addRowCounters(live.rows, rows);
    }
    await onRead?.(file, rows);
    const cursor = counters.cursors.get(key);
    const progress = { ...counts(), cursor };
    if (source.failure instanceof BadFileError) return { ...progress, ended: "bad", error: source.failure };
    if (source.failure) throw source.failure;
    if (cursor !== END) return { ...progress, ended: "stopped" };
    counters.cursors.delete(key); // there may be thousands of files
    return { ...progress, ended: "done" };
  };
}

/** What came to `earlier` between two moments. */
function added(earlier: FileCounts, now: Passed, before: Passed): FileCounts {
  return {
    rows: earlier.rows + now.events - before.events,
    rejected: earlier.rejected + now.deadLettered - before.deadLettered,
    skipped: earlier.skipped + now.filtered - before.filtered,
  };
}
