/**
 * What rows were that an earlier run has settled and could not count any more.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import type { Origin } from "../../atproto/event.ts";
import type { Cursor } from "../../pipeline/batch.ts";
import { openDatabase } from "./database.ts";
import { createRowCounters, readCounted, type RowCounters } from "./row_counters.ts";
import type { RowOptions } from "./rows.ts";

/** Which rows {@link countRows} counts. */
export interface CountRowsOptions extends Pick<RowOptions, "fileTimeUs" | "purgeAccounts"> {
  /** Where the database lies, unpacked. */
  readonly path: string;
  /** The file's name. */
  readonly name: string;
  /** The rowid behind which it begins; undefined: at the first one. */
  readonly after: Cursor | undefined;
  /** The rowid of the last one. Anything else, such as `end`: none is counted. */
  readonly upTo: Cursor | undefined;
}

/** Rows by what became of them. */
export interface RowSums {
  /** All of them. */
  readonly rows: number;
  /** Those that cannot be used. */
  readonly rejected: number;
  /** Those that are left out on purpose. */
  readonly skipped: number;
}

/** Slices of the size that a source reads them in; nothing else happens meanwhile. */
const SLICE = { rows: 500, bytes: 4 * 1024 * 1024, inferences: false };

/**
 * Counts rows behind one position, up to another one.
 *
 * @throws {BadFileError | TransientError} As reading the file does.
 */
export async function countRows(options: CountRowsOptions): Promise<RowSums> {
  const { path, name: file, after, upTo, fileTimeUs, purgeAccounts } = options;
  const [first, last] = [after, upTo].map((cursor) => cursor === undefined ? undefined : Number(cursor));
  const counters = createRowCounters();
  if (last === undefined || !Number.isSafeInteger(last) || (first !== undefined && last <= first)) {
    return sumsOf(counters);
  }
  const origin: Origin = Object.freeze({ source: "megastream", wire: "row", host: file });
  using database = openDatabase(path);
  for (const { rows } of database.slices({ ...SLICE, after: first })) {
    for (const row of rows) {
      if (row.row > last) return sumsOf(counters);
      readCounted(row, { file, fileTimeUs, purgeAccounts, origin }, counters);
    }
    await setImmediate();
  }
  return sumsOf(counters);
}

function sumsOf({ rows, rejected, skipped }: RowCounters): RowSums {
  const sum = (counts: ReadonlyMap<string, number>) => counts.values().reduce((sum, count) => sum + count, 0);
  return { rows, rejected: sum(rejected), skipped: sum(skipped) };
}
