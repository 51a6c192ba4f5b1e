/**
 * Files that are too big, or too many, to be kept: for measurements, and for tests that need time.
 *
 * @module
 */
import { crc32, createDeflateRaw } from "node:zlib";
import { Readable } from "node:stream";
import { mix } from "../../lib/simulate/ids.ts";
import { type Columns, databaseOf, insertRows, tableSql, writeDatabase } from "./database.ts";
import { fewRows } from "./cases/ordinary.ts";
import { inferencesOf } from "./cases/vectors.ts";
import { type FileRows, fileRows, millisText } from "./row.ts";
import { post } from "./post.ts";
import { plainZip } from "./files.ts";
import { directoryOf, type EntryHead, localHeader } from "./zip.ts";

/** When the first of the files begins. */
const EPOCH_MS = Date.UTC(2026, 0, 1), FILE_MS = 300_000;
/** Different vectors, as making them costs more than writing them. */
const POOL = 256;
/** Labels that a model of texts tells apart. */
const LABELS = 28;
/** Bytes of a row besides twice its inferences, about. */
const OTHER_BYTES = 620;
/** Below this a row has no room for vectors. */
const LEAST_WITH_VECTORS = 10_000;
/** From here on sizes need zip64. */
const WIDE = 0xffffffff;

/** How {@link writeBigFile} writes. */
export interface BigFileOptions {
  readonly rows: number;
  /** Bytes of a row, about; from 10,000 on with two vectors of 384. Default 20,000. */
  readonly rowBytes?: number;
  /** Default 1. */
  readonly rng?: number;
  /** Writes the database as it is, not zipped. */
  readonly bare?: boolean;
}

/**
 * Writes a file with many rows into a folder, each of them a post of its own.
 *
 * @returns Its name.
 */
export async function writeBigFile(folder: string, options: BigFileOptions): Promise<string> {
  const { rows, rowBytes = 20_000, rng = 1, bare = false } = options;
  const stem = stemOf(0), name = `${stem}.db.zip`, path = `${folder}/${name}`;
  const database = bare ? path : `${path}.unpacked`;
  await Deno.writeFile(database, new Uint8Array()); // empty, whatever was there
  writeDatabase(database, (made) => {
    made.exec(tableSql("enriched_posts"));
    insertRows(made, bigRows(rows, rowBytes, rng));
  });
  if (!bare) {
    await zipFile(database, path, `${stem}.db`);
    await Deno.remove(database);
  }
  return name;
}

/** Writes files of one or two rows into a folder, named five minutes apart. */
export async function writeTinyFiles(folder: string, count: number, rng = 1): Promise<void> {
  for (let n = 0; n < count; n++) {
    const start = millisText((EPOCH_MS + n * FILE_MS) * 1000);
    const { rows } = fewRows(start, rng + n, `A tiny file, number ${n}`, 1 + n % 2);
    const database = databaseOf(rows.map(({ columns }) => columns));
    await Deno.writeFile(`${folder}/${stemOf(n)}.db.zip`, plainZip(stemOf(n), database));
  }
}

/** `mega_jetstream_YYYYMMDD_HHMMSS` of the n-th file. */
function stemOf(n: number): string {
  const [date, time] = new Date(EPOCH_MS + n * FILE_MS).toISOString().replaceAll(/[-:]/g, "").split("T");
  return `mega_jetstream_${date}_${time!.slice(0, 6)}`;
}

function* bigRows(count: number, rowBytes: number, rng: number): Generator<Columns> {
  const file = fileRows(new Date(EPOCH_MS).toISOString(), { rng, stepMs: 1 });
  const pool = inferencesPool(file, rowBytes);
  for (let n = 0; n < count; n++) {
    const inferences = pool[mix(n, rng) % pool.length]!;
    post(file, { shows: `Row ${n + 1}`, inferences });
    const { columns } = file.rows.pop()!;
    // As in production, the larger half of `raw_post` is what the column says as well.
    const raw_post = `${String(columns.raw_post).slice(0, -1)},"inferences":${inferences}}`;
    yield { ...columns, raw_post };
  }
}

/** Texts for the column, each of them so long that twice it makes a row. */
function inferencesPool(file: FileRows, rowBytes: number): readonly string[] {
  const length = Math.max(2, Math.floor((rowBytes - OTHER_BYTES) / 2));
  if (rowBytes < LEAST_WITH_VECTORS) return [JSON.stringify({ note: "x".repeat(Math.max(0, length - 11)) })];
  return Array.from({ length: POOL }, (_, n) => {
    const vectors = { "all-MiniLM-L12-v2": denseVector(file, 2 * n), "all-MiniLM-L6-v2": denseVector(file, 2 * n + 1) };
    const text: Record<string, Record<string, number>> = {};
    for (let left = length - inferencesOf(vectors, { text }).length, i = 0; left > 0; i++) {
      // Labels are the same in every row, as they are the model's: a parser knows them all after some rows.
      const model = `model_${Math.floor(i / LABELS)}.all`,
        label = `label_${i % LABELS}`,
        chance = file.chance(n * 4096 + i);
      const chances = text[model] ??= {};
      chances[label] = chance / 2 ** 32;
      left -= `"${label}":${chances[label]},`.length + (i % LABELS === 0 ? `"${model}":{},`.length : 0);
    }
    return inferencesOf(vectors, { text });
  });
}

/** A vector without zeros, as models make them: it is longer as text. */
function denseVector(file: FileRows, n: number): number[] {
  return Array.from({ length: 384 }, (_, i) => (file.chance(n * 4096 + i) % 255 - 127.5) / 1024);
}

/** Packs one file into an archive, whatever its size: headers are written again when the numbers are known. */
async function zipFile(from: string, to: string, name: string): Promise<void> {
  const { size } = await Deno.stat(from);
  using archive = await Deno.open(to, { write: true, create: true, truncate: true });
  let head: EntryHead = { name, size, packedSize: 0, crc: 0, offset: 0, zip64: size >= WIDE };
  await writeAll(archive, localHeader(head));
  let crc = 0, packedSize = 0;
  const source = await Deno.open(from);
  async function* data() {
    for await (const chunk of source.readable) {
      crc = crc32(chunk, crc);
      yield chunk;
    }
  }
  for await (const chunk of Readable.from(data()).pipe(createDeflateRaw({ level: 6, chunkSize: 1 << 18 }))) {
    packedSize += chunk.length;
    await writeAll(archive, chunk);
  }
  head = { ...head, crc, packedSize };
  await writeAll(archive, directoryOf([head], localHeader(head).length + packedSize));
  await archive.seek(0, Deno.SeekMode.Start);
  await writeAll(archive, localHeader(head));
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}
