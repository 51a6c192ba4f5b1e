/**
 * Appending all or nothing.
 *
 * @module
 */
import { fileError, writeAll } from "../../state/files.ts";

/** The part of `Deno.FsFile` that is needed; opened for appending. */
export type AppendFile = Pick<Deno.FsFile, "write" | "truncate" | "sync" | "stat">;

/**
 * A function that appends chunks to `file` and syncs it. When that fails, the file is cut back to where it was, so that the
 * chunks can be appended again without doubling any; where even that fails, it is done first thing the next time.
 *
 * @param path For messages.
 */
export function appender(file: AppendFile, path: string): (chunks: Iterable<Uint8Array>) => Promise<void> {
  let cutAt: number | undefined;

  async function cut(): Promise<void> {
    if (cutAt === undefined) return;
    await file.truncate(cutAt);
    cutAt = undefined;
  }

  return async (chunks) => {
    try {
      await cut();
      const { size } = await file.stat();
      cutAt = size;
      for (const chunk of chunks) await writeAll(file, chunk);
      await file.sync();
      cutAt = undefined;
    } catch (error) {
      await cut().catch(() => {});
      throw fileError("write", path, error);
    }
  };
}
