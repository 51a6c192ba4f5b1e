/**
 * What a Megastream file is packed in: a zip archive, or nothing at all. Its content decides, not its name.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { messageOf, TransientError } from "../../pipeline/errors.ts";
import { badFile, type LocalFile } from "./files.ts";
import { type InputFile, openInput } from "./input_file.ts";
import type { TempFile, TempFiles } from "./temp_files.ts";
import { extractEntry, findEntry } from "./zip.ts";

/** Options of {@link openContainer}. */
export interface ContainerOptions {
  /** The file's name, which tells which of several databases is meant. */
  readonly name: string;
  /** Where extracted databases go. */
  readonly temp: TempFiles;
  /** The most bytes that a database may have once extracted. */
  readonly maxDbBytes: number;
  /** Gives up when it aborts, with its reason. */
  readonly signal: AbortSignal;
}

const SQLITE_MAGIC = "SQLite format 3\0";
/** An archive begins with an entry, or with the end of its directory where it has none. */
const ZIP_MAGICS = ["PK\x03\x04", "PK\x05\x06"];
/** https://sqlite.org/fileformat.html#the_database_header */
const SQLITE_HEADER_BYTES = 100;
/** What a program that was killed leaves beside a database, and without which that is not whole. */
const LOGS = ["-wal", "-journal"];

/**
 * Finds the database in a file: extracts it from a zip archive, or takes the file as it is. `local` is disposed of as soon as it
 * is not needed any more: with what this returns, when it has been extracted, or when this fails.
 *
 * @throws {BadFileError} `empty`, `unknown_format`, `several_databases`, `no_database`, `encrypted`, `compression`, `too_large`,
 * `bad_crc`, `truncated`, `not_sqlite`, `corrupt`.
 * @throws {FileVanishedError} It is not there any more.
 * @throws {TransientError} No space left in the temporary folder, or the like: not the file's fault.
 * @throws {ConfigError} It must not be read.
 */
export async function openContainer(local: LocalFile, options: ContainerOptions): Promise<LocalFile> {
  await using cleanup = new AsyncDisposableStack();
  cleanup.use(local);
  using file = await openInput(local.path);
  if (file.size === 0) throw badFile("empty", "the file has no bytes");
  const head = await file.read(0, SQLITE_HEADER_BYTES);
  if (ZIP_MAGICS.some((magic) => beginsWith(head, magic))) return await extract(file, options);
  if (!beginsWith(head, SQLITE_MAGIC)) {
    throw badFile("unknown_format", "it is neither a zip archive nor an SQLite database");
  }
  if (file.size < sizeInHeader(head)) {
    throw badFile("truncated", `the database has ${file.size} bytes and should have ${sizeInHeader(head)}`);
  }
  if (LOGS.some((end) => hasContent(local.path + end))) return await copyWithLogs(local.path, options);
  cleanup.move();
  return local;
}

function beginsWith(bytes: Uint8Array, text: string): boolean {
  return bytes.length >= text.length && Array.from(text).every((character, i) => bytes[i] === character.charCodeAt(0));
}

/** The size that a database's header tells, in bytes; 0 where it tells none. */
function sizeInHeader(head: Uint8Array): number {
  if (head.length < SQLITE_HEADER_BYTES) return SQLITE_HEADER_BYTES;
  const view = new DataView(head.buffer, head.byteOffset);
  const pageSize = view.getUint16(16) === 1 ? 65536 : view.getUint16(16);
  // Old programs did not keep the number of pages; it counts where it is as new as the last change.
  return view.getUint32(24) === view.getUint32(92) ? view.getUint32(28) * pageSize : 0;
}

async function extract(archive: InputFile, options: ContainerOptions): Promise<LocalFile> {
  const { name, maxDbBytes: maxBytes, signal } = options;
  const entry = await findEntry(archive, name);
  return await fill(options, async (database) => {
    await extractEntry(archive, entry, database, { maxBytes, signal });
    database.close();
    using extracted = await openInput(database.path);
    const head = await extracted.read(0, SQLITE_MAGIC.length);
    if (!beginsWith(head, SQLITE_MAGIC)) throw badFile("not_sqlite", `${entry.name} is not an SQLite database`);
  });
}

/** A temporary database, removed at once where it cannot be filled. */
async function fill(options: ContainerOptions, write: (database: TempFile) => Promise<void>): Promise<LocalFile> {
  await using cleanup = new AsyncDisposableStack();
  const database = cleanup.use(await options.temp.make(".db"));
  await write(database);
  cleanup.move();
  return database;
}

function hasContent(path: string): boolean {
  try {
    return Deno.statSync(path).size > 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Where another program has not closed the database, SQLite would have to write beside it before it can be read. So that is done
 * with a copy.
 */
function copyWithLogs(path: string, options: ContainerOptions): Promise<LocalFile> {
  return fill(options, async (copy) => {
    copy.close();
    await copyPrivately(path, copy.path);
    for (const end of LOGS.filter((end) => hasContent(path + end))) await copyPrivately(path + end, copy.path + end);
    try {
      using db = new DatabaseSync(copy.path);
      db.exec("PRAGMA journal_mode = DELETE"); // takes over what the logs have
    } catch (error) {
      throw badFile("corrupt", messageOf(error), error);
    }
  });
}

async function copyPrivately(from: string, to: string): Promise<void> {
  try {
    await Deno.copyFile(from, to);
    await Deno.chmod(to, 0o600);
  } catch (error) {
    throw new TransientError(`Cannot copy ${from} to ${to}: ${messageOf(error)}`, { cause: error });
  }
}
