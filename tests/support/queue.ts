/**
 * What tests of queues need: files as the MET connector leaves them, the statements of its consumer, and queues to take from.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { openQueue, type OpenQueueOptions, type Queue, type QueueRecord } from "../../lib/sinks/queue.ts";
import { commitEvents } from "./sqlite.ts";

/** The table that the MET connector makes. */
const OLD_TABLE = `CREATE TABLE IF NOT EXISTS queue (id INTEGER PRIMARY KEY AUTOINCREMENT, payload TEXT, metadata TEXT,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, status TEXT DEFAULT 'pending')`;

/** How the MET connector adds a row. */
export const OLD_INSERT = "INSERT INTO queue (payload, metadata, created_at, status) VALUES (?,?,?,?)";

/** How the MET connector's consumer takes a row. */
export const OLD_TAKE = `WITH n AS (SELECT id FROM queue WHERE status='pending' ORDER BY created_at LIMIT 1)
  UPDATE queue SET status='processing' WHERE id IN (SELECT id FROM n) RETURNING id, payload, metadata, created_at, status`;

/** A file with nothing but the old table, and `rows` rows of one record in it. */
export function oldQueue(file: string, rows: number): void {
  using db = new DatabaseSync(file);
  db.exec(OLD_TABLE);
  const insert = db.prepare(OLD_INSERT);
  for (let i = 1; i <= rows; i++) {
    const metadata = {
      batch_timestamp: "2026-01-01T00:00:00+00:00",
      batch_size: 1,
      actual_batch_size: 1,
      collections: [],
    };
    const payload = [{ did: `did:plc:${i}`, time_us: String(i), kind: "commit", collection: "" }];
    insert.run(JSON.stringify(payload), JSON.stringify(metadata), "2026-01-01-00:00:00", "pending");
  }
}

/** A new queue with `rows` rows of one record each. */
export async function queueWith(file: string, rows: number, options: OpenQueueOptions = {}): Promise<Queue> {
  const queue = await openQueue(file, { create: true, batchSize: 1, ...options });
  await queue.put(commitEvents(rows));
  return queue;
}

/** Runs one statement on the file, as another program would. */
export function sql(file: string, text: string, ...params: (string | number)[]): Record<string, unknown>[] {
  using db = new DatabaseSync(file, { timeout: 5_000 });
  return db.prepare(text).all(...params).map((row) => ({ ...row }));
}

/** Every record of a queue, in order. */
export function recordsIn(file: string): QueueRecord[] {
  return sql(file, "SELECT payload FROM queue ORDER BY id").flatMap(({ payload }) => JSON.parse(payload as string));
}

/** Records of each row, in order. */
export function rowSizes(file: string): number[] {
  return sql(file, "SELECT json_array_length(payload) AS n FROM queue ORDER BY id").map(({ n }) => n as number);
}
