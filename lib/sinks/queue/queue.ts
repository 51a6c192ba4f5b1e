/**
 * A queue in a SQLite file: one program adds rows of records, others take them, each row for as long as its lease.
 *
 * @module
 */
import type { AnyEvent } from "../../atproto/event.ts";
import type { Cursor } from "../../pipeline/batch.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { delay } from "../../pipeline/retry.ts";
import { checkCursors, cursorsTable } from "../../state/cursors_table.ts";
import { orClose, runningError } from "../../state/sqlite_faults.ts";
import { inTransaction, lockWaiter } from "../../state/sqlite_transaction.ts";
import { ulids } from "../../state/ulid.ts";
import {
  LEASE_MS,
  leaseTable,
  type ReceiptOutcome,
  type ReleaseOptions,
  type TakenRow,
  type TakeOptions,
} from "./leases.ts";
import { listRows, type QueueListOptions, type QueueRow, type QueueStats, statsOf } from "./look.ts";
import { openQueueFile } from "./open.ts";
import { emptyLog, usedBytes } from "./size.ts";
import { purgeRows, type QueueSelection, requeueRows } from "./upkeep.ts";

/** Between two looks of a `take` that waits, in milliseconds. */
const LOOK_MS = 100;
import { DEFAULT_BATCH_SIZE, rowMaker } from "./rows.ts";

/** Options of {@link openQueue}. */
export interface OpenQueueOptions {
  /** Whether a file that is missing is made; its folder must be there. @default {false} */
  readonly create?: boolean;
  /** The most records of a row that `put` adds. @default {100} */
  readonly batchSize?: number;
  /** The id of this run, in the metadata of the rows that it adds. Default: a new one. */
  readonly run?: string;
  /** How long a call waits for another program's lock before it fails as transient, in milliseconds. @default {30000} */
  readonly busyTimeoutMs?: number;
  /** The clock, in milliseconds since 1970. */
  readonly now?: () => number;
}

/** A position that becomes true with the rows that are added. */
export interface QueuePosition {
  /** The state key. */
  readonly key: string;
  /** The text that only the source understands. */
  readonly cursor: Cursor;
  /** The source has come to its end. */
  readonly end?: boolean;
}

/** How rows are taken, and how long to wait for the first one. */
export interface WaitingTakeOptions extends TakeOptions {
  /** How long to wait while there is nothing to take, in milliseconds. @default {0} */
  readonly waitMs?: number;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

/** A queue that is open. */
export interface Queue extends AsyncDisposable {
  /** The file, as it was given. */
  readonly file: string;
  /**
   * Adds events as rows of `batchSize` records, and the position, in one transaction. Answers how many rows that made.
   *
   * @throws {TransientError} Where the disk is full, or another program keeps the file locked.
   */
  put(events: readonly AnyEvent[], position?: QueuePosition, signal?: AbortSignal): Promise<number>;
  /**
   * Leases the oldest rows that are pending, and puts those back before whose leases have ended. None: there is nothing to take.
   *
   * @throws The reason of `signal` when that aborts.
   */
  take(options?: WaitingTakeOptions): Promise<TakenRow[]>;
  /** Makes leases last for `leaseMs` from now. */
  extend(receipts: readonly string[], leaseMs?: number): Promise<ReceiptOutcome>;
  /** Rows are done: `completed`, or deleted at once. */
  ack(receipts: readonly string[], options?: { readonly remove?: boolean }): Promise<ReceiptOutcome>;
  /** Gives rows back. */
  release(receipts: readonly string[], options?: ReleaseOptions): Promise<ReceiptOutcome>;
  /** Rows can never be done: `failed`. */
  fail(receipts: readonly string[], error?: string): Promise<ReceiptOutcome>;
  /** Moves rows of other statuses to `pending`; their attempts begin anew. Answers how many. */
  requeue(selection: QueueSelection): Promise<number>;
  /** Deletes rows. Answers how many. */
  purge(selection: QueueSelection): Promise<number>;
  /** Gives the space of deleted rows back to the file system; it takes as much again while it lasts. */
  vacuum(): Promise<void>;
  /** Rows without their content, oldest first. */
  list(options?: QueueListOptions): Promise<QueueRow[]>;
  /** Counts and ages; reads the whole file. */
  stats(): Promise<QueueStats>;
  /** The saved position of `key`. */
  position(key: string): Cursor | undefined;
  /** Whether a run came to its end at that position. */
  ended(key: string): boolean;
  /** How many rows there are, whatever their status. */
  length(): number;
  /** What the file holds without its free pages, and the write-ahead log, in bytes. */
  usedBytes(): number;
  /** Empties the write-ahead log into the file, as far as readers let it. */
  emptyLog(): void;
}

/**
 * Opens the queue in `file`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const folder = await Deno.makeTempDir();
 * const origin = { source: "jetstream", wire: "v2", host: "example" } as const;
 * const [did, time_us] = ["did:plc:a", 1_700_000_000_000_000];
 * {
 *   await using queue = await openQueue(`${folder}/example.db`, { create: true });
 *   await queue.put([{ kind: "account", did, time_us, origin, account: { did, active: true } }]);
 *   const [row] = await queue.take({ leaseMs: 60_000 });
 *   assert.equal(JSON.parse(row!.payload!)[0].did, did);
 *   assert.deepEqual(await queue.ack([row!.receipt]), { done: ["1.1"], stale: [] });
 * }
 * await Deno.remove(folder, { recursive: true });
 * ```
 * @throws {ConfigError} Where there is none, or it cannot be used: nothing was written then.
 * @throws {TransientError} Where another program keeps it locked for longer than `busyTimeoutMs`.
 */
export async function openQueue(file: string, options: OpenQueueOptions = {}): Promise<Queue> {
  const { create = false, batchSize = DEFAULT_BATCH_SIZE, busyTimeoutMs = 30_000, now = Date.now } = options;
  if (!(Number.isInteger(batchSize) && batchSize >= 1 && batchSize <= 100_000)) {
    throw new ConfigError(`Cannot use batch size ${batchSize}: it must be an integer from 1 to 100000`);
  }
  const patiently = lockWaiter(file, { timeoutMs: busyTimeoutMs });
  const db = await openQueueFile(file, create, patiently);
  const toRows = rowMaker({ batchSize, run: options.run ?? ulids(now)() });
  const { insert, cursors, leases } = orClose(db, file, () => {
    checkCursors(db, file);
    return {
      insert: db.prepare("INSERT INTO queue (payload, metadata, created_at, status) VALUES (?, ?, ?, 'pending')"),
      cursors: cursorsTable(db),
      leases: leaseTable(db, file),
    };
  });

  /** Runs one transaction as often as another program's lock makes necessary. */
  async function commit<T>(work: () => T, signal?: AbortSignal): Promise<T> {
    try {
      return await patiently(() => inTransaction(db, work), signal);
    } catch (error) {
      throw runningError(file, error);
    }
  }

  /** Waits for locks, too: another program may have the file to itself. */
  async function read<T>(work: () => T): Promise<T> {
    try {
      return await patiently(work);
    } catch (error) {
      throw runningError(file, error);
    }
  }

  /** For what nobody waits for. */
  function look<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw runningError(file, error);
    }
  }

  async function take({ waitMs = 0, signal, ...options }: WaitingTakeOptions = {}): Promise<TakenRow[]> {
    const until = now() + waitMs;
    for (;;) {
      const rows = await commit(() => leases.take(options, now()), signal);
      const left = until - now();
      if (rows.length > 0 || left <= 0) return rows;
      await delay(Math.min(LOOK_MS, left), signal);
    }
  }

  return {
    file,
    take,
    extend: (receipts, leaseMs = LEASE_MS) => commit(() => leases.extend(receipts, now(), leaseMs)),
    ack: (receipts, { remove = false } = {}) =>
      commit(() => remove ? leases.remove(receipts) : leases.ack(receipts, now())),
    release: (receipts, options = {}) => commit(() => leases.release(receipts, now(), options)),
    fail: (receipts, error) => commit(() => leases.fail(receipts, now(), error)),
    requeue: (selection) => requeueRows(db, selection, now(), commit),
    purge: (selection) => purgeRows(db, selection, now(), commit),
    vacuum: () => read(() => db.exec("VACUUM")),
    list: (options = {}) => read(() => listRows(db, options)),
    stats: () => read(() => statsOf(db, file, now())),
    put(events, position, signal) {
      const time = now();
      const rows = toRows(events, time);
      return commit(() => {
        for (const { payload, metadata, created_at } of rows) insert.run(payload, metadata, created_at);
        if (position) cursors.save(position.key, position.cursor, position.end ? "done" : "running", time);
        return rows.length;
      }, signal);
    },
    position: (key) => look(() => cursors.load(key)),
    ended: (key) => look(() => cursors.ended(key)),
    length: () => look(() => db.prepare("SELECT count(*) AS n FROM queue").get()!.n as number),
    usedBytes: () => usedBytes(db, file),
    emptyLog: () => emptyLog(db),
    // deno-lint-ignore require-await -- what it throws must come by the promise
    async [Symbol.asyncDispose]() {
      if (db.isOpen) db.close();
    },
  };
}
