/**
 * Compressed files as plain chunks, with constant memory whatever their size.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { messageOf, PoisonError } from "../../pipeline/errors.ts";
import { type Chunks, peek } from "./chunks.ts";

const GZIP_MAGIC = 0x8b1f, ZSTD_MAGIC = 0xfd2fb528;
/** Frames of metadata, which decoders pass over: sixteen magic numbers from here on. */
const SKIPPABLE_MAGIC = 0x184d2a50;
/** A piece of gzip becomes at most a thousand times as large. */
const GZIP_PIECE_BYTES = 16 * 1024;
/** More than the largest block of zstd, 128 KiB: see {@link inflater}. */
const OUTPUT_BYTES = 256 * 1024;

/** `reason` of the error that says that a file ends in the middle of something. */
export const CUT = "cut";

/**
 * Plain bytes of gzip (any number of members), zstd (any number of frames), or of what is neither.
 *
 * @throws {PoisonError} `cut` where the compressed data end too early, `damaged` where they are wrong; what could be read came
 * before.
 */
export async function plainChunks(chunks: Chunks): Promise<Chunks> {
  const { head, all } = await peek(chunks, (head) => head.length >= 4);
  if (head.length >= 4 && isZstd(head.readUInt32LE())) return zstdChunks(all);
  if (head.length >= 2 && head.readUInt16LE() === GZIP_MAGIC) return gzipChunks(all);
  return all;
}

function isZstd(magic: number): boolean {
  return magic === ZSTD_MAGIC || isSkippable(magic);
}

function isSkippable(magic: number): boolean {
  return magic >>> 4 === SKIPPABLE_MAGIC >>> 4;
}

const cut = () => new PoisonError(CUT, "Cannot read on: the compressed data end too early");
const damaged = (why: string) => new PoisonError("damaged", `Cannot read on: the compressed data are damaged: ${why}`);

async function* gzipChunks(chunks: Chunks): Chunks {
  const gunzip = inflater(createGunzip());
  try {
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length; at += GZIP_PIECE_BYTES) {
        yield await gunzip.push(chunk.subarray(at, at + GZIP_PIECE_BYTES));
      }
    }
    yield await gunzip.end();
  } finally {
    gunzip.destroy();
  }
}

/**
 * Node's zstd stream stops behind the first frame, so frames are told apart here, and each gets a stream of its own.
 * Format: RFC 8878, section 3.1.
 */
async function* zstdChunks(chunks: Chunks): Chunks {
  const input = byteReader(chunks);
  try {
    while (!(await input.atEnd())) {
      const magic = await input.take(4);
      if (isSkippable(magic.readUInt32LE())) await input.skip((await input.take(4)).readUInt32LE());
      else if (magic.readUInt32LE() === ZSTD_MAGIC) yield* zstdFrame(input, magic);
      else throw damaged("something else than a frame begins");
    }
  } finally {
    await chunks.return();
  }
}

async function* zstdFrame(input: ByteReader, magic: Buffer): Chunks {
  const descriptor = await input.take(1);
  const flags = descriptor[0]!;
  const hasChecksum = (flags & 4) !== 0;
  const rest = await input.take(headerBytes(flags));
  const zstd = inflater(createZstdDecompress({ chunkSize: OUTPUT_BYTES }));
  try {
    await zstd.push(Buffer.concat([magic, descriptor, rest]));
    for (let last = false; !last;) {
      const head = await input.take(3);
      const bits = head.readUIntLE(0, 3);
      last = (bits & 1) === 1;
      const isRunLength = ((bits >> 1) & 3) === 1;
      const body = await input.take(isRunLength ? 1 : bits >> 3);
      const checksum = last && hasChecksum ? await input.take(4) : Buffer.alloc(0);
      yield await zstd.push(Buffer.concat([head, body, checksum]));
    }
    yield await zstd.end();
  } finally {
    zstd.destroy();
  }
}

/** What follows the frame header descriptor: window, dictionary id, content size. */
function headerBytes(flags: number): number {
  const isSingle = (flags & 0x20) !== 0;
  const contentSize = [isSingle ? 1 : 0, 2, 4, 8][flags >> 6]!;
  return (isSingle ? 0 : 1) + [0, 1, 2, 4][flags & 3]! + contentSize;
}

/** A decompressor that is fed piece by piece. */
interface Inflater {
  /** What comes out for `piece`. Behind the end of the compressed data it throws. */
  push(piece: Buffer): Promise<Buffer>;
  /** What is left when there are no more. */
  end(): Promise<Buffer>;
  destroy(): void;
}

/**
 * A piece of zstd must be a block at most: where the output of one write does not fit into a chunk of the stream, Deno 2.9 throws
 * the decoder's error where nobody can catch it.
 */
function inflater(stream: ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress>): Inflater {
  let out: Buffer[] = [];
  let failure: PoisonError | undefined;
  let done: () => void = () => {};
  let fail: (error: unknown) => void = () => {};
  stream.on("data", (chunk: Buffer) => void out.push(chunk));
  stream.on("error", (error: Error) => {
    // It may come behind the callback of the write that it belongs to.
    failure = isCut(error) ? cut() : damaged(messageOf(error));
    fail(failure);
  });
  stream.on("end", () => {
    // Where something else follows, Node ends the stream and forgets the callback of the write.
    failure ??= damaged("something else follows");
    done();
  });
  const step = (begin: () => void) =>
    new Promise<Buffer>((resolve, reject) => {
      if (failure) throw failure;
      fail = reject;
      done = () => {
        resolve(out.length === 1 ? out[0]! : Buffer.concat(out));
        out = [];
      };
      begin();
    });
  return {
    push: (piece) => step(() => stream.write(piece, (error?: Error | null) => error || done())),
    end: () => step(() => stream.end()),
    destroy: () => void stream.destroy(),
  };
}

function isCut(error: unknown): boolean {
  return (error as { code?: unknown }).code === "Z_BUF_ERROR";
}

/** Takes bytes from chunks in the sizes that a format asks for. */
interface ByteReader {
  /** @throws {PoisonError} `cut` where there are fewer. */
  take(count: number): Promise<Buffer>;
  skip(count: number): Promise<void>;
  atEnd(): Promise<boolean>;
}

function byteReader(chunks: Chunks): ByteReader {
  let rest: Buffer = Buffer.alloc(0);
  const fill = async () => {
    const { done, value } = await chunks.next();
    if (!done) rest = rest.length === 0 ? value : Buffer.concat([rest, value]);
    return !done;
  };
  return {
    async take(count) {
      while (rest.length < count) if (!(await fill())) throw cut();
      const taken = rest.subarray(0, count);
      rest = rest.subarray(count);
      return taken;
    },
    async skip(count) {
      for (let left = count; left > 0;) {
        if (rest.length === 0 && !(await fill())) throw cut();
        const step = Math.min(left, rest.length);
        rest = rest.subarray(step);
        left -= step;
      }
    },
    async atEnd() {
      while (rest.length === 0) if (!(await fill())) return true;
      return false;
    },
  };
}
