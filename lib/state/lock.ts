/**
 * One writer per state.
 *
 * @module
 */
import { ConfigError, LockHeldError, TransientError } from "../pipeline/errors.ts";
import { delay } from "../pipeline/retry.ts";
import { fileError, openPrivate, writeAll } from "./files.ts";

/** What a lock file says about who holds it. */
export interface LockHolder {
  /** Its process. */
  readonly pid: number;
  /** On which machine. */
  readonly host: string;
  /** What it runs. */
  readonly command: string;
  /** RFC 3339, UTC. */
  readonly started_at: string;
}

/** How {@link acquireLock} describes its holder. */
export interface LockOptions {
  /** The command that runs: shown to whoever finds the lock held. */
  readonly command: string;
}

/** The holder writes its name right after locking: how often, and after how many milliseconds, to look again. */
const LOOKS = 5, LOOK_MS = 20;

/**
 * Locks `path` with `flock` until the result is disposed of or the process ends, however it ends: nothing is left to clean up.
 * The file itself stays, so that two processes never lock two files of one name.
 *
 * @throws {LockHeldError} naming process and host of the holder. @throws {ConfigError} where the file cannot be made.
 */
export async function acquireLock(path: string, options: LockOptions): Promise<AsyncDisposable> {
  let file: Deno.FsFile | undefined;
  try {
    file = await openPrivate(path, { create: true, read: true, write: true });
    if (!(await file.tryLock(true))) throw await heldError(path);
    const holder: LockHolder = {
      pid: Deno.pid,
      host: hostname(),
      command: options.command,
      started_at: new Date().toISOString(),
    };
    await file.truncate(0);
    await writeAll(file, new TextEncoder().encode(JSON.stringify(holder) + "\n"));
    return releasing(file);
  } catch (error) {
    file?.close();
    throw error instanceof LockHeldError ? error : lockError(path, error);
  }
}

/** A full disk is no reason to wait before anything has begun: it is reported like everything else that is in the way. */
function lockError(path: string, error: unknown): Error {
  const mapped = fileError("lock", path, error);
  return mapped instanceof TransientError ? new ConfigError(mapped.message, { cause: error }) : mapped;
}

function releasing(file: Deno.FsFile): AsyncDisposable {
  let held = true;
  return {
    async [Symbol.asyncDispose]() {
      if (!held) return;
      held = false;
      await file.truncate(0); // or the next holder would be mistaken for this one while it writes its name
      file.close();
    },
  };
}

async function heldError(path: string): Promise<LockHeldError> {
  for (let look = 0; look < LOOKS; look++) {
    const holder = await readHolder(path);
    if (holder) {
      const { command, pid, host, started_at } = holder;
      return new LockHeldError(`Cannot lock ${path}: ${command} (pid ${pid} on ${host}) holds it since ${started_at}`);
    }
    await delay(LOOK_MS);
  }
  return new LockHeldError(`Cannot lock ${path}: another process holds it`);
}

async function readHolder(path: string): Promise<LockHolder | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(path)) as LockHolder;
  } catch {
    return undefined; // not written yet
  }
}

/** The host's name is only shown, so that a run without that permission goes on. */
function hostname(): string {
  try {
    return Deno.hostname();
  } catch {
    return "unknown host";
  }
}
