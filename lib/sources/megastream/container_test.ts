import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { deflateRawSync } from "node:zlib";
import { diskTest } from "../../../tests/support/small_disk.ts";
import { tempFolder } from "../../../tests/support/temp.ts";
import { zip, type ZipEntry } from "../../../tests/support/zip_writer.ts";
import { TransientError } from "../../pipeline/errors.ts";
import { type ContainerOptions, openContainer } from "./container.ts";
import { type BadFileCode, BadFileError, FileVanishedError } from "./files.ts";
import { tempFiles } from "./temp_files.ts";
import { databaseBytes, localFile, SCHEMA } from "./test_databases.ts";
import { postRow } from "./test_rows.ts";

const NAME = "mega_jetstream_20250909_204500.db.zip";
const DATABASE = databaseBytes([1, 2, 3].map((row) => postRow({ row: { row } })));
const OTHER = databaseBytes([]);
const MIB = 1024 * 1024;

const entry = (more: Partial<ZipEntry> = {}): ZipEntry => ({
  name: "mega_jetstream_20250909_204500.db",
  data: DATABASE,
  ...more,
});

/** What became of a file. */
interface Outcome {
  /** The extracted database, or the file itself. */
  readonly content?: Uint8Array;
  /** Whether it was opened where it lies. */
  readonly inPlace?: boolean;
  readonly error?: unknown;
}

/** Opens a file with this content and sees that nothing is left of it. */
async function open(content: Uint8Array, options: Partial<ContainerOptions> = {}): Promise<Outcome> {
  using folder = tempFolder();
  using temporary = tempFolder();
  const path = join(folder.path, NAME);
  Deno.writeFileSync(path, content);
  const local = localFile(path);
  const temp = options.temp ?? await tempFiles(temporary.path);
  const defaults = { name: NAME, temp, maxDbBytes: 64 * MIB, signal: new AbortController().signal };
  let outcome: Outcome;
  try {
    await using database = await openContainer(local, { ...defaults, ...options });
    const inPlace = database.path === path;
    equal(local.disposed, inPlace ? 0 : 1, "an archive is not needed any more once it is extracted");
    equal(Deno.statSync(database.path).mode! & 0o777, inPlace ? 0o644 : 0o600);
    outcome = { content: Deno.readFileSync(database.path), inPlace };
  } catch (error) {
    outcome = { error };
  }
  equal(local.disposed, 1);
  deepEqual(Array.from(Deno.readDirSync(temporary.path), ({ name }) => name), []);
  deepEqual(Array.from(Deno.readDirSync(folder.path), ({ name }) => name), [NAME]);
  return outcome;
}

async function extracts(
  archive: Uint8Array,
  expected = DATABASE,
  options: Partial<ContainerOptions> = {},
): Promise<void> {
  const { content, inPlace, error } = await open(archive, options);
  if (error !== undefined) throw error;
  deepEqual(content, expected);
  equal(inPlace, false);
}

async function isBad(content: Uint8Array, code: BadFileCode, words = /./, options: Partial<ContainerOptions> = {}) {
  const { error } = await open(content, options);
  ok(error instanceof BadFileError, String(error));
  equal(error.code, code);
  match(error.message, words);
}

Deno.test("M40: one database in an archive is extracted", async () => {
  await extracts(zip([entry()]));
  await extracts(zip([entry({ method: "stored" })]));
  await extracts(zip([entry({ name: "other.DB" })]));
});

Deno.test("M40: zip64, data descriptors, extra fields and comments are accepted", async () => {
  const extra = new Uint8Array([0x99, 0x99, 3, 0, 1, 2, 3]);
  await extracts(zip([entry({ zip64: true })]));
  await extracts(zip([entry({ zip64: true, dataDescriptor: true, extra })], { zip64: true }));
  await extracts(zip([entry({ dataDescriptor: true, comment: "one" })], { comment: "PK of all".repeat(1000) }));
  await extracts(zip([entry({ dataDescriptor: true, method: "stored" })]));
});

Deno.test("M40: what is no candidate does not count", () =>
  extracts(zip([
    { name: "__MACOSX/._x.db", data: OTHER },
    { name: "folder.db/", data: new Uint8Array(), method: "stored" },
    { name: "folder/.hidden.db", data: OTHER },
    { name: "readme.txt", data: OTHER },
    entry({ name: "folder/any.db" }),
  ])));

Deno.test("M40: of several databases it is the one that is called as the archive is", async () => {
  const others = [{ name: "a.db", data: OTHER }, { name: "b.db", data: OTHER }];
  await extracts(zip([...others, entry()]));
  await extracts(zip([...others, entry({ name: "folder/x.db" })]), DATABASE, { name: "below/x.db.zip" });
  await isBad(zip(others), "several_databases", /a\.db, b\.db$/);
  await isBad(zip([entry({ name: "x/q.db" }), entry({ name: "y/q.db" })]), "several_databases", /./, {
    name: "q.db.zip",
  });
});

Deno.test("M40: names are never used as paths", () => extracts(zip([entry({ name: "../../../etc/x.db" })])));

Deno.test("M40: an archive without a database", async () => {
  await isBad(zip([{ name: "readme.txt", data: OTHER }]), "no_database");
  await isBad(zip([]), "no_database");
});

Deno.test("M40: an encrypted entry", () => isBad(zip([entry({ encrypted: true })]), "encrypted"));

Deno.test("M40: another compression than deflate", async () => {
  await isBad(zip([entry({ declaredMethod: 12 })]), "compression", /method 12/);
  await isBad(zip([entry({ declaredMethod: 9 })]), "compression", /method 9/);
});

Deno.test("M40: a checksum or a size that differs", async () => {
  await isBad(zip([entry({ crc: 1 })]), "bad_crc", /should have 00000001/);
  await isBad(zip([entry({ crc: 1, method: "stored" })]), "bad_crc");
  await isBad(zip([entry({ size: DATABASE.length - 1 })]), "bad_crc", /bytes and should have/);
  await isBad(zip([entry({ size: DATABASE.length + 1 })]), "bad_crc");
});

Deno.test("M40: compressed data that are wrong", async () => {
  const wrong = deflateRawSync(DATABASE);
  wrong.fill(0xff, 200, 300);
  await isBad(zip([entry({ packed: wrong })]), "bad_crc");
  await isBad(zip([entry({ packed: new Uint8Array(500).fill(0xff) })]), "bad_crc");
});

Deno.test("Something behind the compressed data is passed over, or makes the file a bad one", async () => {
  const packed = deflateRawSync(DATABASE);
  for (const more of [1, 1000, 100_000, 2 * MIB]) {
    const followed = new Uint8Array(packed.length + more);
    followed.set(packed);
    const { content, error } = await open(zip([entry({ packed: followed })]));
    if (error === undefined) deepEqual(content, DATABASE);
    else ok(error instanceof BadFileError && error.code === "bad_crc", String(error));
  }
});

Deno.test("M40: an archive that was cut", async () => {
  const archive = zip([entry()]);
  for (const length of [4, 21, 100, archive.length / 2, archive.length - 30, archive.length - 1]) {
    await isBad(archive.subarray(0, length), "truncated");
  }
});

Deno.test("M40: an entry that ends early, or is not where it should be", async () => {
  const packed = deflateRawSync(DATABASE);
  await isBad(zip([entry({ packed: packed.subarray(0, packed.length - 10) })]), "truncated", /ends early/);
  const archive = zip([{ name: "x.txt", data: new Uint8Array(), method: "stored" }, entry()]);
  archive[30 + "x.txt".length] = 0; // the first byte of the second entry's header
  await isBad(archive, "truncated", /is not where/);
});

Deno.test("M40: any part of an archive that is overwritten gives a bad file, and nothing else", async () => {
  const archive = zip([entry(), { name: "x.txt", data: OTHER }], { zip64: true, comment: "c" });
  const packedLength = deflateRawSync(DATABASE).length;
  const places = Array.from({ length: archive.length }, (_, i) => i).filter((i) => i < 100 || i > packedLength);
  for (const at of places.filter((_, i) => i % 3 === 0)) {
    const damaged = archive.slice();
    damaged.fill(0xff, at, at + 5);
    const { content, error } = await open(damaged);
    ok(content !== undefined || error instanceof BadFileError, `${at}: ${error}`);
  }
});

Deno.test("M40: what was extracted is no SQLite database", async () => {
  await isBad(zip([entry({ data: new TextEncoder().encode("SQLite format 2\0") })]), "not_sqlite");
  await isBad(zip([entry({ data: new Uint8Array() })]), "not_sqlite");
});

Deno.test("M40: neither an archive nor a database, or nothing at all", async () => {
  await isBad(new TextEncoder().encode("<html>Not found</html>"), "unknown_format");
  await isBad(new TextEncoder().encode("PK"), "unknown_format");
  await isBad(new Uint8Array(), "empty");
});

Deno.test("M41: a bare database is opened where it lies, whatever it is called", async () => {
  const { content, inPlace } = await open(DATABASE);
  equal(inPlace, true);
  deepEqual(content, DATABASE);
});

Deno.test("M40: a bare database that is shorter than its header says", async () => {
  await isBad(DATABASE.subarray(0, DATABASE.length - 1), "truncated", /should have/);
  await isBad(DATABASE.subarray(0, 50), "truncated");
});

/** An entry that inflates to `bytes` zeros: one block of 64 MiB again and again, each beginning afresh. */
function zeros(bytes: number): Uint8Array {
  const block = deflateRawSync(new Uint8Array(64 * MIB), { finishFlush: 3 /* Z_FULL_FLUSH */ });
  const count = Math.ceil(bytes / (64 * MIB));
  const packed = new Uint8Array(block.length * count + 2);
  for (let i = 0; i < count; i++) packed.set(block, i * block.length);
  packed.set([3, 0], block.length * count); // an empty last block
  return packed;
}

/** Temporary files that tell how large they have become. */
async function watchedTemp(folder: string): Promise<ContainerOptions["temp"] & { readonly largest: number }> {
  const files = await tempFiles(folder);
  let largest = 0;
  return {
    folder,
    get largest() {
      return largest;
    },
    async make(suffix) {
      const file = await files.make(suffix);
      const watched = Object.create(file, {
        write: {
          async value(bytes: Uint8Array) {
            await file.write(bytes);
            largest = Math.max(largest, Deno.statSync(file.path).size);
          },
        },
      });
      return watched;
    },
  };
}

Deno.test("M44: an archive of 10 GB of zeros is given up at the cap, whatever it says of its size", async () => {
  using folder = tempFolder();
  const temp = await watchedTemp(folder.path);
  const bomb = (size: number) => zip([entry({ packed: zeros(10 * 1024 * MIB), size, zip64: true })]);
  await isBad(bomb(10 * 1024 * MIB), "too_large", /more than 67108864 bytes/, { temp });
  equal(temp.largest, 0);
  await isBad(bomb(1000), "too_large", /more than 67108864 bytes/, { temp });
  ok(temp.largest > 60 * MIB && temp.largest <= 64 * MIB, String(temp.largest));
  deepEqual(Array.from(Deno.readDirSync(folder.path)), []);
});

Deno.test("A database of exactly the cap is extracted", () =>
  extracts(zip([entry()]), DATABASE, { maxDbBytes: DATABASE.length }));

Deno.test("Extracting ends when it is told to", async () => {
  const reason = new Error("Stopped");
  const { error } = await open(zip([entry()]), { signal: AbortSignal.abort(reason) });
  equal(error, reason);
  const stop = new AbortController();
  using folder = tempFolder();
  const files = await tempFiles(folder.path);
  const temp: ContainerOptions["temp"] = {
    folder: folder.path,
    make: (suffix) => (stop.abort(reason), files.make(suffix)),
  };
  equal((await open(zip([entry()]), { signal: stop.signal, temp })).error, reason);
});

Deno.test("A file that is gone", async () => {
  using folder = tempFolder();
  const local = localFile(join(folder.path, "missing.db.zip"));
  const options = {
    name: NAME,
    temp: await tempFiles(folder.path),
    maxDbBytes: 1,
    signal: new AbortController().signal,
  };
  await rejects(openContainer(local, options), FileVanishedError);
  equal(local.disposed, 1);
});

Deno.test("A database that another program has not closed is copied with its log, and nothing is changed", async () => {
  using folder = tempFolder();
  using temporary = tempFolder();
  const path = join(folder.path, NAME);
  using writer = new DatabaseSync(path);
  writer.exec(`PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; ${SCHEMA}
    INSERT INTO enriched_posts (at_uri, did, raw_post) VALUES ('a', 'b', '{}')`);
  const names = () => Array.from(Deno.readDirSync(folder.path), ({ name }) => name).sort();
  const before = [names(), Deno.readFileSync(path), Deno.readFileSync(`${path}-wal`)];
  const temp = await tempFiles(temporary.path);
  {
    await using copy = await openContainer(localFile(path), {
      name: NAME,
      temp,
      maxDbBytes: MIB,
      signal: new AbortController().signal,
    });
    using db = new DatabaseSync(copy.path, { readOnly: true });
    deepEqual({ ...db.prepare("SELECT count(*) AS count FROM enriched_posts").get() }, { count: 1 });
    deepEqual(Array.from(Deno.readDirSync(temporary.path), ({ name }) => name), [copy.path.split("/").at(-1)]);
  }
  deepEqual(Array.from(Deno.readDirSync(temporary.path)), []);
  deepEqual([names(), Deno.readFileSync(path), Deno.readFileSync(`${path}-wal`)], before);
});

diskTest("No space for the database is not the file's fault", 1, async (disk) => {
  const data = new Uint8Array(4 * MIB);
  data.set(DATABASE);
  for (const method of ["deflate", "stored"] as const) {
    const { error } = await open(zip([entry({ data, method })]), { temp: await tempFiles(disk) });
    ok(error instanceof TransientError, String(error));
    match(error.message, /^Cannot write to temporary file .*\.db: no space left on the device$/);
    deepEqual(Array.from(Deno.readDirSync(disk)), []);
  }
});
