/**
 * The dead letter: one NDJSON file per state key, append only, with everything that can never reach the sink.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import { type AnyEvent, eventId, toJson } from "../atproto/event.ts";
import type { DeadLetter, Letter } from "../pipeline/deliver.ts";
import { ConfigError, messageOf, TransientError } from "../pipeline/errors.ts";
import { delay } from "../pipeline/retry.ts";
import { fileError, isCurrent, openPrivate, syncFolder, writeAll } from "./files.ts";
import { ulids } from "./ulid.ts";

const log = getLogger(["bskyingest", "dead-letter"]);

/** A message of the source is kept up to this many bytes. */
const MAX_CONTENT_BYTES = 1_048_576;
const MAX_ERROR_CHARACTERS = 1_000;
const LOCK_POLL_MS = 10, SPACE_POLL_MS = 1_000, WARN_EVERY_MS = 60_000;
const NEWLINE = 0x0a;

/** How {@link openDeadLetter} writes. */
export interface DeadLetterOptions {
  /** The file. */
  readonly path: string;
  /** From this size on nothing is appended, in bytes: at most one entry goes beyond it. */
  readonly maxBytes: number;
  /** Named in every entry, as is the state key. */
  readonly command: string;
  /** The state key of the run. */
  readonly key: string;
  /** The time between two looks for space in a full file. @default {1000} */
  readonly pollMs?: number;
}

/** A dead letter that can be written. Holds nothing open. */
export interface DeadLetterFile {
  /** The file. */
  readonly path: string;
  /** Whether {@link append} is waiting for space: reading has come to a stop. */
  readonly full: boolean;
  /**
   * Appends one entry a letter; all are durable when it resolves. Waits while the file or the disk is full, until space is made
   * or `signal` aborts (then it rejects with its reason).
   *
   * @throws {ConfigError} where the file can no longer be written.
   */
  readonly append: DeadLetter;
}

/**
 * Opens the dead letter at `path`; the file is made (0600) by the first entry. Several processes may append, and purge it.
 *
 * @throws {ConfigError} folder missing, path not writable, a folder, or a symlink in a folder that everybody may write to.
 */
export async function openDeadLetter(options: DeadLetterOptions): Promise<DeadLetterFile> {
  const { path } = options;
  await checkWritable(path);
  const newId = ulids();
  const entryOf = (letter: Letter) => deadLetterEntry(letter, { ...options, id: newId(), now: Date.now() });
  const patience = waitForSpace(options);
  return {
    path,
    get full() {
      return patience.waiting;
    },
    async append(letters, { signal }) {
      for (let rest = letters; rest.length > 0;) {
        const { count, full } = await appendSome(rest, entryOf, { ...options, signal });
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

/** Appends as many letters as there is room for and says what the file is full of, as a sentence, where it is. */
async function appendSome(
  letters: readonly Letter[],
  entryOf: (letter: Letter) => Record<string, unknown>,
  { path, maxBytes, signal }: DeadLetterOptions & { readonly signal: AbortSignal },
): Promise<{ readonly count: number; readonly full: string }> {
  let before: number | undefined;
  let file: Deno.FsFile | undefined;
  try {
    file = await openLocked(path, signal);
    before = (await file.stat()).size;
    let size = before, count = 0;
    if (size < maxBytes && await isTorn(file, size)) size += await write(file, "\n");
    for (; count < letters.length && size < maxBytes; count++) {
      size += await write(file, JSON.stringify(entryOf(letters[count]!)) + "\n");
    }
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
function waitForSpace({ pollMs = SPACE_POLL_MS }: DeadLetterOptions) {
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

/** What an entry says besides its letter. */
interface EntryContext {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly command: string;
  readonly key: string;
}

/** The entry of one letter, its members in the order in which they are written. */
function deadLetterEntry(letter: Letter, { id, now, command, key }: EntryContext): Record<string, unknown> {
  const { error, item, raw, detail, stage } = letter;
  const base = {
    id,
    at: new Date(now).toISOString(),
    command,
    key,
    stage,
    reason: error.reason,
    error: messageOf(error).slice(0, MAX_ERROR_CHARACTERS).toWellFormed(),
  };
  return {
    ...base,
    ...(item !== undefined && { event_id: eventId(item as AnyEvent), event: toJson(item as AnyEvent) }),
    ...detail,
    ...(raw !== undefined && contentOf(raw)),
    ...base, // no detail may change what an entry is
  };
}

/** A message as it came: size and digest of all of it, the content up to the limit. */
function contentOf(raw: Uint8Array | string): Record<string, unknown> {
  const bytes = typeof raw === "string" ? new TextEncoder().encode(raw) : raw;
  const truncated = bytes.length > MAX_CONTENT_BYTES;
  const kept = truncated ? bytes.subarray(0, MAX_CONTENT_BYTES) : bytes;
  const text = textOf(kept, truncated);
  return {
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    ...(text === undefined ? { base64: Buffer.from(kept).toString("base64") } : { text }),
    ...(truncated && { truncated }),
  };
}

/** `undefined` for what is not UTF-8. A character that was cut in two is left out. */
function textOf(bytes: Uint8Array, cut: boolean): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: cut });
  } catch {
    return undefined;
  }
}

/**
 * The entry's message or event as it came, as far as it was kept.
 *
 * @throws {ConfigError} for an entry without any.
 */
export function originalBytes(entry: Readonly<Record<string, unknown>>): Uint8Array {
  if (typeof entry.base64 === "string") return new Uint8Array(Buffer.from(entry.base64, "base64"));
  const text = entry.text ?? entry.event;
  if (typeof text === "string") return new TextEncoder().encode(text);
  throw new ConfigError(`Cannot show the original of entry "${entry.id}": it has none`);
}
