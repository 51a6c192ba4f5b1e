import assert from "node:assert/strict";
import { openQueue } from "../../lib/sinks/queue.ts";
import { type Child, startScript } from "../support/child.ts";
import { queueWith, sql } from "../support/queue.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { commitEvents, readBack } from "../support/sqlite.ts";
import { inFolder } from "../support/temp.ts";

const ROWS = 10_000;
const CONSUMERS = 4;
const LEASE_MS = 2_000;

/** Runs a consumer that is killed at a random moment of its work, and then another one in its place, to the end. */
async function consume(file: string, name: string, random: () => number): Promise<string[]> {
  const start = (): Child => startScript("tests/crash/queue_consumer.ts", [file, name, String(LEASE_MS)], { cwd: "." });
  await using first = start();
  await first.stdout.waitFor("took");
  assert.equal((await first.killWithin(300, random)).signal, "SIGKILL", "it was done before it was killed");
  await using second = start();
  const { code } = await second.status;
  assert.equal(code, 0, second.stderr.lines.join("\n"));
  return [...first.stdout.lines, ...second.stdout.lines];
}

/** No two takes of a row overlap: each later one came when the lease before was over. */
function assertNoOverlap(lines: readonly string[], context: string): void {
  const takes = lines.filter((line) => line.startsWith("took")).map((line) => line.split(" ").slice(1));
  const ends = new Map<string, [number, number][]>();
  for (const [id, receipt, until] of takes) {
    const list = ends.get(id!) ?? [];
    list.push([Number(receipt!.split(".")[1]), Number(until)]);
    ends.set(id!, list);
  }
  for (const [id, list] of ends) {
    list.sort(([a], [b]) => a - b);
    for (const [i, [number, until]] of list.entries()) {
      const before = list[i - 1];
      if (before === undefined) continue;
      assert.notEqual(number, before[0], `row ${id} was taken twice under one receipt, ${context}`);
      assert.ok(until - LEASE_MS >= before[1], `row ${id} was taken before its lease was over, ${context}`);
    }
  }
}

Deno.test(`C23: ${CONSUMERS} consumers of ${ROWS} rows, each killed once, miss no row and never have one at the same time`, () =>
  inFolder(async (folder) => {
    const start = startNumber("C23");
    const random = randomFrom(start);
    const file = `${folder}/q.db`;
    await (await queueWith(file, ROWS))[Symbol.asyncDispose]();
    const names = Array.from({ length: CONSUMERS }, (_, i) => `c${i}`);
    const lines = (await Promise.all(names.map((name) => consume(file, name, random)))).flat();
    const context = `BSKYINGEST_SEED=${start}`;
    await using queue = await openQueue(file);
    const { rows } = await queue.stats();
    assert.deepEqual(rows, { pending: 0, processing: 0, completed: ROWS, failed: 0 }, context);
    const done = lines.filter((line) => line.startsWith("done")).map((line) => line.split(" ")[1]!.split(".")[0]);
    assert.equal(done.length, new Set(done).size, `a row was acknowledged twice, ${context}`);
    assert.ok(done.length > ROWS - CONSUMERS * 20 - 1, `${done.length} rows, ${context}`);
    assertNoOverlap(lines, context);
  }));

Deno.test("a row that ends the process has failed after five times, and harms no other", () =>
  inFolder(async (folder) => {
    const [file, db] = [`${folder}/q.db`, `${folder}/x.db`];
    const events = commitEvents(300).map((event, i) =>
      i === 155 ? { ...event, commit: { ...event.commit, rkey: "deadly" } } : event
    );
    await using queue = await openQueue(file, { create: true, batchSize: 10 });
    await queue.put(events);
    let deaths = 0;
    for (let over = false; !over; deaths++) {
      assert.ok(deaths < 10, "it never ends");
      await using child = startScript("tests/crash/queue_source.ts", [file, db], { cwd: "." });
      let died = false;
      const end = child.status.then(() => died = true);
      while (!died && !over) {
        await Promise.race([end, new Promise((resolve) => setTimeout(resolve, 50))]);
        const { pending, processing } = (await queue.stats()).rows;
        over = pending + processing === 0;
      }
      child.kill("SIGTERM");
      assert.equal((await child.status).signal, over ? null : "SIGKILL", child.stderr.lines.join("\n"));
    }
    assert.equal(deaths - 1, 5);
    assert.deepEqual((await queue.stats()).rows, { pending: 0, processing: 0, completed: 29, failed: 1 });
    const [failed] = sql(
      file,
      "SELECT id, attempts, last_error FROM queue JOIN queue_leases USING (id) WHERE status = 'failed'",
    );
    assert.deepEqual(failed, { id: 16, attempts: 5, last_error: "lease expired" });
    const stored = readBack<{ rkey: string }>(db, "SELECT rkey FROM events").map(({ rkey }) => rkey).sort();
    const others = events.filter((_, i) => i < 150 || i >= 160).map(({ commit }) => commit.rkey).sort();
    assert.deepEqual(stored, others);
  }));
