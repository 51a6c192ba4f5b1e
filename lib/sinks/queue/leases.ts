/**
 * Taking rows, and giving them back or not. Everything here happens in the caller's transaction.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { ConfigError } from "../../pipeline/errors.ts";
import { damagedRow } from "../../state/sqlite_faults.ts";

/** How long a row is its taker's where nothing else is said, in milliseconds. */
export const LEASE_MS = 300_000;

/** How rows are taken. */
export interface TakeOptions {
  /** The most rows. @default {1} */
  readonly count?: number;
  /** How long they are the taker's, in milliseconds. @default {300000} */
  readonly leaseMs?: number;
  /** Who takes them, to be seen in lists. */
  readonly consumer?: string | undefined;
  /** A row whose lease has ended so often is `failed`. @default {5} */
  readonly maxAttempts?: number;
}

/** A row that was taken. */
export interface TakenRow {
  /** Its number: rows are taken in the order of these. */
  readonly id: number;
  /** `<id>.<takes>`: what the row is given back or acknowledged with. */
  readonly receipt: string;
  /** How often it was taken since it was last given a fresh start. */
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly leased_until: number;
  /** As it is in the file. */
  readonly created_at: string | null;
  /** JSON text of an object, unless another program wrote something else. */
  readonly metadata: string | null;
  /** JSON text of an array of records, unless another program wrote something else. */
  readonly payload: string | null;
}

/** What became of receipts. */
export interface ReceiptOutcome {
  /** Those that were valid. */
  readonly done: readonly string[];
  /** Those that meant nothing any more: the row was given back, taken again, done or deleted. Nothing was changed. */
  readonly stale: readonly string[];
}

/** How a row is given back. */
export interface ReleaseOptions {
  /** How long it stays out of sight, in milliseconds; an older tool's consumer sees it all the same. @default {0} */
  readonly delayMs?: number;
  /** Why it is given back. */
  readonly error?: string | undefined;
}

const MARK_EXPIRED = (status: string, attempts: string) =>
  `UPDATE queue SET status = '${status}' WHERE status = 'processing' AND id IN
  (SELECT id FROM queue_leases WHERE leased_until <= :now AND attempts ${attempts} :most)`;

const END_EXPIRED = `UPDATE queue_leases SET leased_until = NULL, updated_at = :now,
  last_error = iif(attempts >= :most, 'lease expired', last_error) WHERE leased_until <= :now`;

const LEASE = `INSERT INTO queue_leases (id, takes, attempts, consumer, leased_until, updated_at)
  SELECT q.id, 1, 1, :consumer, :until, :now FROM queue q INDEXED BY queue_pending LEFT JOIN queue_leases l ON l.id = q.id
  WHERE q.status = 'pending' AND (l.not_before IS NULL OR l.not_before <= :now) ORDER BY q.id LIMIT :count
  ON CONFLICT (id) DO UPDATE SET takes = takes + 1, attempts = attempts + 1, consumer = excluded.consumer,
    leased_until = excluded.leased_until, not_before = NULL, updated_at = excluded.updated_at
  RETURNING id, takes, attempts`;

const MARK_TAKEN = `UPDATE queue SET status = 'processing' WHERE id IN (SELECT value FROM json_each(?))
  RETURNING id, payload, metadata, created_at`;

/**
 * A receipt counts while the row is out under it. That the lease's time is over does not matter as long as no take has noticed:
 * then the row has no lease any more, also when an older tool's consumer has it now.
 */
const VALID = `id = :id AND status = 'processing' AND EXISTS
  (SELECT 1 FROM queue_leases l WHERE l.id = queue.id AND l.takes = :takes AND l.leased_until IS NOT NULL)`;

const END_LEASE = `UPDATE queue_leases SET leased_until = NULL, not_before = :until, updated_at = :now,
  last_error = coalesce(:error, last_error) WHERE id = :id`;

/** A row that an older tool's consumer has deleted leaves its lease behind. */
const FORGET_DELETED = `DELETE FROM queue_leases WHERE id = ? AND NOT EXISTS (SELECT 1 FROM queue WHERE queue.id = ?)`;

/** Prepares the statements for a queue that is open. */
export function leaseTable(db: DatabaseSync, file: string) {
  const expire = {
    forget: db.prepare(
      "DELETE FROM queue_leases WHERE leased_until <= ? AND NOT EXISTS (SELECT 1 FROM queue WHERE id = queue_leases.id)",
    ),
    fail: db.prepare(MARK_EXPIRED("failed", ">=")),
    release: db.prepare(MARK_EXPIRED("pending", "<")),
    end: db.prepare(END_EXPIRED),
  };
  const lease = db.prepare(LEASE);
  const markTaken = db.prepare(MARK_TAKEN);
  const setStatus = db.prepare(`UPDATE queue SET status = :status WHERE ${VALID}`);
  const remove = db.prepare(`DELETE FROM queue WHERE ${VALID}`);
  const isValid = db.prepare(`SELECT 1 FROM queue WHERE ${VALID}`);
  const extendLease = db.prepare("UPDATE queue_leases SET leased_until = ?, updated_at = ? WHERE id = ?");
  const endLease = db.prepare(END_LEASE);
  const removeLease = db.prepare("DELETE FROM queue_leases WHERE id = ?");
  const forgetDeleted = db.prepare(FORGET_DELETED);

  function endExpired(now: number, most: number): void {
    expire.forget.run(now);
    expire.fail.run({ now, most });
    expire.release.run({ now, most });
    expire.end.run({ now, most });
  }

  function take(options: TakeOptions, now: number): TakenRow[] {
    const { count = 1, leaseMs = LEASE_MS, consumer = null, maxAttempts = 5 } = options;
    endExpired(now, maxAttempts);
    const until = now + leaseMs;
    const leases = lease.all({ consumer, until, now, count });
    if (leases.length === 0) return [];
    const rows = markTaken.all(JSON.stringify(leases.map(({ id }) => id)));
    const byId = new Map(rows.map((row) => [row.id, row]));
    return leases.map(({ id, takes, attempts }) => {
      const row = byId.get(id);
      if (row === undefined) throw damagedRow(file, id as number);
      const { payload, metadata, created_at } = row;
      return {
        id,
        receipt: `${id}.${takes}`,
        attempts,
        leased_until: until,
        created_at,
        metadata,
        payload,
      } as TakenRow;
    }).sort((a, b) => a.id - b.id);
  }

  /** Does `work` for each receipt once; it answers whether that was valid. */
  function forEach(
    receipts: readonly string[],
    work: (receipt: { id: number; takes: number }) => boolean,
  ): ReceiptOutcome {
    const done: string[] = [], stale: string[] = [];
    for (const receipt of new Set(receipts)) {
      const parsed = parseReceipt(receipt);
      if (work(parsed)) done.push(receipt);
      else {
        stale.push(receipt);
        forgetDeleted.run(parsed.id, parsed.id);
      }
    }
    return { done, stale };
  }

  function end(status: string, receipts: readonly string[], now: number, { delayMs = 0, error }: ReleaseOptions = {}) {
    return forEach(receipts, ({ id, takes }) => {
      if (setStatus.run({ status, id, takes }).changes === 0) return false;
      endLease.run({ id, now, until: delayMs > 0 ? now + delayMs : null, error: error ?? null });
      return true;
    });
  }

  return {
    take,
    ack: (receipts: readonly string[], now: number) => end("completed", receipts, now),
    release: (receipts: readonly string[], now: number, options: ReleaseOptions) =>
      end("pending", receipts, now, options),
    fail: (receipts: readonly string[], now: number, error: string | undefined) =>
      end("failed", receipts, now, { error }),
    remove: (receipts: readonly string[]) =>
      forEach(receipts, ({ id, takes }) => {
        if (remove.run({ id, takes }).changes === 0) return false;
        removeLease.run(id);
        return true;
      }),
    extend: (receipts: readonly string[], now: number, leaseMs: number) =>
      forEach(receipts, ({ id, takes }) => {
        if (isValid.get({ id, takes }) === undefined) return false;
        extendLease.run(now + leaseMs, now, id);
        return true;
      }),
  };
}

/** @throws {ConfigError} For a text that no receipt can be. */
function parseReceipt(text: string): { id: number; takes: number } {
  const match = /^(\d{1,15})\.(\d{1,15})$/.exec(text);
  if (match === null) throw new ConfigError(`Cannot use receipt "${text}": it must be ID.TAKES, as take printed it`);
  return { id: Number(match[1]), takes: Number(match[2]) };
}
