/**
 * Whole files as the fuzzer feeds them: those that others send, and our own databases after damage.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { type AnyEvent, dedupeKey, eventId, toJson } from "../lib/atproto/event.ts";
import { FatalError, PoisonError } from "../lib/pipeline/errors.ts";
import { openQueue } from "../lib/sinks/queue/queue.ts";
import { sqliteSink } from "../lib/sinks/sqlite.ts";
import { openStore } from "../lib/sinks/webhook/store.ts";
import { openContainer } from "../lib/sources/megastream/container.ts";
import { megastreamFile } from "../lib/sources/megastream/file_source.ts";
import { BadFileError } from "../lib/sources/megastream/files.ts";
import { tempFiles } from "../lib/sources/megastream/temp_files.ts";
import { databaseBytes, localFile } from "../lib/sources/megastream/test_databases.ts";
import { listCursors } from "../lib/state/cursors_table.ts";
import { sizeOf } from "../lib/state/sqlite_file.ts";
import { listGaps } from "../lib/state/gaps.ts";
import { commitEvents, put } from "../tests/support/sqlite.ts";
import { zip } from "../tests/support/zip_writer.ts";
import { PAGE_BYTES } from "./fuzz_mutators.ts";
import { rawPosts } from "./fuzz_rows.ts";

/** Where files are written again and again: in memory where the system has such a folder, as every one is fsynced. */
const FOLDER = isFolder("/dev/shm") ? "/dev/shm" : undefined;

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** Runs `read` with the input as a file, alone in a folder. */
export async function withFile<T>(input: Uint8Array, read: (path: string, folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "bskyingest-fuzz-", ...(FOLDER !== undefined && { dir: FOLDER }) });
  try {
    const path = `${folder}/input.db`;
    await Deno.writeFile(path, input);
    return await read(path, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** An event must be fit for every sink. */
export function checkEvent(event: AnyEvent): void {
  eventId(event);
  dedupeKey(event);
  JSON.parse(toJson(event));
  if (!Number.isFinite(event.time_us)) throw new Error("Cannot use the time of an event");
}

const MEGASTREAM = "mega_jetstream_20250909_204500.db";
const MOST_BYTES = 1 << 20;

/** Smaller pages are more of what can be wrong with pages. */
function smallPages(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const path = Deno.makeTempFileSync({ suffix: ".db" });
  try {
    Deno.writeFileSync(path, bytes);
    {
      using db = new DatabaseSync(path);
      db.exec(`PRAGMA journal_mode = DELETE; PRAGMA page_size = ${PAGE_BYTES}; VACUUM`);
    }
    return Deno.readFileSync(path);
  } finally {
    Deno.removeSync(path);
  }
}

/** Good databases of Megastream. */
export function megastreamSamples(): Uint8Array<ArrayBuffer>[] {
  const texts = rawPosts().map((text) => new TextDecoder().decode(text));
  const rows = Array.from({ length: 20 }, (_, i) => ({
    row: i + 1,
    at_uri: i % 3 === 0 ? null : `at://did:plc:wq4aajammjtxdomz3e23667t/app.bsky.feed.post/${i}`,
    did: "did:plc:wq4aajammjtxdomz3e23667t",
    raw_post: texts[i % texts.length]!,
    inferences: i % 4 === 0 ? null : JSON.stringify({ text_embeddings: {} }),
    created_at: "2025-09-09 20:47:00",
  }));
  return [smallPages(databaseBytes(rows)), smallPages(databaseBytes(rows.slice(0, 1)))];
}

/** The same in archives. */
export function archiveSamples(): Uint8Array[] {
  return megastreamSamples().flatMap((data) => [
    zip([{ name: MEGASTREAM, data }]),
    zip([{ name: MEGASTREAM, data, method: "stored", dataDescriptor: true }, {
      name: "x.txt",
      data: data.slice(0, 9),
    }]),
    zip([{ name: `a/${MEGASTREAM}`, data, zip64: true, comment: "x" }], { zip64: true, comment: "y" }),
  ]);
}

/** Reads a file of Megastream to its end, archive or not. Nothing may be left of it, and nothing larger than allowed unpacked. */
export async function readMegastream(input: Uint8Array): Promise<void> {
  const bad = await withFile(input, async (path, folder) => {
    const bad = await readRows(path, folder).catch((error) => {
      if (error instanceof BadFileError) return error;
      throw error;
    });
    const files = [...Deno.readDirSync(folder)].map(({ name }) => name);
    if (files.length !== 1) throw new Error(`Cannot clean up: there are ${files.join(", ")}`);
    return bad;
  });
  if (bad) throw new PoisonError(bad.code, bad.message, { cause: bad });
}

/** Answers why it could not be read to its end. */
async function readRows(path: string, folder: string): Promise<BadFileError | undefined> {
  const { signal } = new AbortController();
  const temp = await tempFiles(folder);
  await using database = await openContainer(localFile(path), {
    name: `${MEGASTREAM}.zip`,
    temp,
    maxDbBytes: MOST_BYTES,
    signal,
  });
  const { size } = await Deno.stat(database.path);
  if (database.path !== path && size > MOST_BYTES) throw new Error(`Cannot hold the limit: ${size} bytes came out`);
  const source = megastreamFile({ path: database.path, name: MEGASTREAM, fileTimeUs: 1757450700000000 });
  for await (const { items, poison = [] } of source.open()) {
    items.forEach(checkEvent);
    for (const { detail } of poison) JSON.stringify(detail);
  }
  if (source.failure && !(source.failure instanceof BadFileError)) throw source.failure;
  return source.failure;
}

const KEY = "jetstream";

/** What a file that the sinks keep has to do with damage: it is refused, or written to; and what is written can be read. */
function sampleOf(fill: (path: string) => Promise<void>): Promise<Uint8Array> {
  return withFile(new Uint8Array(), async (path) => {
    await Deno.remove(path);
    await fill(path);
    return smallPages(await Deno.readFile(path));
  });
}

/**
 * A run must never begin anew because its position was damaged. Only an empty file is a new one; nobody can tell where the position has
 * another key, the same in the table and in its index.
 */
function checkBegin(path: string, found: string | undefined, isNew: boolean): void {
  if (found !== undefined || isNew) return;
  const keys = listCursors(path).map(({ key }) => key);
  if (keys.length === 0 || keys.includes(KEY)) throw new Error("Cannot find the position: the run would begin anew");
  throw new PoisonError("another_key", `The position is kept as ${keys}`);
}

/** Where a page belongs to two tables, SQLite writes one over the other, and nobody can tell before. */
function checkEnd(found: string | undefined): void {
  if (found !== "42") throw new PoisonError("damaged", `Cannot find what was saved: ${found}`);
}

/** For SQLite a file of a single byte is empty, too. */
const isEmpty = (path: string): boolean => (sizeOf(path) ?? 0) <= 1;

/** In a run, a file that is damaged ends it. */
async function untilDamage(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof FatalError)) throw error;
    throw new PoisonError("damaged", error.message, { cause: error });
  }
}

/** A good file of `--sink sqlite`. */
export const sqliteSamples = async (): Promise<Uint8Array[]> => [await sampleOf((path) => writeSqlite(path, 20))];

/** Opens a database, asks it for what it has, and writes to it. */
export async function useSqlite(input: Uint8Array): Promise<void> {
  await withFile(input, (path) =>
    untilDamage(async () => {
      listCursors(path);
      listGaps(path, { all: true });
      await writeSqlite(path, 5);
    }));
}

async function writeSqlite(path: string, count: number): Promise<void> {
  const isNew = isEmpty(path);
  await using sink = await sqliteSink({ path, retentionMs: 1e9 });
  checkBegin(path, await sink.checkpoints.load(KEY), isNew);
  await sink.recall(0, 100);
  await put(sink, commitEvents(count), { key: KEY, cursor: "42" });
  checkEnd(await sink.checkpoints.load(KEY));
}

/** A good file of `--sink queue`. */
export const queueSamples = async (): Promise<Uint8Array[]> => [await sampleOf((path) => workQueue(path, 20))];

/** Opens a queue, adds to it and takes from it. */
export async function useQueue(input: Uint8Array): Promise<void> {
  await withFile(input, (path) => untilDamage(() => workQueue(path, 5)));
}

async function workQueue(path: string, count: number): Promise<void> {
  const isNew = isEmpty(path);
  await using queue = await openQueue(path, { create: true, batchSize: 2 });
  checkBegin(path, queue.position(KEY), isNew);
  await queue.put(commitEvents(count), { key: KEY, cursor: "42" });
  checkEnd(queue.position(KEY));
  const rows = await queue.take({ count: 3, leaseMs: 60_000 });
  await queue.ack(rows.slice(1).map(({ receipt }) => receipt));
  await queue.release(rows.slice(0, 1).map(({ receipt }) => receipt));
  await queue.list();
  await queue.stats();
}

/** A good file of `--sink webhook`. */
export const webhookSamples = async (): Promise<Uint8Array[]> => [await sampleOf((path) => workWebhook(path))];

/** Opens a webhook queue, adds to it, delivers from it. */
export async function useWebhook(input: Uint8Array): Promise<void> {
  await withFile(input, (path) => untilDamage(() => workWebhook(path)));
}

async function workWebhook(path: string): Promise<void> {
  const isNew = isEmpty(path);
  using store = await openStore(path, { ordered: true, now: Date.now });
  checkBegin(path, store.cursors.load(KEY), isNew);
  const keys = ["jetstream|did:plc:a|1"];
  const contents = ["{}", '{"a":1}', "[]"].map((text) => ({
    body: new TextEncoder().encode(text),
    keys,
    accounts: ["did:plc:a"],
  }));
  const added = await store.add(contents, { key: KEY, cursor: "42", end: false }, {});
  checkEnd(store.cursors.load(KEY));
  for (const { id } of store.load(1, 100)) store.read(id);
  await store.save({ gone: [added[0]!.id], failed: [{ ...added[1]!, attempts: 1 }] });
  store.endpoint();
  store.count();
}
