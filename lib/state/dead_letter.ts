/**
 * The dead letter: one NDJSON file per state key, append only, with everything that can never reach the sink.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { type AnyEvent, eventId, toJson } from "../atproto/event.ts";
import type { DeadLetter, Letter } from "../pipeline/deliver.ts";
import { ConfigError, messageOf, type PoisonError } from "../pipeline/errors.ts";
import { openAppender } from "./dead_letter_file.ts";
import { ulids } from "./ulid.ts";

/** A message of the source is kept up to this many bytes. */
const MAX_CONTENT_BYTES = 1_048_576;
const MAX_ERROR_CHARACTERS = 1_000;

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
  const appender = await openAppender(options);
  const newId = ulids();
  const textOf = (letter: Letter) =>
    JSON.stringify(deadLetterEntry(letter, { ...options, id: newId(), now: Date.now() })) + "\n";
  return {
    path,
    get full() {
      return appender.full;
    },
    append: (letters, { signal }) => appender.append(letters, textOf, { signal }),
  };
}

/** What an entry says besides its letter. */
export interface EntryContext {
  /** A ULID. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** The command that read the event. */
  readonly command: string;
  /** Its state key. */
  readonly key: string;
}

/** The entry of one letter, its members in the order in which they are written. */
export function deadLetterEntry(letter: Letter, { id, now, command, key }: EntryContext): Record<string, unknown> {
  const { error, item, raw, detail, stage } = letter;
  const base = { id, at: new Date(now).toISOString(), command, key, stage, ...reasonOf(error) };
  return {
    ...base,
    ...(item !== undefined && eventMembers(item as AnyEvent)),
    ...detail,
    ...(raw !== undefined && contentOf(raw)),
    ...base, // no detail may change what an entry is
  };
}

/** Why something is dead, as an entry says it. */
export function reasonOf(error: PoisonError): { readonly reason: string; readonly error: string } {
  return { reason: error.reason, error: messageOf(error).slice(0, MAX_ERROR_CHARACTERS).toWellFormed() };
}

/** An event, and where it came from: its text says neither that, nor what a relay said besides. */
function eventMembers(event: AnyEvent): Record<string, unknown> {
  const { host, wire } = event.origin;
  const relay = "relay" in event ? event.relay : undefined;
  return { event_id: eventId(event), event: toJson(event), host, wire, ...(relay && { relay }) };
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
