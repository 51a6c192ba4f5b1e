/**
 * Reading a file here and there.
 *
 * @module
 */
import { ConfigError, messageOf, TransientError } from "../../pipeline/errors.ts";
import { FileVanishedError } from "./files.ts";

/** A file that is open for reading. */
export interface InputFile extends Disposable {
  /** In bytes, when it was opened. */
  readonly size: number;
  /**
   * Bytes from a place on: as many as asked for, fewer only at the end.
   *
   * @throws {TransientError} The disk failed.
   */
  read(at: number, length: number): Promise<Uint8Array>;
}

/**
 * Opens a file.
 *
 * @throws {FileVanishedError} It is not there.
 * @throws {ConfigError} It must not be read.
 */
export async function openInput(path: string): Promise<InputFile> {
  let file: Deno.FsFile | undefined;
  try {
    const opened = file = await Deno.open(path);
    const { size } = await opened.stat();
    return {
      size,
      read: (at, length) => readAt(opened, path, at, Math.min(length, Math.max(0, size - at))),
      [Symbol.dispose]: () => opened.close(),
    };
  } catch (error) {
    file?.close();
    throw inputError(path, error);
  }
}

async function readAt(file: Deno.FsFile, path: string, at: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  try {
    await file.seek(at, Deno.SeekMode.Start);
    for (let done = 0; done < length;) {
      const count = await file.read(bytes.subarray(done));
      if (count === null) return bytes.subarray(0, done); // it was cut meanwhile
      done += count;
    }
    return bytes;
  } catch (error) {
    throw inputError(path, error);
  }
}

function inputError(path: string, error: unknown): unknown {
  const text = `Cannot read ${path}: ${messageOf(error)}`;
  if (error instanceof Deno.errors.NotFound) return new FileVanishedError(text, { cause: error });
  if (error instanceof Deno.errors.PermissionDenied) return new ConfigError(text, { cause: error });
  return typeof (error as { code?: unknown } | null)?.code === "string"
    ? new TransientError(text, { cause: error })
    : error;
}
