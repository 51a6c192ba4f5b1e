/**
 * The queue file: requests that wait, the position of what was read, the state of the endpoint.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { resolve } from "node:path";
import type { Cursor } from "../../pipeline/batch.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { checkCursors, CURSORS_SQL, cursorsTable } from "../../state/cursors_table.ts";
import { openPrivate, refuseSharedSymlink } from "../../state/files.ts";
import { damaged, damagedRow, openingError, orClose, runningError } from "../../state/sqlite_faults.ts";
import { fileExists, hasTable } from "../../state/sqlite_file.ts";
import { BUSY_TIMEOUT_MS, inTransaction, type LockWaiter, lockWaiter } from "../../state/sqlite_transaction.ts";
import { emptyLog, usedBytes } from "../queue/size.ts";
import { useWal } from "../sqlite/open.ts";
import { accountsOf, type Content, type Fate, type Request } from "./requests.ts";

/** Tells a file from those of other programs: "bkwh". */
const APPLICATION_ID = 0x626b7768;
const VERSION = 1;
/** Arrays are large: with pages of 4 KiB they take a quarter longer. */
const PAGE_BYTES = 16_384;
/** Free pages that are kept for the next events. */
const SPARE_PAGES = 512;

const SCHEMA = `CREATE TABLE requests (
  id INTEGER PRIMARY KEY,            -- number of its first event; it owns as many numbers as it has events
  events INTEGER NOT NULL,
  body BLOB NOT NULL,                -- JSON text of an event, or of an array
  keys TEXT NOT NULL,                -- JSON: the dedupe key of each event
  created_at INTEGER NOT NULL,       -- unix ms
  attempts INTEGER NOT NULL DEFAULT 0, -- failures that count
  deferrals INTEGER NOT NULL DEFAULT 0, -- failures of the endpoint
  not_before INTEGER NOT NULL DEFAULT 0, -- unix ms
  first_attempt_at INTEGER           -- unix ms
) STRICT;
CREATE TABLE delivery (              -- one row
  next_id INTEGER NOT NULL,
  endpoint TEXT NOT NULL             -- JSON
) STRICT;
INSERT INTO delivery VALUES (1, '{}');
${CURSORS_SQL};
PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${VERSION}`;

/** A position that becomes true with the events that are added. */
export interface QueuePosition {
  readonly key: string;
  readonly cursor: Cursor;
  readonly end: boolean;
}

/** What is written at once. */
export interface Change {
  /** Requests that are done. */
  readonly gone?: readonly number[];
  /** Requests that have failed. */
  readonly failed?: readonly Request[];
  /** JSON. */
  readonly endpoint?: string | undefined;
}

/** An open queue file. */
export interface QueueStore extends Disposable {
  readonly file: string;
  /** Adds requests at the end, with the position; and whatever else is to be written. */
  add(
    contents: readonly Content[],
    position: QueuePosition | undefined,
    change: Change,
    signal?: AbortSignal,
  ): Promise<Request[]>;
  /** Writes what became of requests. */
  save(change: Change): Promise<void>;
  /** Puts others in the place of a request; they share its numbers, and how it has fared. */
  replace(request: Request, contents: readonly Content[]): Promise<Request[]>;
  /** Requests with a number of `from` or more, in order, about `events` events; those that have failed come without their content. */
  load(from: number, events: number): Request[];
  /** Reads the content of a request. */
  read(id: number): Content;
  /** Events in the file. */
  count(): number;
  /** The number that the next event gets. */
  nextId(): number;
  /** Changes when another process has written to the file. */
  version(): number;
  /** JSON, as it was saved. */
  endpoint(): string;
  readonly cursors: ReturnType<typeof cursorsTable>;
  /** Without free pages, with the write-ahead log. */
  usedBytes(): number;
  /** Makes {@link QueueStore.usedBytes} as small as it can be. */
  shrink(): void;
}

/** Options of {@link openStore}. */
export interface StoreOptions {
  /** Whether requests are to keep the order of accounts. */
  readonly ordered: boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Opens a queue file.
 *
 * @throws {ConfigError} Where it cannot be made or used, with what is in it untouched.
 * @throws {TransientError} Where another program keeps it locked.
 */
export async function openStore(file: string, { ordered, now }: StoreOptions): Promise<QueueStore> {
  const patiently = lockWaiter(file);
  const db = await openFile(file, patiently);
  return orClose(db, file, () => {
    checkCursors(db, file);
    return storeIn({ db, file, patiently, ordered, now });
  });
}

/** A database whose tables are there. */
interface OpenedStore extends StoreOptions {
  readonly db: DatabaseSync;
  readonly file: string;
  readonly patiently: LockWaiter;
}

function storeIn({ db, file, patiently, ordered, now }: OpenedStore): QueueStore {
  const insert = db.prepare(
    "INSERT INTO requests (id, events, body, keys, created_at, attempts, deferrals, not_before, first_attempt_at) " +
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const remove = db.prepare("DELETE FROM requests WHERE id IN (SELECT value FROM json_each(?))");
  const removeOne = db.prepare("DELETE FROM requests WHERE id = ?");
  const update = db.prepare(
    "UPDATE requests SET attempts = ?, deferrals = ?, not_before = ?, first_attempt_at = ? WHERE id = ?",
  );
  const setEndpoint = db.prepare("UPDATE delivery SET endpoint = ?");
  const nextId = db.prepare("SELECT next_id FROM delivery");
  const setNextId = db.prepare("UPDATE delivery SET next_id = ?");
  const sizes = db.prepare("SELECT id, events FROM requests WHERE id >= ? ORDER BY id LIMIT ?");
  const range = db.prepare("SELECT * FROM requests WHERE id BETWEEN ? AND ? ORDER BY id");
  const one = db.prepare("SELECT body, keys FROM requests WHERE id = ?");
  const cursors = cursorsTable(db);
  let synced = "FULL";
  if (!isDelivery(db.prepare("SELECT next_id, endpoint FROM delivery").get())) {
    throw damaged(file, "its table of the delivery is damaged");
  }

  /** Whoever forgets what was delivered repeats it: that need not survive a power cut by itself, as it does a kill. */
  async function commit<T>(work: () => T, sync: "FULL" | "NORMAL", signal?: AbortSignal): Promise<T> {
    try {
      return await patiently(() => {
        if (synced !== sync) db.exec(`PRAGMA synchronous = ${synced = sync}`); // another commit may have changed it meanwhile
        return inTransaction(db, work);
      }, signal);
    } catch (error) {
      throw runningError(file, error);
    }
  }

  function put(id: number, content: Content, createdAt: number, fate: Fate): Request {
    const { body, keys } = content;
    const { attempts, deferrals, notBefore, firstAttemptAt } = fate;
    const fared = [createdAt, attempts, deferrals, notBefore, firstAttemptAt ?? null];
    insert.run(id, keys.length, body, JSON.stringify(keys), ...fared);
    const accounts = ordered ? content.accounts : [];
    return { id, count: keys.length, accounts, createdAt, content, attempts, deferrals, notBefore, firstAttemptAt };
  }

  function write({ gone = [], failed = [], endpoint }: Change): void {
    if (gone.length > 0) remove.run(JSON.stringify(gone));
    for (const { id, attempts, deferrals, notBefore, firstAttemptAt } of failed) {
      update.run(attempts, deferrals, notBefore, firstAttemptAt ?? null, id);
    }
    if (endpoint !== undefined) setEndpoint.run(endpoint);
  }

  function reading<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw runningError(file, error);
    }
  }

  function contentOf(id: number, row: Pick<Row, "body" | "keys"> | undefined): Content {
    const content = row && readContent(row);
    if (content === undefined) throw damagedRow(file, id);
    return content;
  }

  function requestOf(row: Row): Request {
    const content = contentOf(row.id, row);
    if (row.events !== content.keys.length) throw damagedRow(file, row.id);
    const failed = row.attempts + row.deferrals > 0;
    return {
      id: row.id,
      count: row.events,
      accounts: ordered ? content.accounts : [],
      createdAt: row.created_at,
      content: failed ? undefined : content,
      attempts: row.attempts,
      deferrals: row.deferrals,
      notBefore: row.not_before,
      firstAttemptAt: row.first_attempt_at ?? undefined,
    };
  }

  return {
    file,
    cursors: {
      ...cursors,
      load: (key) => reading(() => cursors.load(key)),
      ended: (key) => reading(() => cursors.ended(key)),
    },
    add: (contents, position, change, signal) =>
      commit(
        () => {
          const time = now();
          write(change);
          let next = nextId.get()!.next_id as number;
          const added = contents.map((content) => {
            const request = put(next, content, time, NEW);
            next += request.count;
            return request;
          });
          if (added.length > 0) setNextId.run(next);
          if (position) cursors.save(position.key, position.cursor, position.end ? "done" : "running", time);
          return added;
        },
        "FULL",
        signal,
      ),
    save: (change) => commit(() => write(change), "NORMAL"),
    replace: (request, contents) =>
      commit(() => {
        removeOne.run(request.id);
        let next = request.id;
        return contents.map((content) => {
          const part = put(next, content, request.createdAt, request);
          next += part.count;
          return part;
        });
      }, "FULL"),
    load(from, events) {
      return reading(() => {
        let last = from, sum = 0;
        for (const row of sizes.all(from, events) as unknown as Row[]) {
          if (sum >= events) break;
          if (!(row.id >= from && row.events > 0)) throw damagedRow(file, row.id);
          sum += row.events;
          last = row.id;
        }
        return range.all(from, last).map((row) => requestOf(row as unknown as Row));
      });
    },
    read: (id) => reading(() => contentOf(id, one.get(id) as unknown as Row | undefined)),
    count: () => reading(() => db.prepare("SELECT ifnull(sum(events), 0) AS n FROM requests").get()!.n as number),
    nextId: () => reading(() => nextId.get()!.next_id as number),
    version: () => reading(() => db.prepare("PRAGMA data_version").get()!.data_version as number),
    endpoint: () => reading(() => db.prepare("SELECT endpoint FROM delivery").get()!.endpoint as string),
    usedBytes: () => usedBytes(db, file),
    shrink() {
      const { freelist_count } = db.prepare("PRAGMA freelist_count").get() as { freelist_count: number };
      if (freelist_count > SPARE_PAGES) db.exec(`PRAGMA incremental_vacuum(${freelist_count - SPARE_PAGES})`);
      emptyLog(db);
    },
    [Symbol.dispose]() {
      if (db.isOpen) db.close();
    },
  };
}

const NEW: Fate = { attempts: 0, deferrals: 0, notBefore: 0, firstAttemptAt: undefined };

/** A row as it is read. */
interface Row {
  readonly id: number;
  readonly events: number;
  readonly body: Uint8Array;
  readonly keys: string;
  readonly created_at: number;
  readonly attempts: number;
  readonly deferrals: number;
  readonly not_before: number;
  readonly first_attempt_at: number | null;
}

/** `undefined` for what nobody has written so. */
function readContent({ body, keys: text }: Pick<Row, "body" | "keys">): Content | undefined {
  const keys = parse(text);
  const isList = Array.isArray(keys) && keys.length > 0 && keys.every((key) => typeof key === "string");
  return isList ? { body, keys, accounts: accountsOf(keys) } : undefined;
}

function isDelivery(row: Record<string, unknown> | undefined): boolean {
  return Number.isSafeInteger(row?.next_id) && parse(row?.endpoint) instanceof Object;
}

function parse(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}

async function openFile(file: string, patiently: LockWaiter): Promise<DatabaseSync> {
  let db: DatabaseSync | undefined;
  try {
    if (!fileExists(file)) (await openPrivate(file, { create: true, write: true })).close();
    refuseSharedSymlink(file);
    const opened = db = new DatabaseSync(resolve(file), { timeout: BUSY_TIMEOUT_MS });
    await patiently(() => checkTables(opened, file));
    opened.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL`); // of a new file only
    await patiently(() => useWal(opened, file));
    opened.exec("PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA journal_size_limit = 67108864");
    await patiently(() =>
      inTransaction(opened, () => {
        if (checkTables(opened, file) === "blank") opened.exec(SCHEMA);
      })
    );
    return opened;
  } catch (error) {
    db?.close();
    throw openingError(file, error);
  }
}

/** @throws {ConfigError} Where it is another program's file, or a newer version's. */
function checkTables(db: DatabaseSync, file: string): "blank" | "complete" {
  const { application_id } = db.prepare("PRAGMA application_id").get() as { application_id: number };
  const { user_version } = db.prepare("PRAGMA user_version").get() as { user_version: number };
  if (application_id === 0 && db.prepare("SELECT 1 FROM sqlite_master").get() === undefined) return "blank";
  if (application_id !== APPLICATION_ID || !hasTable(db, "requests")) {
    throw new ConfigError(`Cannot use ${file} as a webhook queue: it is another file`, {
      hint: "Name another one with --webhook-queue",
    });
  }
  if (user_version > VERSION) {
    throw new ConfigError(`Cannot use ${file}: it was made by a newer bskyingest (version ${user_version})`, {
      hint: "Update bskyingest, or name another file with --webhook-queue",
    });
  }
  return "complete";
}
