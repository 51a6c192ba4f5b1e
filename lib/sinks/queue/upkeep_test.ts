import assert from "node:assert/strict";
import { oldQueue, queueWith, sql } from "../../../tests/support/queue.ts";
import { commitEvents } from "../../../tests/support/sqlite.ts";
import { inFolder } from "../../../tests/support/temp.ts";
import { openQueue } from "../queue.ts";

const HOUR_MS = 3_600_000;
const START = Date.UTC(2026, 0, 1);

Deno.test("C28: purge takes rows of the statuses and age that are asked for, and may leave the newest", () =>
  inFolder(async (folder) => {
    let now = START;
    await using queue = await queueWith(`${folder}/q.db`, 4, { now: () => now });
    now += 2 * HOUR_MS;
    await queue.put(commitEvents(4));
    await queue.take({ count: 6 });
    await queue.ack(["1.1", "2.1", "5.1"]);
    await queue.fail(["3.1", "6.1"]);
    assert.equal(await queue.purge({ statuses: ["completed"], olderThanMs: HOUR_MS }), 2);
    const ids = async () => (await queue.list()).map(({ id }) => id);
    assert.deepEqual(await ids(), [3, 4, 5, 6, 7, 8]);
    assert.equal(await queue.purge({ statuses: ["completed", "failed"], keep: 2 }), 1);
    assert.deepEqual(await ids(), [4, 5, 6, 7, 8]);
    assert.equal(await queue.purge({ statuses: ["pending"], keep: 2 }), 0);
    assert.equal(await queue.purge({ statuses: ["failed", "completed", "processing"] }), 3);
    assert.deepEqual(await ids(), [7, 8]);
    assert.deepEqual(sql(queue.file, "SELECT id FROM queue_leases"), []);
  }));

Deno.test("purge and requeue work through any number of rows, and vacuum makes the file smaller", () =>
  inFolder(async (folder) => {
    await using queue = await queueWith(`${folder}/q.db`, 5_001);
    const rows = await queue.take({ count: 5_001 });
    await queue.ack(rows.map(({ receipt }) => receipt));
    assert.equal(await queue.requeue({ statuses: ["completed"] }), 5_001);
    assert.equal((await queue.stats()).rows.pending, 5_001);
    const before = queue.usedBytes();
    assert.equal(await queue.purge({ statuses: ["pending"] }), 5_001);
    await queue.vacuum();
    queue.emptyLog();
    const { bytes } = await queue.stats();
    assert.ok(bytes < before / 10, `${bytes} of ${before}`);
  }));

Deno.test("list: rows by id, of one status, after an id, so many", () =>
  inFolder(async (folder) => {
    await using queue = await queueWith(`${folder}/q.db`, 5, { now: () => START });
    await queue.take({ count: 2, leaseMs: 60_000, consumer: "c" });
    const ids = async (options: Parameters<typeof queue.list>[0]) => (await queue.list(options)).map(({ id }) => id);
    assert.deepEqual(await ids({ status: "pending" }), [3, 4, 5]);
    assert.deepEqual(await ids({ status: "pending", after: 3, limit: 1 }), [4]);
    assert.deepEqual((await queue.list({ limit: 1 }))[0], {
      id: 1,
      status: "processing",
      records: 1,
      created_at: "2026-01-01T00:00:00.000Z",
      attempts: 1,
      consumer: "c",
      leased_until: "2026-01-01T00:01:00.000Z",
      last_error: null,
    });
  }));

Deno.test("stats: counts and ages", () =>
  inFolder(async (folder) => {
    let now = START;
    await using queue = await openQueue(`${folder}/q.db`, { create: true, batchSize: 10, now: () => now });
    const nothing = { pending: 0, processing: 0, completed: 0, failed: 0 };
    const empty = await queue.stats();
    assert.deepEqual([empty.rows, empty.records, empty.oldest_pending_at, empty.newest_at, empty.first_time_us], [
      nothing,
      nothing,
      null,
      null,
      null,
    ]);
    const events = commitEvents(45);
    await queue.put(events, { key: "k", cursor: JSON.stringify({ host: "h", time_us: 7 }) });
    now += 1000;
    await queue.put(commitEvents(1), { key: "other", cursor: "77", end: true });
    await queue.take({ count: 2, consumer: "a", leaseMs: 10 });
    await queue.take({ count: 1, consumer: "b" });
    now += 10;
    const { file, bytes, ...stats } = await queue.stats();
    assert.equal(file, queue.file);
    assert.ok(bytes > 10_000);
    assert.deepEqual(stats, {
      rows: { ...nothing, pending: 3, processing: 3 },
      records: { ...nothing, pending: 16, processing: 30 },
      expired: 2,
      foreign: 0,
      delayed: 0,
      oldest_pending_at: "2026-01-01T00:00:00.000Z",
      newest_at: "2026-01-01T00:00:01.000Z",
      first_time_us: String(events[0]!.time_us),
      last_time_us: String(events[0]!.time_us),
      cursor: {
        k: { time_us: 7, host: "h", state: "running", updated_at: "2026-01-01T00:00:00.000Z" },
        other: { time_us: null, host: null, state: "done", updated_at: "2026-01-01T00:00:01.000Z" },
      },
      consumers: [{ consumer: "a", rows: 2 }, { consumer: "b", rows: 1 }],
    });
  }));

Deno.test("stats and list count the records of an older tool's rows, whatever is in them", () =>
  inFolder(async (folder) => {
    const file = `${folder}/q.db`;
    oldQueue(file, 2);
    const insert = "INSERT INTO queue (payload, metadata, created_at, status) VALUES (?, ?, ?, 'pending')";
    sql(file, insert, '[{"time_us":"5"},{"time_us":"6"}]', "{}", "2026-01-01 00:00:00");
    sql(file, insert, "no json", "neither", "yesterday");
    await using queue = await openQueue(file);
    assert.deepEqual((await queue.list()).map(({ records, created_at }) => [records, created_at]), [
      [1, "2026-01-01T00:00:00.000Z"],
      [1, "2026-01-01T00:00:00.000Z"],
      [2, "2026-01-01T00:00:00.000Z"],
      [0, null],
    ]);
    const { records, first_time_us, last_time_us } = await queue.stats();
    assert.deepEqual([records.pending, first_time_us, last_time_us], [4, "1", null]);
  }));
