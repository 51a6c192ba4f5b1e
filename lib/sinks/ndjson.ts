/**
 * Events as NDJSON in a file, plain or compressed.
 *
 * @module
 */
import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import type { AnyEvent } from "../atproto/event.ts";
import { ConfigError, LockHeldError } from "../pipeline/errors.ts";
import type { Sink } from "../pipeline/sink.ts";
import { fileError, isCurrent, refuseSharedSymlink, syncFolder } from "../state/files.ts";
import { chunksOf } from "./lines.ts";
import { appender } from "./ndjson/append.ts";
import { GZIP } from "./ndjson/gzip.ts";
import { type MemberFormat, reader, wholeLines, wholeMembers } from "./ndjson/whole.ts";
import { ZSTD } from "./ndjson/zstd.ts";

const log = getLogger(["bskyingest", "ndjson"]);

/** Options of {@link ndjsonSink}. */
export interface NdjsonSinkOptions {
  /** The file; made when it is missing, its folder must exist. `.gz` or `.zst` at its end compresses. */
  readonly path: string;
}

/** An open file, ready to be appended to. */
interface Output extends Disposable {
  readonly file: Deno.FsFile;
  append(chunks: Iterable<Uint8Array>): Promise<void>;
}

/**
 * Appends one JSON text a line to a file, in order; every write ends in an fsync. An unfinished last line (or gzip member, or
 * zstd frame) is cut off first. A compressed write is complete in itself, so the file can be decompressed at any time. A file
 * that was moved away or removed is begun anew.
 *
 * @throws {ConfigError} folder missing, not writable, no regular file, not what its name says.
 * @throws {LockHeldError} another process is writing to it. @throws {TransientError} from `write`: disk full, I/O error; the
 * file is cut back to where it was.
 */
export async function ndjsonSink(options: NdjsonSinkOptions): Promise<Sink<AnyEvent>> {
  const { path } = options;
  const format = path.endsWith(".gz") ? GZIP : path.endsWith(".zst") ? ZSTD : undefined;
  let output: Output | undefined = await openOutput(path, format);

  async function current(): Promise<Output> {
    if (output && await isCurrent(output.file, path)) return output;
    if (output) log.warn("{path} was moved or removed: beginning a new one", { path });
    close();
    return output = await openOutput(path, format);
  }

  function close(): void {
    output?.[Symbol.dispose]();
    output = undefined;
  }

  return {
    name: "ndjson",
    async write({ items }, { signal }) {
      signal.throwIfAborted();
      if (items.length > 0) await (await current()).append(encoded(chunksOf(items), format));
      return { rejected: [] };
    },
    [Symbol.asyncDispose]() {
      close();
      return Promise.resolve();
    },
  };
}

async function openOutput(path: string, format: MemberFormat | undefined): Promise<Output> {
  let file: Deno.FsFile | undefined;
  try {
    refuseSharedSymlink(path);
    // deno-lint-ignore bskyingest/private-files -- what it is for is to be read by others, as the user's umask allows
    file = await Deno.open(path, { read: true, append: true, create: true });
    const { isFile, size } = await file.stat();
    if (!isFile) throw new ConfigError(`Cannot write ${path}: it must be a regular file`);
    if (!(await file.tryLock(true))) throw new LockHeldError(`Cannot write ${path}: another process is writing to it`);
    const read = reader(file);
    const whole = format ? await wholeMembers(read, size, format, path) : wholeLines(read, size);
    if (whole < size) {
      log.warn("Cutting {bytes} unfinished bytes off the end of {path}", { bytes: size - whole, path });
      await file.truncate(whole);
    }
    if (size === 0) await syncFolder(dirname(path));
    return { file, append: appender(file, path), [Symbol.dispose]: file.close.bind(file) };
  } catch (error) {
    file?.close();
    throw error instanceof LockHeldError ? error : fileError("write", path, error);
  }
}

function* encoded(chunks: Iterable<Uint8Array>, format: MemberFormat | undefined): Generator<Uint8Array> {
  for (const chunk of chunks) yield format ? format.encode(chunk) : chunk;
}
