/**
 * One Megastream file as a source.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import type { AnyEvent, Origin } from "../../atproto/event.ts";
import type { Batch, Cursor, Poison } from "../../pipeline/batch.ts";
import { ConfigError, type PoisonError, TransientError } from "../../pipeline/errors.ts";
import { batchStream, type Source } from "../../pipeline/source.ts";
import { openDatabase, type Slice } from "./database.ts";
import { BadFileError, type Row } from "./files.ts";
import { createRowCounters, readCounted, type RowCounters } from "./row_counters.ts";
import type { RowOptions } from "./rows.ts";

export { createRowCounters, type RowCounters } from "./row_counters.ts";

/** The position of a file all of whose rows are safe. */
export const END = "end";

/** A write is not kept waiting for more once it stands for so many bytes of rows. */
const GROUP_BYTES = 16 * 1024 * 1024;

/** Options of {@link megastreamFile}. */
export interface MegastreamFileOptions {
  /** Where the database lies, unpacked. */
  readonly path: string;
  /** The file's name, as events, dead letters and the key have it. */
  readonly name: string;
  /** Its time in microseconds since 1970. */
  readonly fileTimeUs: number;
  /** Under which its position is kept. @default {"megastream:" + name} */
  readonly key?: string;
  /** Statuses of inactive accounts that become events. @default {["deleted"]} */
  readonly purgeAccounts?: readonly string[];
  /** Read the column `inferences` too. @default {true} */
  readonly inferences?: boolean;
  /** Counts what the rows were. */
  readonly counters?: RowCounters;
  /** The most rows of a batch. @default {500} */
  readonly sliceRows?: number;
  /** The most bytes of a batch, but for its last row. @default {4194304} */
  readonly sliceBytes?: number;
}

/** A file as a source. */
export interface MegastreamFileSource extends Source<AnyEvent> {
  /** The highest rowid, once reading has begun: the number of rows where none was removed. Undefined where it cannot be read. */
  readonly last: number | undefined;
  /** The last row that was read; undefined before the first one. */
  readonly row: number | undefined;
  /**
   * Why the stream has ended before the last row: the database is damaged (`BadFileError`), or the disk failed (`TransientError`).
   * The stream ends without an error then, or the rows before it would not be written any more.
   */
  readonly failure: BadFileError | TransientError | undefined;
}

/**
 * The rows of a file as events. A position is the rowid of a row, or {@link END}. A row that cannot be used is poison, one that is
 * skipped counts as filtered. Where the database cannot be opened, the stream errors, with `BadFileError` or `TransientError`; where it
 * cannot be read to its end, the stream ends early: see `failure`.
 *
 * @example
 * ```ts ignore
 * import { megastreamFile, nullSink, runPipeline } from "@org/bskyingest";
 *
 * const source = megastreamFile({ path: "posts.db", name: "posts.db.zip", fileTimeUs: Date.now() * 1000 });
 * await using sink = nullSink();
 * await runPipeline({ source, sink });
 * if (source.failure) throw source.failure;
 * ```
 */
export function megastreamFile(options: MegastreamFileOptions): MegastreamFileSource {
  const progress: Progress = { last: undefined, row: undefined, failure: undefined };
  return {
    key: options.key ?? `megastream:${options.name}`,
    get last() {
      return progress.last;
    },
    get row() {
      return progress.row;
    },
    get failure() {
      return progress.failure;
    },
    open: ({ cursor, stop } = {}) => batchStream(stop, (stop) => readBatches(options, progress, cursor, stop)),
  };
}

/** How far reading is. */
interface Progress {
  last: number | undefined;
  row: number | undefined;
  failure: BadFileError | TransientError | undefined;
}

async function* readBatches(
  options: MegastreamFileOptions,
  progress: Progress,
  cursor: Cursor | undefined,
  stop: AbortSignal,
): AsyncGenerator<Batch<AnyEvent>, void> {
  const { inferences = true, sliceRows: rows = 500, sliceBytes: bytes = 4 * 1024 * 1024 } = options;
  if (cursor !== END) {
    const after = cursor === undefined ? undefined : rowOf(cursor, options.name);
    using database = openDatabase(options.path);
    progress.last = database.last;
    const read = rowReader(options, after);
    for (const slice of untilFailure(database.slices({ after, rows, bytes, inferences }), progress)) {
      yield* read(slice); // all of them, as its rows are counted
      progress.row = slice.rows.at(-1)!.row;
      await setImmediate(); // a sink may answer at once, and the rest of the program wants to run too
      if (stop.aborted) return;
    }
    if (progress.failure) return;
  }
  yield { items: [], cursor: END, end: true };
}

function* untilFailure(slices: Iterable<Slice>, progress: Progress): Generator<Slice, void> {
  try {
    yield* slices;
  } catch (error) {
    if (!(error instanceof BadFileError || error instanceof TransientError)) throw error;
    progress.failure = error;
  }
}

/** @throws {ConfigError} for what is no rowid. */
function rowOf(cursor: Cursor, name: string): number {
  const row = /^-?\d{1,16}$/.test(cursor) ? Number(cursor) : NaN;
  if (Number.isSafeInteger(row)) return row;
  throw new ConfigError(`Cannot read cursor "${cursor}" for ${name}: it must be a rowid or "${END}"`);
}

/** Makes batches of slices, each time at least one, the last of which ends with the slice. */
function rowReader(
  options: MegastreamFileOptions,
  after: number | undefined,
): (slice: Slice) => Batch<AnyEvent>[] {
  const { name: file, fileTimeUs, purgeAccounts = ["deleted"], counters = createRowCounters() } = options;
  const origin: Origin = Object.freeze({ source: "megastream", wire: "row", host: file });
  const rowOptions: RowOptions = { file, fileTimeUs, purgeAccounts, origin };
  let before = after;
  let waiting = 0;
  return ({ rows, bytes }) => {
    const batches: Batch<AnyEvent>[] = [];
    let draft = newDraft();
    for (const row of rows) {
      const read = readCounted(row, rowOptions, counters);
      // From a source, poison comes after every item of its batch.
      if ("event" in read && draft.poison.length > 0) {
        batches.push(finish(draft, before!));
        draft = newDraft();
      }
      if ("event" in read) {
        draft.items.push(read.event);
        draft.rows.push(row.row);
      } else if ("skip" in read) draft.skips.push(draft.items.length);
      else draft.poison.push(poisonOf(read.dead, row, before));
      before = row.row;
    }
    waiting += bytes;
    const urgent = waiting >= GROUP_BYTES;
    if (urgent) waiting = 0;
    return [...batches, { ...finish(draft, before!), ...(urgent && { urgent }) }];
  };
}

/** What becomes a batch. */
interface Draft {
  readonly items: AnyEvent[];
  /** The rowids of `items`. */
  readonly rows: number[];
  readonly poison: Poison[];
  /** For each row that is left out: how many items are there before it. */
  readonly skips: number[];
}

function newDraft(): Draft {
  return { items: [], rows: [], poison: [], skips: [] };
}

function finish({ items, rows, poison, skips }: Draft, last: number): Batch<AnyEvent> {
  return {
    items,
    cursor: String(last),
    ...(poison.length > 0 && { poison }),
    ...(skips.length > 0 && { filtered: skips.length }),
    filteredBehind(item) {
      const i = items.indexOf(item as AnyEvent);
      return skips.filter((before) => before > i).length;
    },
    cursorAfter(item) {
      const i = items.indexOf(item as AnyEvent);
      return i < 0 ? undefined : String(rows[i]);
    },
  };
}

/** The dead letter shows `raw_post` as what came, and tells the position before it, as with every other source. */
function poisonOf(error: PoisonError, { raw_post }: Row, before: number | undefined): Poison {
  const raw = typeof raw_post === "string" || raw_post instanceof Uint8Array ? raw_post : String(raw_post ?? "");
  return { error, raw, detail: { ...error.detail, position: before === undefined ? null : String(before) } };
}
