/**
 * Files and standard input as chunks of bytes.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { ConfigError, messageOf, PoisonError } from "../../pipeline/errors.ts";

/** Bytes of a file or stream, in order. */
export type Chunks = AsyncGenerator<Buffer, void>;

const CHUNK_BYTES = 256 * 1024;

/** What a failed file operation means in the user's words. */
const REASONS: readonly [new (message?: string) => Error, string][] = [
  [Deno.errors.NotFound, "no such file"],
  [Deno.errors.PermissionDenied, "permission denied"],
  [Deno.errors.NotADirectory, "a part of its path is not a folder"],
];

/**
 * Reads a file from its beginning; it is closed when the generator ends or is left.
 *
 * @throws {ConfigError} where the file cannot be opened or read.
 */
export async function* fileChunks(path: string, onRead: (bytes: number) => void = () => {}): Chunks {
  try {
    using file = await Deno.open(path);
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES); // a new one each time: entries are views into it
      const count = await file.read(chunk);
      if (count === null) return;
      onRead(count);
      yield chunk.subarray(0, count);
    }
  } catch (error) {
    throw readError(path, error);
  }
}

/** Reads a stream until it ends or `stop` aborts. */
export async function* streamChunks(
  stream: ReadableStream<Uint8Array>,
  stop: AbortSignal,
  onRead: (bytes: number) => void,
): Chunks {
  const reader = stream.getReader();
  const cancel = () => void reader.cancel();
  stop.addEventListener("abort", cancel, { once: true });
  try {
    for (let next; !stop.aborted && !(next = await reader.read()).done;) {
      const { buffer, byteOffset, length } = next.value;
      onRead(length);
      yield Buffer.from(buffer, byteOffset, length);
    }
  } finally {
    stop.removeEventListener("abort", cancel);
    await reader.cancel();
  }
}

/** Why a file cannot be read. */
export function readError(path: string, error: unknown): unknown {
  const known = REASONS.find(([type]) => error instanceof type)?.[1];
  const system = known ??
    (typeof (error as { code?: unknown } | null)?.code === "string" ? messageOf(error) : undefined);
  return system === undefined ? error : new ConfigError(`Cannot read ${path}: ${system}`, { cause: error });
}

/** The begin of a stream that can still be read whole. */
export interface Peeked {
  /** The first bytes, as many as were asked for or as there are. */
  readonly head: Buffer;
  /** Everything, `head` included. */
  readonly all: Chunks;
  /** Why nothing follows `head`, where that is not the end; `all` throws it too. */
  readonly failure: PoisonError | undefined;
}

/** Reads until `enough` is satisfied. */
export async function peek(chunks: Chunks, enough: (head: Buffer) => boolean): Promise<Peeked> {
  let head: Buffer = Buffer.alloc(0);
  try {
    while (!enough(head)) {
      const { done, value } = await chunks.next();
      if (done) break;
      head = head.length === 0 ? value : Buffer.concat([head, value]);
    }
  } catch (error) {
    if (!(error instanceof PoisonError)) throw error;
    return { head, all: chain(head, chunks, error), failure: error };
  }
  return { head, all: chain(head, chunks, undefined), failure: undefined };
}

async function* chain(head: Buffer, rest: Chunks, failure: PoisonError | undefined): Chunks {
  try {
    if (head.length > 0) yield head;
    if (failure) throw failure;
    yield* rest;
  } finally {
    await rest.return();
  }
}

/** Leaves out the first `count` bytes, all of which are in the first chunk. */
export async function* behind(count: number, chunks: Chunks): Chunks {
  let skip = count;
  for await (const chunk of chunks) {
    yield chunk.subarray(skip);
    skip = 0;
  }
}
