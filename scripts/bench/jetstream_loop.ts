/**
 * The reference: Jetstream read by hand, without streams, retries or checkpoints. What a careful person would write in an
 * afternoon, with the same WebSocket library and options, and the same table, settings and size of transactions.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { DatabaseSync } from "node:sqlite";
// @ts-types="@types/ws"
import WebSocket from "ws";
import { type Decompressor, openDecompressor } from "../../lib/net/zstd/decompressor.ts";
import { simulateDictionary } from "../../lib/simulate/dictionary.ts";
import { schemaOf, type SqliteIndex } from "../../lib/sinks/sqlite/schema.ts";
import { type Load, type Sample, WANTED } from "./bench.ts";
import { measure } from "./measure.ts";

/** Events of a transaction. */
const TRANSACTION = 1000;

/** A v1 message. */
export interface Message {
  readonly did: string;
  readonly time_us: number;
  readonly cursor?: number;
  readonly kind: string;
  readonly commit?: {
    readonly rev: string;
    readonly operation: string;
    readonly collection: string;
    readonly rkey: string;
    readonly cid?: string;
    readonly record?: Record<string, unknown>;
  };
  readonly identity?: { readonly handle?: string };
  readonly account?: { readonly active: boolean; readonly status?: string };
}

/** Where a loop puts what it has parsed. */
export interface Store {
  add(message: Message, text: string): void;
  /** Makes the rest durable. */
  finish(): void;
}

/** Which messages a loop handles. */
export interface LoopOptions {
  readonly load: Load;
  /** The file to write to; default: nothing is kept. */
  readonly path?: string;
  readonly indexes?: readonly SqliteIndex[];
  /** Rows of one INSERT. @default {1} */
  readonly rows?: number;
  /** Keep commits of the wanted collection only: everything is parsed. */
  readonly filter?: boolean;
  /** Ask for compressed messages. */
  readonly zstd?: boolean;
}

/** Runs the loop over everything that the server has. */
export async function runLoop(options: LoopOptions): Promise<Sample> {
  const { load, path, indexes = [], rows = 1, filter = false, zstd = false } = options;
  using codec = zstd ? await openCodec() : undefined;
  using db = path === undefined ? undefined : openLog(path, indexes);
  const store = db ? sqliteStore(db, rows) : { add: () => {}, finish: () => {} };
  const last = filter ? load.lastWanted : load.events;
  return await measure(async () => {
    let count = 0, kept = 0;
    await readMessages(codec ? `${load.url}?compress=true` : load.url, (data) => {
      const text = (codec ? codec.decompress(data) : data).toString();
      const message: Message = JSON.parse(text);
      if (!filter || (message.kind === "commit" && message.commit!.collection === WANTED)) {
        store.add(message, text);
        kept++;
      }
      return ++count >= last;
    });
    store.finish();
    if (kept !== (filter ? load.wanted : load.events)) throw new Error(`Cannot count: ${kept} events were kept`);
    return count;
  });
}

function openCodec(): Promise<Decompressor> {
  return openDecompressor({ dictionaries: [simulateDictionary()], maxBytes: 32 * 1024 * 1024 });
}

/** Calls `take` with each message until it answers true. */
export function readMessages(url: string, take: (data: Buffer, socket: WebSocket) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { perMessageDeflate: false, skipUTF8Validation: true, maxPayload: 32 * 1024 * 1024 };
    const socket = new WebSocket(url, options);
    socket.on("message", (data: Buffer) => {
      try {
        if (!take(data, socket)) return;
        resolve();
      } catch (error) {
        reject(error);
      }
      socket.removeAllListeners("message");
      socket.terminate();
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("Cannot read on: the server closed")));
  });
}

/** The sink's table, with its settings. */
export function openLog(path: string, indexes: readonly SqliteIndex[]): DatabaseSync {
  const db = new DatabaseSync(path);
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536");
  db.exec("PRAGMA journal_size_limit = 67108864");
  for (const { sql } of schemaOf("events", indexes)) db.exec(sql);
  db.exec("INSERT INTO origins VALUES (1, 'jetstream', 'v1', 'bench')");
  return db;
}

const COLUMNS = "did, time_us, kind, collection, operation, rkey, rev, cid, seq, origin, json";

export function sqliteStore(db: DatabaseSync, rows: number): Store {
  const values = Array(rows).fill("(?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)").join(", ");
  const insert = db.prepare(`INSERT INTO events (${COLUMNS}) VALUES ${values}`);
  let count = 0;
  let waiting: (string | number | null)[] = [];
  return {
    add({ did, time_us, cursor = null, kind, commit }, text) {
      if (count % TRANSACTION === 0) db.exec("BEGIN");
      if (commit) {
        const { collection, operation, rkey, rev, cid = null } = commit;
        waiting.push(did, time_us, kind, collection, operation, rkey, rev, cid, cursor, text);
      } else waiting.push(did, time_us, kind, null, null, null, null, null, cursor, text);
      count++;
      if (count % rows === 0) {
        insert.run(...waiting);
        waiting = [];
      }
      if (count % TRANSACTION === 0) db.exec("COMMIT");
    },
    finish() {
      if (waiting.length > 0) throw new Error("Cannot end in the middle of an INSERT");
      if (count % TRANSACTION !== 0) db.exec("COMMIT");
    },
  };
}
