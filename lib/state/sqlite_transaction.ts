/**
 * Transactions of `node:sqlite` that wait for other programs without stopping this one.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { getLogger } from "@logtape/logtape";
import { TransientError } from "../pipeline/errors.ts";
import { delay } from "../pipeline/retry.ts";
import { faultOf } from "./sqlite_faults.ts";

const log = getLogger(["bskyingest", "sqlite"]);

/** How long SQLite itself waits for a lock, with the event loop standing still; enough for another writer's transaction. */
export const BUSY_TIMEOUT_MS = 50;

/** The pause between two attempts, in which sockets, timers and signals get their turn. */
const RETRY_MS = 100;

/** Options of {@link lockWaiter}; all in milliseconds. */
export interface LockWaiterOptions {
  /** How long one call waits before it gives up; default 30,000. */
  readonly timeoutMs?: number;
  /** The first warning comes after this time; default 5,000. */
  readonly warnAfterMs?: number;
  /** Further ones in this distance; default 60,000. */
  readonly warnEveryMs?: number;
}

/** Calls `attempt` until it meets no lock. Throws `TransientError` at the time limit, the reason of `signal` when that aborts. */
export type LockWaiter = <T>(attempt: () => T, signal?: AbortSignal) => Promise<T>;

/**
 * A way of waiting for a locked database. `PRAGMA busy_timeout = 30000` would do the same with the event loop standing
 * still: no pong, no signal, no progress line for half a minute. So SQLite waits {@link BUSY_TIMEOUT_MS} only, and the rest
 * is waited for here. One waiter serves one file, because its warnings go on over several calls.
 */
export function lockWaiter(path: string, options: LockWaiterOptions = {}): LockWaiter {
  const { timeoutMs = 30_000, warnAfterMs = 5_000, warnEveryMs = 60_000 } = options;
  let lockedSince: number | undefined;
  let nextWarning = 0;

  /** Counts from the first refusal, over calls that gave up. */
  function noteRefusal(): number {
    const now = performance.now();
    if (lockedSince === undefined) {
      lockedSince = now;
      nextWarning = now + warnAfterMs;
    }
    if (now >= nextWarning) {
      nextWarning = now + warnEveryMs;
      const seconds = Math.round((now - lockedSince) / 1000);
      log.warn("{path} has been locked by another program for {seconds} s, waiting", { path, seconds });
    }
    return now;
  }

  return async (attempt, signal) => {
    const started = performance.now();
    for (;;) {
      try {
        const result = attempt();
        lockedSince = undefined;
        return result;
      } catch (error) {
        if (faultOf(error) !== "busy") throw error;
        const waited = noteRefusal() - started;
        if (waited >= timeoutMs) {
          const text = `Cannot write to ${path}: another program has locked it for ${(waited / 1000).toFixed(1)} s`;
          throw new TransientError(text, { cause: error });
        }
      }
      await delay(RETRY_MS, signal);
    }
  };
}

/** Runs `work` between `BEGIN IMMEDIATE` and `COMMIT`; nothing of it stays when anything throws. */
export function inTransaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    rollBack(db);
    throw error;
  }
}

/** Takes everything back. A full disk or an I/O error has ended the transaction already. */
function rollBack(db: DatabaseSync): void {
  try {
    if (db.isTransaction) db.exec("ROLLBACK");
  } catch (error) {
    log.debug("ROLLBACK failed: {error}", { error }); // what led to it says more, and is thrown
  }
}
