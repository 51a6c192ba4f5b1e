import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { type Child, startCli } from "../support/child.ts";
import {
  deadRows,
  megastream,
  readState,
  rowsByFile,
  statePath,
  type StoredRow,
  storedRows,
  writeFile,
  writeManyRows,
} from "../support/megastream.ts";
import { fileExists, rowsIn, until } from "../support/program.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { readBack } from "../support/sqlite.ts";
import { tempFolder } from "../support/temp.ts";

const KILLS = 20;
const ROWS = 100_000;
/** Every so many rows there is one that cannot be read, and one that is left out. */
const REJECT_EVERY = 1000, SKIP_EVERY = 777;
const IDENTITY = JSON.stringify({ message: { kind: "identity", did: "did:plc:a", identity: { did: "did:plc:a" } } });

const isReject = (row: number) => row % REJECT_EVERY === 0;
const isSkip = (row: number) => !isReject(row) && row % SKIP_EVERY === 0;

/** What becomes of the rows up to one. */
function countsUpTo(last: number) {
  const rejected = Math.floor(last / REJECT_EVERY);
  const skipped = Math.floor(last / SKIP_EVERY) - Math.floor(last / (REJECT_EVERY * SKIP_EVERY));
  return { rows: last, rejected, skipped };
}

/** A folder with one file of 100,000 rows. */
async function bigFile(folder: string): Promise<string> {
  const name = await writeManyRows(`${folder}/files`, ROWS);
  using file = new DatabaseSync(`${folder}/files/${name}`);
  file.exec("PRAGMA ignore_check_constraints = ON");
  file.prepare(`UPDATE enriched_posts SET raw_post = ? WHERE id % ${SKIP_EVERY} = 0`).run(IDENTITY);
  file.exec(`UPDATE enriched_posts SET raw_post = '?' WHERE id % ${REJECT_EVERY} = 0`);
  return name;
}

/** The row up to which a database says that all are settled. */
function reached(db: string): number {
  const [cursor] = readBack<{ cursor: string }>(db, "SELECT cursor FROM cursors WHERE key LIKE 'megastream:%'");
  return Number(cursor?.cursor ?? 0);
}

/** Rows of one file, each exactly once and in order, are all that are no rejects and no skips up to `last`. */
function assertAllUpTo(stored: readonly StoredRow[], last: number, context: string): void {
  let at = 0;
  for (let row = 1; row <= last; row++) {
    if (isReject(row) || isSkip(row)) continue;
    if (stored[at++]?.row !== row) assert.equal(stored[at - 1]?.row, row, context);
  }
  assert.equal(stored.length, at, context);
}

/** Kills a run for good at a random moment after `ready` has come true. */
async function killSoonAfter(child: Child, ready: () => boolean, random: () => number): Promise<boolean> {
  let ended = false;
  child.status.then(() => ended = true);
  await until(() => ended || ready(), "the moment to kill");
  return (await child.killWithin(40, random)).signal === "SIGKILL";
}

Deno.test(`M45: kill -9 at ${KILLS} moments of ${ROWS} rows: each row once in SQLite, the state true at each moment`, async () => {
  const start = startNumber("M45");
  const random = randomFrom(start);
  using folder = tempFolder();
  const name = await bigFile(folder.path);
  const db = `${folder.path}/bskyingest.db`, state = statePath(folder.path);
  const args = ["megastream", "--path", "files"];
  for (let kill = 1; kill <= KILLS; kill++) {
    const context = `BSKYINGEST_SEED=${start}, kill ${kill}`;
    // Spread over the first two thirds: a busy machine may see the moment late.
    const from = Math.floor((kill - random()) / (KILLS * 1.5) * ROWS);
    await using child = startCli(args, { cwd: folder.path });
    assert(await killSoonAfter(child, () => rowsIn(db) >= from, random), `${context}: ended before`);

    const last = reached(db);
    assert(last < ROWS, context);
    if (kill % 4 === 0) assertAllUpTo(storedRows(db), last, context);
    const entries = readState(state);
    assert.equal(entries.length, 1, context);
    const { filename, status, attempts, cursor = 0, rows, rejected, skipped } = entries[0]!;
    assert.deepEqual({ filename, status, attempts }, { filename: name, status: "partial", attempts: 1 }, context);
    assert(cursor <= last, `${context}: the state says ${cursor}, the database ${last}`);
    assert.deepEqual({ rows, rejected, skipped }, countsUpTo(cursor), context);
  }
  const { files } = await megastream(folder.path, ["--path", "files"], 3);
  assert.deepEqual([files.processed, files.partial], [1, 0]);
  assertAllUpTo(storedRows(db), ROWS, "at the end");
  const [{ status, attempts, rows, rejected, skipped }] = readState(state) as [ReturnType<typeof readState>[0]];
  assert.deepEqual({ status, attempts }, { status: "processed", attempts: 1 });
  assert.deepEqual({ rows, rejected, skipped }, countsUpTo(ROWS));
  // What cannot be read is in the dead letter before the position is: after a kill it may be there twice.
  const dead = new Set(deadRows(folder.path).map(({ row }) => row));
  assert.deepEqual([...dead], Array.from({ length: ROWS / REJECT_EVERY }, (_, i) => (i + 1) * REJECT_EVERY));
});

/** Files and rows of a file with one event a line; the last line may be half written. */
function linesOf(path: string): StoredRow[] {
  const text = fileExists(path) ? Deno.readTextFileSync(path) : "";
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line).enriched);
}

Deno.test("M45: kill -9 into a sink that keeps no position: no row is missing, the state never says more than is there", async () => {
  const start = startNumber("M45");
  const random = randomFrom(start);
  using folder = tempFolder();
  const total = 40_000, kills = 6;
  const name = await writeManyRows(`${folder.path}/files`, total);
  const out = `${folder.path}/out.ndjson`, state = statePath(folder.path, "ndjson");
  const args = ["megastream", "--path", "files", "--sink", "ndjson", "--out", out, "--checkpoint-interval", "20ms"];
  const cursorOf = () => readState(state)[0]?.cursor ?? 0;
  for (let kill = 1; kill <= kills; kill++) {
    const context = `BSKYINGEST_SEED=${start}, kill ${kill}`;
    const from = Math.floor((kill - random()) / (kills * 1.5) * total);
    await using child = startCli(args, { cwd: folder.path });
    assert(await killSoonAfter(child, () => cursorOf() >= from, random), `${context}: ended before`);
    const [{ filename, status, rows, cursor = 0 }] = readState(state) as [ReturnType<typeof readState>[0]];
    assert.deepEqual({ filename, status, rows }, { filename: name, status: "partial", rows: cursor }, context);
    const rowsThere = new Set(linesOf(out).map(({ row }) => row));
    for (let row = 1; row <= cursor; row++) assert(rowsThere.has(row), `${context}: row ${row} of ${cursor}`);
  }
  const { written } = await megastream(folder.path, args.slice(1));
  assert(written < total, "the last run did not begin anew");
  assert.equal(new Set(linesOf(out).map(({ row }) => row)).size, total);
  const [{ status, rows }] = readState(state) as [ReturnType<typeof readState>[0]];
  assert.deepEqual({ status, rows }, { status: "processed", rows: total });
});

Deno.test("M53: --delete-after and kill -9: a file that is gone is one that the state calls processed", async () => {
  const start = startNumber("M53");
  const random = randomFrom(start);
  using folder = tempFolder();
  const files = `${folder.path}/files`, state = statePath(folder.path);
  const times = Array.from({ length: 300 }, (_, i) => new Date(i * 60_000).toISOString().slice(11, 19));
  const names = times.map((time) => writeFile(files, time, 1));
  const gone = () => names.filter((name) => !fileExists(`${files}/${name}`));
  const args = ["megastream", "--path", "files", "--delete-after"];
  for (let kill = 1; kill <= 6; kill++) {
    const context = `BSKYINGEST_SEED=${start}, kill ${kill}`;
    const before = gone().length;
    await using child = startCli(args, { cwd: folder.path });
    assert(await killSoonAfter(child, () => gone().length > before, random), `${context}: ended before`);
    const done = new Set(
      readState(state).filter(({ status }) => status === "processed").map((entry) => entry.filename),
    );
    assert.deepEqual(gone().filter((name) => !done.has(name)), [], context);
  }
  assert(gone().length < names.length);
  await megastream(folder.path, args.slice(1));
  const counts = rowsByFile(`${folder.path}/bskyingest.db`);
  assert.deepEqual(Object.keys(counts).sort(), names);
  assert.deepEqual(new Set(Object.values(counts)), new Set([1]));
  assert.deepEqual(
    readState(state).map(({ filename, status }) => `${filename} ${status}`).sort(),
    names.map((name) => `${name} processed`),
  );
  // One that was processed right before a kill is still there: it is not looked at any more.
  assert(gone().length > names.length - 7);
});
