/**
 * What the source of a queue is told, and what it tells.
 *
 * @module
 */
import type { StoredRow } from "./decode.ts";

/** A row that was taken. */
export interface LeasedRow extends StoredRow {
  /** `<id>.<takes>`: what it is acknowledged or given back with. */
  readonly receipt: string;
  /** How often it was taken since it was last given a fresh start. */
  readonly attempts: number;
}

/** The part of a queue that is used: `openQueue` gives one. */
export interface RowQueue {
  /** Leases the oldest rows that are pending. None: there are none. Waits for `waitMs` while there is nothing to take. */
  take(options: {
    readonly count: number;
    readonly leaseMs: number;
    readonly consumer: string | undefined;
    readonly maxAttempts: number;
    readonly waitMs: number;
    readonly signal: AbortSignal;
  }): Promise<readonly LeasedRow[]>;
  /** Makes leases last for `leaseMs` from now. */
  extend(receipts: readonly string[], leaseMs: number): Promise<unknown>;
  /** Rows are done. `stale`: receipts that mean nothing any more. */
  ack(receipts: readonly string[]): Promise<{ readonly stale: readonly string[] }>;
  /** Gives rows back. */
  release(receipts: readonly string[]): Promise<unknown>;
}

/** Options of `queueSource`. */
export interface QueueSourceOptions {
  /** What is read; the source does not close it. */
  readonly queue: RowQueue;
  /** The queue's name: events say that they came from there. */
  readonly name: string;
  /** Ends when there is nothing to take. Default: waits for more. */
  readonly once?: boolean;
  /** Rows of one take; default 10. */
  readonly count?: number;
  /** How long a row stays with a process that is gone, in milliseconds; default 300,000. */
  readonly leaseMs?: number;
  /** Who takes rows, for the lists. */
  readonly consumer?: string | undefined;
  /** A row whose lease has ended so often is `failed`; default 5. */
  readonly maxAttempts?: number;
}

/** What was counted. */
export interface QueueSourceFigures {
  /** Rows taken, those that were taken before included. */
  readonly read: number;
  /** Rows that were taken before, by whomever. */
  readonly redelivered: number;
  /** Rows that were acknowledged. */
  readonly acknowledged: number;
  /** Rows that were somebody else's, or gone, when they were to be acknowledged. */
  readonly stale: number;
}

/** What counts where nothing is said. */
export const DEFAULTS = {
  once: false,
  count: 10,
  leaseMs: 300_000,
  maxAttempts: 5,
};
