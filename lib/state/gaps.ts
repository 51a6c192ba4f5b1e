/**
 * The gap ledger: one row for each hole in an upstream's stream, so that none is ever silent. The SQLite sink keeps the table
 * in its own file and records the gaps of a batch in the batch's transaction; for all other sinks there is a file of its own.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { dirname, resolve } from "node:path";
import type { Gap } from "../pipeline/batch.ts";
import { openPrivateSync } from "./files.ts";
import { openingError, runningError } from "./sqlite_faults.ts";
import { changeDatabase, hasTable, readDatabase } from "./sqlite_file.ts";
import { BUSY_TIMEOUT_MS, inTransaction, lockWaiter } from "./sqlite_transaction.ts";

/** Makes the table. */
export const GAPS_SQL = `CREATE TABLE gaps (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL, source TEXT NOT NULL, host TEXT NOT NULL, unit TEXT NOT NULL,
  from_pos INTEGER, to_pos INTEGER, reason TEXT NOT NULL, detail TEXT, opened_at TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'open', closed_at TEXT
) STRICT`;

/** One hole, as `gaps list --json` prints it. */
export interface GapRow {
  /** Its number within the file. */
  readonly id: number;
  /** The state key of the run that met it. */
  readonly key: string;
  /** The source's name. */
  readonly source: string;
  /** The host that skipped something. */
  readonly host: string;
  /** What `from` and `to` count. */
  readonly unit: Gap["unit"];
  /** The first position that is missing; null while it is unknown. */
  readonly from: number | null;
  /** The last position that is missing; null while it is unknown. */
  readonly to: number | null;
  /** A short code, such as `clamped`. */
  readonly reason: string;
  /** A DID, a file name, the server's words. */
  readonly detail: string | null;
  /** RFC 3339, UTC. */
  readonly opened_at: string;
  /** `accepted`: known, and not to be had. */
  readonly state: Gap["state"];
  /** RFC 3339, UTC; null while it is open. */
  readonly closed_at: string | null;
}

/** Which rows {@link listGaps} gives. */
export interface ListGapsOptions {
  /** Every state, not only the open ones. */
  readonly all?: boolean;
  /** Only those of this state key. */
  readonly key?: string | undefined;
}

/**
 * Records a gap in a database that has the table; the transaction is the caller's. One hole is one row: the same key, host,
 * reason and `from` is not opened twice, but an open row learns its end, or that it is closed.
 *
 * @param now Milliseconds since 1970.
 * @returns Whether a row was added.
 */
export function recordGap(db: DatabaseSync, key: string, gap: Gap, now: number = Date.now()): boolean {
  const at = new Date(now).toISOString();
  const closedAt = gap.state === "open" ? null : at;
  const [from, to, detail] = [gap.from ?? null, gap.to ?? null, gap.detail ?? null];
  const known = db.prepare("SELECT id, state FROM gaps WHERE key = ? AND host = ? AND reason = ? AND from_pos IS ?")
    .get(key, gap.host, gap.reason, from);
  if (known === undefined) {
    db.prepare(
      `INSERT INTO gaps (key, source, host, unit, from_pos, to_pos, reason, detail, opened_at, state, closed_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ).run(key, gap.source, gap.host, gap.unit, from, to, gap.reason, detail, at, gap.state, closedAt);
    return true;
  }
  if (known.state === "open") {
    db.prepare(
      "UPDATE gaps SET to_pos = ifnull(?, to_pos), detail = ifnull(?, detail), state = ?, closed_at = ? WHERE id = ?",
    ).run(to, detail, gap.state, closedAt, known.id as number);
  }
  return false;
}

/**
 * The gaps that the file at `path` holds, in the order of their opening; it is opened for reading only and never made.
 *
 * @throws {ConfigError} Where the file cannot be read, or is no database.
 */
export function listGaps(path: string, options: ListGapsOptions = {}): GapRow[] {
  const list = (db: DatabaseSync) => {
    if (!hasTable(db, "gaps")) return [];
    const found = db.prepare(
      `SELECT id, key, source, host, unit, from_pos AS "from", to_pos AS "to", reason, detail, opened_at, state, closed_at
       FROM gaps WHERE (?1 OR state = 'open') AND (?2 IS NULL OR key = ?2) ORDER BY id`,
    ).all(options.all ? 1 : 0, options.key ?? null);
    return found.map((row) => ({ ...row }) as unknown as GapRow);
  };
  return readDatabase(path, list) ?? [];
}

/**
 * Closes open gaps as `accepted`: known, and not to be had.
 *
 * @returns The ids that were open, and are no more.
 * @throws {ConfigError} Where the file cannot be written, or is no database.
 * @throws {TransientError} Where another program keeps it locked.
 */
export async function acceptGaps(path: string, ids: readonly number[], now: number = Date.now()): Promise<number[]> {
  const accepted = await changeDatabase(path, (db) => {
    if (!hasTable(db, "gaps")) return [];
    const close = db.prepare("UPDATE gaps SET state = 'accepted', closed_at = ? WHERE id = ? AND state = 'open'");
    return ids.filter((id) => Number(close.run(new Date(now).toISOString(), id).changes) > 0);
  });
  return accepted ?? [];
}

/**
 * Notes what became of an open gap whose events were read again.
 *
 * @param outcome `healed`: nothing is missing any more; a number: the last position that still is.
 * @throws What {@link acceptGaps} throws.
 */
export async function healGap(
  path: string,
  id: number,
  outcome: "healed" | number,
  now: number = Date.now(),
): Promise<void> {
  await changeDatabase(path, (db) => {
    const [change, ...values] = outcome === "healed"
      ? ["state = 'healed', closed_at = ?", new Date(now).toISOString()] as const
      : ["to_pos = min(to_pos, ?)", outcome] as const;
    db.prepare(`UPDATE gaps SET ${change} WHERE id = ? AND state = 'open'`).run(...values, id);
  });
}

/** Gaps of the sinks that have no database of their own. */
export interface GapStore extends Disposable {
  /**
   * Records gaps of the run with this state key; they are durable when it resolves, all or none.
   *
   * @returns How many rows were added.
   * @throws {TransientError} Where the disk is full or another program keeps the file locked.
   * @throws {ConfigError} Where the file cannot be made or written.
   */
  record(key: string, gaps: readonly Gap[], options?: { readonly signal?: AbortSignal }): Promise<number>;
}

/** Opens the ledger at `path`. File and folder are made, for the user alone, with the first gap: most runs never have one. */
export function openGapStore(path: string, options: { readonly now?: () => number } = {}): GapStore {
  const { now = Date.now } = options;
  const patiently = lockWaiter(path);
  let db: DatabaseSync | undefined;
  return {
    async record(key, gaps, { signal } = {}) {
      if (gaps.length === 0) return 0;
      try {
        const opened = db ??= createLedger(path);
        return await patiently(() =>
          inTransaction(opened, () => {
            if (!hasTable(opened, "gaps")) opened.exec(GAPS_SQL);
            return gaps.filter((gap) => recordGap(opened, key, gap, now())).length;
          }), signal);
      } catch (error) {
        throw runningError(path, error);
      }
    },
    [Symbol.dispose]() {
      db?.close();
      db = undefined;
    },
  };
}

/** Opens or makes the file, readable by its owner only. It is written rarely and read by others: no WAL. */
function createLedger(path: string): DatabaseSync {
  try {
    Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    openPrivateSync(path, { write: true, create: true }).close();
    const db = new DatabaseSync(resolve(path), { timeout: BUSY_TIMEOUT_MS });
    db.exec("PRAGMA synchronous = EXTRA"); // the folder too is synced, or a power cut could bring a deleted journal back
    return db;
  } catch (error) {
    throw openingError(path, error);
  }
}
