/**
 * The default sink: a SQLite file with a log of events in the order of their arrival, views that a person can read, and the
 * position in the same transaction as the events that it stands for.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { getLogger } from "@logtape/logtape";
import type { AnyEvent, AtEvent } from "../atproto/event.ts";
import type { CheckpointStore, Recall, Rejection, Sink, SinkBatch } from "../pipeline/sink.ts";
import { checkCursors, cursorsTable } from "../state/cursors_table.ts";
import { recordGap } from "../state/gaps.ts";
import { openingError, orClose, runningError } from "../state/sqlite_faults.ts";
import { inTransaction, lockWaiter } from "../state/sqlite_transaction.ts";
import { inserter } from "./sqlite/insert.ts";
import { knownIn } from "./sqlite/known.ts";
import { checkTable, DEFAULT_TABLE } from "./sqlite/names.ts";
import { hasIndex, openDatabase } from "./sqlite/open.ts";
import { recallFrom } from "./sqlite/recall.ts";
import { retention } from "./sqlite/retention.ts";
import { checkIndexes, DEFAULT_INDEXES, type SqliteIndex } from "./sqlite/schema.ts";
import { fileWatch } from "./sqlite/watch.ts";

export { readSqlitePosition } from "../state/cursors_table.ts";
export { DEFAULT_TABLE } from "./sqlite/names.ts";
export { DEFAULT_INDEXES, SQLITE_INDEXES, type SqliteIndex } from "./sqlite/schema.ts";

const log = getLogger(["bskyingest", "sqlite"]);

/** Options of {@link sqliteSink}. */
export interface SqliteSinkOptions {
  /** The file; made when it is missing, its folder must exist. */
  readonly path: string;
  /** The log's name: `[A-Za-z_][A-Za-z0-9_]{0,63}`, default `events`. Another name prefixes views and indices. */
  readonly table?: string;
  /** Which indices the log gets; counts when it is made, never later. Default `time` and `changed`. */
  readonly indexes?: readonly SqliteIndex[];
  /** Events older than this many milliseconds are deleted; default: none. */
  readonly retentionMs?: number | undefined;
  /** The clock, in milliseconds since 1970. */
  readonly now?: () => number;
  /** How long a write waits for another program's lock before it fails as transient, in milliseconds; default 30,000. */
  readonly busyTimeoutMs?: number;
  /** How often a write looks whether the file is still there, in milliseconds; default 10,000. */
  readonly checkFileMs?: number;
  /** The longest text that is stored, in bytes; default and at most what SQLite can, 1,000,000,000. */
  readonly maxTextBytes?: number;
}

/** The sink, and what a user wants to read of it. */
export interface SqliteSink extends Sink<AnyEvent> {
  /** The table `cursors` of the file. */
  readonly checkpoints: CheckpointStore;
  /** Events as `dedupeKey` needs them, without their records. */
  readonly recall: Recall<AtEvent>;
  /** By `dedupeKey`; quick where the log has its index on `time_us`. */
  readonly known: NonNullable<Sink<AnyEvent>["known"]>;
  /** The file, as it was given. */
  readonly path: string;
  /** For the start line: `sqlite ./bskyingest.db`. */
  readonly describe: string;
}

/**
 * Opens a SQLite file as a sink. One batch is one transaction: its rows, its cursor, its gaps.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const folder = await Deno.makeTempDir();
 * {
 *   await using sink = await sqliteSink({ path: `${folder}/events.db` });
 *   await sink.checkpoints.save("jetstream", "42");
 *   assert.equal(await sink.checkpoints.load("jetstream"), "42");
 * }
 * await Deno.remove(folder, { recursive: true });
 * ```
 * @throws {ConfigError} Where the file cannot be made or used, with what is in it untouched.
 * @throws {TransientError} Where another program keeps it locked for longer than `busyTimeoutMs`.
 */
export async function sqliteSink(options: SqliteSinkOptions): Promise<SqliteSink> {
  const { path, table = DEFAULT_TABLE, indexes = DEFAULT_INDEXES, busyTimeoutMs = 30_000 } = options;
  const { now = Date.now, checkFileMs = 10_000, retentionMs, maxTextBytes } = options;
  checkTable(table);
  checkIndexes(indexes);
  const patiently = lockWaiter(path, { timeoutMs: busyTimeoutMs });
  const db = await openDatabase({ path, table, indexes, patiently });
  if (maxTextBytes !== undefined) limitTexts(db, maxTextBytes);
  const watch = fileWatch(path, { everyMs: checkFileMs, now });
  const { forgetOld, writer, recall, known } = orClose(db, path, () => {
    checkCursors(db, path);
    return {
      forgetOld: retentionMs === undefined ? undefined : retention(db, { table, retentionMs, now }),
      writer: batchWriter(db, table, now),
      recall: recallFrom(db, table, hasIndex(db, table, "time")),
      known: knownIn(db, table),
    };
  });

  /** Runs one transaction as often as another program's lock makes necessary. */
  async function commit<T>(work: () => T, signal?: AbortSignal): Promise<T> {
    try {
      watch.tick();
      return await patiently(work, signal);
    } catch (error) {
      watch.check(); // a file that is gone says more than what SQLite makes of it
      throw runningError(path, error);
    }
  }

  /** Reads come before the first write of a run, so their failures are those of a start. */
  // deno-lint-ignore require-await -- what it throws must come by the promise
  async function read<T>(work: () => T): Promise<T> {
    try {
      return work();
    } catch (error) {
      throw openingError(path, error);
    }
  }

  return {
    name: "sqlite",
    path,
    describe: `sqlite ${path}`,
    async write(batch, { signal }) {
      const { items, cursor, gaps } = batch;
      if (items.length === 0 && cursor === undefined && !gaps?.length) return { rejected: [] };
      const rejected = await commit(() => writer.write(batch), signal);
      forgetOld?.();
      return { rejected };
    },
    checkpoints: {
      load: (key) => read(() => writer.load(key)),
      ended: (key) => read(() => writer.ended(key)),
      save: (key, cursor, end = false) => commit(() => writer.save(key, cursor, end)),
    },
    recall: (since, limit) => read(() => recall(since, limit)),
    known: (events, withinUs) => commit(() => known(events, withinUs)),
    // deno-lint-ignore require-await -- what it throws must come by the promise
    async [Symbol.asyncDispose]() {
      if (!db.isOpen) return;
      close(db, path);
      watch.check();
    },
  };
}

/** `limits` is there, but not in Deno's types yet. */
function limitTexts(db: DatabaseSync, bytes: number): void {
  (db as unknown as { limits: { length: number } }).limits.length = bytes;
}

/** Thrown inside a transaction to take it back. */
const TAKE_BACK = Symbol("take back");

/** Writes batches, each in one transaction. */
function batchWriter(db: DatabaseSync, table: string, now: () => number) {
  const rows = inserter(db, table);
  const cursors = cursorsTable(db);
  const stateOf = (end: boolean | undefined) => end ? "done" : "running";

  function write({ items, cursor, key, gaps, end }: SinkBatch<AnyEvent>): readonly Rejection[] {
    let rejected: readonly Rejection[] = [];
    try {
      inTransaction(db, () => {
        rejected = rows.insert(items);
        if (rejected.length > 0) throw TAKE_BACK;
        for (const gap of gaps ?? []) recordGap(db, key, gap, now());
        if (cursor !== undefined) cursors.save(key, cursor, stateOf(end), now());
      });
    } catch (error) {
      rows.forget();
      if (error !== TAKE_BACK) throw error;
    }
    return rejected;
  }

  return {
    write,
    load: cursors.load,
    ended: cursors.ended,
    save: (key: string, cursor: string, end: boolean) =>
      inTransaction(db, () => cursors.save(key, cursor, stateOf(end), now())),
  };
}

/** Leaves one file: what waits in the write-ahead log is copied into it, and SQLite removes the log with the last connection. */
function close(db: DatabaseSync, path: string): void {
  try {
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } catch (error) {
    // Nothing is lost: the next run, or any program that opens the file, finds the log beside it.
    log.warn("{path}-wal stays: {error}", { path, error });
  } finally {
    db.close();
  }
}
