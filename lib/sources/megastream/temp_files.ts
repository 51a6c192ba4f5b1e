/**
 * Temporary files: downloads and extracted databases. What a process that was killed has left is removed by the next one.
 *
 * @module
 */
import { join } from "node:path";
import process from "node:process";
import { getLogger } from "@logtape/logtape";
import { ConfigError, messageOf, TransientError } from "../../pipeline/errors.ts";
import type { LocalFile } from "./files.ts";

const log = getLogger(["bskyingest", "megastream"]);

/** A file of ours: `bskyingest-mega-`, the owner's process, something random, a suffix. */
const NAME = /^bskyingest-mega-(\d+)-[0-9a-f]+\./;
/** What SQLite may have put beside a database. */
const BESIDE = ["", "-wal", "-shm", "-journal"];
/** Files of this process that are still in use. After a restart in a container, another process has had the same number. */
const ours = new Set<string>();

/** A file that is being written; disposed of, it is closed and removed. */
export interface TempFile extends LocalFile {
  /** Bytes written. */
  readonly size: number;
  /**
   * Appends all of `bytes`.
   *
   * @throws {TransientError} No space left, or whatever else the system has against it.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Empties the file, to begin anew. @throws {TransientError} */
  clear(): Promise<void>;
  /** Ends writing; the file stays until it is disposed of. */
  close(): void;
}

/** Makes temporary files. */
export interface TempFiles {
  /** Where they lie. */
  readonly folder: string;
  /**
   * Makes an empty file that only its owner may read.
   *
   * @param suffix Its end: `.zip`, `.db`.
   * @throws {TransientError} The folder was usable at the start, so it may be again.
   */
  make(suffix: string): Promise<TempFile>;
}

/**
 * Prepares a folder for temporary files: removes those of processes that are gone, and sees whether it can be written to.
 *
 * @throws {ConfigError} It cannot.
 */
export async function tempFiles(folder: string): Promise<TempFiles> {
  const files: TempFiles = { folder, make: (suffix) => makeFile(folder, suffix) };
  try {
    await removeLeftovers(folder);
    await using probe = await files.make(".probe");
    await probe.write(new Uint8Array(4096));
  } catch (error) {
    throw new ConfigError(messageOf(error), { cause: error, hint: "Name another folder with --temp-dir" });
  }
  return files;
}

async function makeFile(folder: string, suffix: string): Promise<TempFile> {
  const name = `bskyingest-mega-${Deno.pid}-${crypto.randomUUID().replaceAll("-", "")}${suffix}`;
  const path = join(folder, name);
  ours.add(name);
  let file: Deno.FsFile | undefined;
  try {
    file = await Deno.open(path, { createNew: true, read: true, write: true, mode: 0o600 });
  } catch (error) {
    ours.delete(name);
    throw tempError("make", path, error);
  }
  let size = 0;
  const close = () => {
    file?.close();
    file = undefined;
  };
  return {
    path,
    get size() {
      return size;
    },
    async write(bytes) {
      try {
        // One system call may take less than it is given.
        for (let done = 0; done < bytes.length;) done += await file!.write(bytes.subarray(done));
      } catch (error) {
        throw tempError("write to", path, error);
      }
      size += bytes.length;
    },
    async clear() {
      try {
        await file!.truncate(0);
        await file!.seek(0, Deno.SeekMode.Start);
      } catch (error) {
        throw tempError("empty", path, error);
      }
      size = 0;
    },
    close,
    async [Symbol.asyncDispose]() {
      close();
      await remove(path);
      ours.delete(name);
    },
  };
}

/** A failure of the system is nobody's fault but the folder's; anything else is a bug. */
function tempError(action: string, path: string, error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== "string") return error;
  const reason = code === "ENOSPC" ? "no space left on the device" : messageOf(error);
  return new TransientError(`Cannot ${action} temporary file ${path}: ${reason}`, { cause: error });
}

async function removeLeftovers(folder: string): Promise<void> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) names.push(name);
  } catch (error) {
    throw tempError("look for", folder, error);
  }
  for (const name of names) {
    const pid = NAME.exec(name)?.[1];
    if (pid === undefined || isInUse(name, Number(pid))) continue;
    log.debug("Removing {file}, which process {pid} has left", { file: name, pid });
    await Deno.remove(join(folder, name)).catch((error) => {
      // Another process may have been faster, or it may belong to somebody else.
      log.debug("Cannot remove {file}: {error}", { file: name, error: messageOf(error) });
    });
  }
}

function isInUse(name: string, pid: number): boolean {
  if (pid === Deno.pid) {
    return BESIDE.some((end) => name.endsWith(end) && ours.has(name.slice(0, name.length - end.length)));
  }
  try {
    process.kill(pid, 0); // only asks
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code !== "ESRCH"; // EPERM: it is somebody else's
  }
}

/** Removes a file, and what SQLite has put beside it. One that cannot be removed is left to the next start. */
async function remove(path: string): Promise<void> {
  for (const end of BESIDE) {
    await Deno.remove(path + end).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return;
      log.warn("Cannot remove temporary file {path}: {error}", { path: path + end, error: messageOf(error) });
    });
  }
}
