/**
 * A Megastream file: unpacking it, and its rows as documents with vectors into an Elasticsearch that answers at once. Both beside what
 * a careful person would write in an afternoon.
 *
 * @module
 */
import { openContainer } from "../../lib/sources/megastream/container.ts";
import type { LocalFile } from "../../lib/sources/megastream/files.ts";
import { tempFiles } from "../../lib/sources/megastream/temp_files.ts";
import type { Bench, Case, Goal, Sample, Setting } from "./bench.ts";
import { startServer } from "./load.ts";
import { measure } from "./measure.ts";
import { loopRows, loopUnzip } from "./megastream_loop.ts";
import { pipeRows } from "./megastream_pipeline.ts";

const MAX_DB_BYTES = 4 * 1024 ** 3;
const UNZIP_LOOP = "unzip by hand, in MB", ROWS_LOOP = "rows by hand -> at once";

const UNZIP_RATE: Goal = { figure: "rate", atLeast: 350 };
const UNZIP_RSS: Goal = { figure: "rss", atMost: 200e6 };
const ROW_RATE: Goal = { figure: "rate", atLeast: 4_500 };

/** The archive with so many rows, which the first one to need it makes in a process of its own. */
async function archiveOf({ folder, events }: Setting): Promise<string> {
  const out = `${folder}/${events}`;
  if (!await exists(out)) {
    const script = `${import.meta.dirname}/../make_megastream.ts`;
    const args = ["run", "-A", script, "--rows", String(events), "--out", `${out}.part`];
    const { success, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    await Deno.rename(`${out}.part`, out);
  }
  const [file] = await Array.fromAsync(Deno.readDir(out));
  return `${out}/${file!.name}`;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Unpacks the archive, which stays. */
async function unpack(path: string, { folder }: Setting): Promise<LocalFile> {
  const archive = { path, [Symbol.asyncDispose]: () => Promise.resolve() };
  const { signal } = new AbortController();
  return await openContainer(archive, { name: path, temp: await tempFiles(folder), maxDbBytes: MAX_DB_BYTES, signal });
}

/** Megabytes of a file. */
async function sizeOf(path: string): Promise<number> {
  return (await Deno.stat(path)).size / 1e6;
}

async function unzip(setting: Setting): Promise<Sample[]> {
  const path = await archiveOf(setting);
  await using stack = new AsyncDisposableStack();
  return [await measure(async () => sizeOf(stack.use(await unpack(path, setting)).path))];
}

async function unzipByHand(setting: Setting): Promise<Sample[]> {
  const path = await archiveOf(setting), to = `${setting.folder}/by_hand.db`;
  const sample = await measure(async () => {
    await loopUnzip(path, to);
    return await sizeOf(to);
  });
  await Deno.remove(to);
  return [sample];
}

/** Measures how rows become documents; the archive is unpacked before that. */
async function rows(setting: Setting, read: (path: string, url: string) => Promise<number>): Promise<Sample[]> {
  await using database = await unpack(await archiveOf(setting), setting);
  return [await measure(() => read(database.path, setting.servers!.instant!))];
}

const CASES: readonly Case[] = [
  { name: UNZIP_LOOP, run: unzipByHand },
  { name: "unzip, in MB", run: unzip, reference: UNZIP_LOOP, goals: [UNZIP_RATE, UNZIP_RSS] },
  { name: ROWS_LOOP, run: (setting) => rows(setting, loopRows) },
  { name: "rows -> at once", run: (setting) => rows(setting, pipeRows), reference: ROWS_LOOP, goals: [ROW_RATE] },
];

/** `deno task bench megastream` */
export const bench: Bench = {
  name: "megastream",
  brief: "A Megastream file of 20 kB rows: unpacking it, and documents with two vectors of each row, beside a loop",
  events: 20_000,
  rounds: 5,
  warmUps: 1,
  servers: async () => {
    const { offer, ...server } = await startServer<{ url: string }>("elasticsearch_server.ts", []);
    return { urls: { instant: offer.url }, notes: [], ...server };
  },
  timeoutMs: 120_000,
  cases: () => CASES,
};
