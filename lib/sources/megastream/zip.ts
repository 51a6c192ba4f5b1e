/**
 * Zip archives with one database.
 *
 * @module
 */
import { basename } from "node:path";
import { pipeline, Readable } from "node:stream";
import { crc32, createInflateRaw } from "node:zlib";
import { messageOf } from "../../pipeline/errors.ts";
import { badFile } from "./files.ts";
import type { InputFile } from "./input_file.ts";
import type { TempFile } from "./temp_files.ts";

/** Of a larger directory only the beginning is read. Those of Megastream files have one entry. */
const MAX_DIRECTORY_BYTES = 16 * 1024 * 1024;
/** Names of candidates that an error tells. */
const SHOWN_NAMES = 5;
const READ_BYTES = 128 * 1024;
/** Inflated bytes come in pieces of at most this size, however well they were compressed. */
const PIECE_BYTES = 512 * 1024;
const STORED = 0, DEFLATE = 8;
const LOCAL_HEADER_BYTES = 30;
const LOCAL_HEADER = 0x04034b50;

/** An entry, as the archive's directory has it. */
export interface ZipEntry {
  readonly name: string;
  /** Where its header begins. */
  readonly offset: number;
  readonly encrypted: boolean;
  /** The number of the compression method. */
  readonly method: number;
  /** In bytes, compressed. */
  readonly packedSize: number;
  /** In bytes, as the archive says. */
  readonly size: number;
  readonly crc: number;
}

/**
 * The entry that is the database.
 *
 * @param name The archive's base name, which tells which of several it is.
 * @throws {BadFileError} `truncated`, `no_database`, `several_databases`.
 */
export async function findEntry(file: InputFile, name: string): Promise<ZipEntry> {
  const entries: ZipEntry[] = [];
  for await (const entry of readDirectory(file)) if (isCandidate(entry.name)) entries.push(entry);
  const [only] = entries;
  if (!only) throw badFile("no_database", "the archive has no entry that ends in .db");
  if (entries.length === 1) return only;
  const stem = stemOf(name);
  const [meant, another] = entries.filter((entry) => stemOf(entry.name) === stem);
  if (meant && !another) return meant;
  const names = entries.slice(0, SHOWN_NAMES).map((entry) => entry.name.slice(0, 200)).join(", ");
  throw badFile("several_databases", `${names}${entries.length > SHOWN_NAMES ? ", ..." : ""}`);
}

function isCandidate(name: string): boolean {
  return /\.db$/i.test(name) && !name.startsWith("__MACOSX/") && !basename(name).startsWith(".");
}

/** The base name without what tells the format. */
function stemOf(name: string): string {
  return basename(name).replace(/\.zip$/i, "").replace(/\.db$/i, "");
}

async function* readDirectory(file: InputFile): AsyncGenerator<ZipEntry, void> {
  const zip = await import("@zip.js/zip.js");
  let failure: unknown;
  const reader = Object.assign(new zip.Reader(undefined), {
    size: file.size,
    async readUint8Array(at: number, length: number) {
      try {
        return await file.read(at, Math.min(length, MAX_DIRECTORY_BYTES));
      } catch (error) {
        throw failure = error;
      }
    },
  });
  try {
    // Names are shown and compared, never used as paths.
    const archive = new zip.ZipReader(reader, { filenameValidation: "tolerant" });
    for await (const { filename, offset, encrypted, ...entry } of archive.getEntriesGenerator()) {
      const { compressionMethod: method, compressedSize: packedSize, uncompressedSize: size, signature = 0 } = entry;
      if (!entry.directory) yield { name: filename, offset, encrypted, method, packedSize, size, crc: signature };
    }
  } catch (error) {
    if (failure !== undefined) throw failure;
    // What zip.js throws for archives that are damaged has no class of its own.
    const text = messageOf(error);
    throw badFile(text === zip.ERR_ENCRYPTED_CENTRAL_DIRECTORY ? "encrypted" : "truncated", text, error);
  }
}

/**
 * Extracts an entry.
 *
 * @param maxBytes The most that are written, whatever the archive says of the size.
 * @throws {BadFileError} `encrypted`, `compression`, `too_large`, `truncated`, `bad_crc`.
 * @throws {TransientError} `to` could not be written.
 */
export async function extractEntry(
  file: InputFile,
  entry: ZipEntry,
  to: TempFile,
  { maxBytes, signal }: { readonly maxBytes: number; readonly signal: AbortSignal },
): Promise<void> {
  const { name, method } = entry;
  if (entry.encrypted) throw badFile("encrypted", name);
  if (method !== STORED && method !== DEFLATE) {
    throw badFile("compression", `${name} is compressed by method ${method}`);
  }
  const tooLarge = () => badFile("too_large", `${name} has more than ${maxBytes} bytes`);
  if (entry.size > maxBytes) throw tooLarge();
  const packed = packedPieces(file, entry);
  let crc = 0;
  try {
    for await (const piece of method === STORED ? packed : inflated(packed)) {
      signal.throwIfAborted();
      if (to.size + piece.length > maxBytes) throw tooLarge();
      crc = crc32(piece, crc);
      await to.write(piece);
    }
  } catch (error) {
    throw inflateError(error, name);
  }
  if (to.size !== entry.size) throw badFile("bad_crc", `${name} has ${to.size} bytes and should have ${entry.size}`);
  if (crc !== entry.crc) {
    throw badFile("bad_crc", `${name} has the checksum ${hex(crc)} and should have ${hex(entry.crc)}`);
  }
}

async function* packedPieces(
  file: InputFile,
  { name, offset, packedSize }: ZipEntry,
): AsyncGenerator<Uint8Array, void> {
  const header = await file.read(offset, LOCAL_HEADER_BYTES);
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  if (header.length < LOCAL_HEADER_BYTES || view.getUint32(0, true) !== LOCAL_HEADER) {
    throw badFile("truncated", `${name} is not where the archive's directory says`);
  }
  // The extra field may have another length here than in the directory, and the sizes may be missing.
  const begin = offset + LOCAL_HEADER_BYTES + view.getUint16(26, true) + view.getUint16(28, true);
  for (let at = begin, end = begin + packedSize; at < end;) {
    const piece = await file.read(at, Math.min(READ_BYTES, end - at));
    if (piece.length === 0) throw badFile("truncated", `${name} ends early`);
    yield piece;
    at += piece.length;
  }
}

/** What the pieces inflate to. Whoever reads it is told of failures, theirs included. */
function inflated(pieces: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return pipeline(Readable.from(pieces), createInflateRaw({ chunkSize: PIECE_BYTES }), () => {});
}

/** What is wrong with the compressed data. What does not come from there stays as it is. */
function inflateError(error: unknown, name: string): unknown {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  if (code === "Z_BUF_ERROR") return badFile("truncated", `${name} ends early`, error);
  // The compressed data end, and something follows: the stream is closed too early.
  const isZlib = code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ABORT_ERR" ||
    (typeof code === "string" && code.startsWith("Z_"));
  return isZlib ? badFile("bad_crc", `${name} cannot be inflated: ${messageOf(error)}`, error) : error;
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}
