/**
 * Files that are either as before or completely new, whatever happens in between.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import { fileError, resolvePrivate, syncFolder, writeAll } from "./files.ts";

/**
 * Replaces `path` (or makes it, 0600) by what `fill` writes: a temporary file beside it, fsync, rename. Durable when it
 * resolves; when it throws, `path` is unchanged and the temporary file is gone. For one writer at a time.
 *
 * @throws {ConfigError} folder missing, not writable. @throws {TransientError} disk full, I/O error. @throws What `fill` throws.
 */
export async function replaceFile(path: string, fill: (file: Deno.FsFile) => Promise<void>): Promise<void> {
  try {
    const target = await resolvePrivate(path);
    const temporary = join(dirname(target), `.${basename(target)}.tmp`);
    await removeIfThere(temporary); // left by a killed process
    try {
      using file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o600 });
      await fill(file);
      await file.sync();
    } catch (error) {
      await removeIfThere(temporary);
      throw error;
    }
    await Deno.rename(temporary, target);
    await syncFolder(dirname(target));
  } catch (error) {
    throw fileError("write", path, error);
  }
}

/** {@link replaceFile} with a text. */
export function writeTextAtomic(path: string, text: string): Promise<void> {
  return replaceFile(path, (file) => writeAll(file, new TextEncoder().encode(text)));
}

/** Removes a file; none is fine too. */
export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
