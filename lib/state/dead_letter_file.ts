/**
 * Appending lines to a dead letter beside other processes that append, list and purge.
 *
 * @module
 */
import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import { TransientError } from "../pipeline/errors.ts";
import { delay } from "../pipeline/retry.ts";
import { fileError, isCurrent, openPrivate, syncFolder, writeAll } from "./files.ts";

const log = getLogger(["bskyingest", "dead-letter"]);

const LOCK_POLL_MS = 10, SPACE_POLL_MS = 1_000, WARN_EVERY_MS = 60_000;
const NEWLINE = 0x0a;

/** How {@link openAppender} writes. */
export interface AppenderOptions {
  /** The file. */
  readonly path: string;
  /** From this size on nothing is appended, in bytes. */
  readonly maxBytes: number;
  /** The time between two looks for space in a full file. @default {1000} */
  readonly pollMs?: number;
}

/** What appends. Holds nothing open. */
export interface Appender {
  /** Whether {@link append} is waiting for space. */
  readonly full: boolean;
  /**
   * Appends the text of each thing, whole lines, with one write each; all are durable when it resolves. Waits while the file or
   * the disk is full, until space is made or `signal` aborts (then it rejects with its reason).
   *
   * @throws {ConfigError} where the file can no longer be written.
   */
  append<T>(things: readonly T[], textOf: (thing: T) => string, options: AppendOptions): Promise<void>;
}

/** How one call appends. */
export interface AppendOptions {
  /** Ends all waiting. */
  readonly signal: AbortSignal;
  /** Another limit than the file's, in bytes. */
  readonly maxBytes?: number;
}

/**
 * Makes sure that lines can be appended to `path`; the file is made (0600) by the first one.
 *
 * @throws {ConfigError} folder missing, path not writable, a folder, or a symlink in a folder that everybody may write to.
 */
export async function openAppender(options: AppenderOptions): Promise<Appender> {
  await checkWritable(options.path);
  const patience = waitForSpace(options);
  return {
    get full() {
      return patience.waiting;
    },
    async append(things, textOf, { signal, maxBytes = options.maxBytes }) {
      for (let rest = things; rest.length > 0;) {
        const { count, full } = await appendSome(rest, textOf, { path: options.path, maxBytes, signal });
        rest = rest.slice(count);
        if (rest.length > 0) await patience.wait(full, signal);
      }
      patience.over();
    },
  };
}

async function checkWritable(path: string): Promise<void> {
  try {
    using _file = await openPrivate(path, { append: true });
  } catch (error) {
    const fresh = error instanceof Deno.errors.NotFound && await exists(dirname(path));
    if (!fresh) throw fileError("write the dead letter", path, error);
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Appends as much as there is room for and says what the file is full of, as a sentence, where it is. */
async function appendSome<T>(
  things: readonly T[],
  textOf: (thing: T) => string,
  { path, maxBytes, signal }: AppenderOptions & { readonly signal: AbortSignal },
): Promise<{ readonly count: number; readonly full: string }> {
  let before: number | undefined;
  let file: Deno.FsFile | undefined;
  try {
    file = await openLocked(path, signal);
    before = (await file.stat()).size;
    let size = before, count = 0;
    if (size < maxBytes && await isTorn(file, size)) size += await write(file, "\n");
    for (; count < things.length && size < maxBytes; count++) size += await write(file, textOf(things[count]!));
    if (count > 0) await file.sync();
    if (before === 0) await syncFolder(dirname(path));
    return { count, full: `${path} has reached its limit of ${maxBytes} bytes` };
  } catch (error) {
    if (error === signal.reason) throw error;
    if (before !== undefined) await file?.truncate(before).catch(() => {}); // a part of an entry helps nobody
    const mapped = fileError("write the dead letter", path, error);
    if (mapped instanceof TransientError) return { count: 0, full: mapped.message };
    throw mapped;
  } finally {
    file?.close();
  }
}

async function write(file: Deno.FsFile, text: string): Promise<number> {
  const bytes = new TextEncoder().encode(text);
  await writeAll(file, bytes);
  return bytes.length;
}

/** Whether a killed process left an entry without its end. */
async function isTorn(file: Deno.FsFile, size: number): Promise<boolean> {
  if (size === 0) return false;
  const last = new Uint8Array(1);
  await file.seek(size - 1, Deno.SeekMode.Start);
  await file.read(last);
  return last[0] !== NEWLINE;
}

/**
 * The file at `path`, open for reading and appending, made if missing, under an exclusive `flock` until it is closed. Never a
 * file that somebody has meanwhile replaced.
 */
export async function openLocked(path: string, signal?: AbortSignal, create = true): Promise<Deno.FsFile> {
  for (;;) {
    signal?.throwIfAborted();
    const file = await openPrivate(path, { read: true, append: true, create });
    try {
      if (await file.tryLock(true) && await isCurrent(file, path)) return file;
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
    await delay(LOCK_POLL_MS, signal);
  }
}

/** Waits between two attempts, and says so once a minute. */
function waitForSpace({ pollMs = SPACE_POLL_MS }: AppenderOptions) {
  let warnedAt = -Infinity;
  const patience = {
    waiting: false,
    async wait(full: string, signal: AbortSignal): Promise<void> {
      patience.waiting = true;
      if (Date.now() - warnedAt >= WARN_EVERY_MS) {
        warnedAt = Date.now();
        log.warn(
          "Reading pauses: {full}. Make room (bskyingest dead-letter list, dead-letter purge), or stop and start again " +
            "with a larger --dead-letter-max-bytes",
          { full },
        );
      }
      await delay(pollMs, signal);
    },
    over(): void {
      patience.waiting = false;
    },
  };
  return patience;
}
