/**
 * What a file is, by its content.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { isZstdFrame } from "../../net/zstd/header.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { dictionaryIdOf } from "../jetstream/zstd_messages.ts";
import { behind, type Chunks, peek } from "./chunks.ts";
import { CUT, plainChunks } from "./decompress.ts";
import { type Entries, frameEntries, lineEntries, recordingEntries } from "./entries.ts";
import { FRAME_HEAD_BYTES, MOST_MESSAGE_BYTES, RECORDING_MARK, RECORDING_VERSION } from "./format.ts";

/** What can be replayed. `empty`: a file of no bytes. */
export type Format = "recording" | "lines" | "frames" | "empty";

/** A file that was recognised. */
export interface Content {
  readonly format: Format;
  /** Its messages are frames of a relay or labeler. */
  readonly relay?: boolean;
  /** The zstd dictionary that the first message of frames names. */
  readonly dictionaryId?: number;
  /** Leaving them before their end closes the file too. */
  readonly entries: Entries;
  /** Closes a file whose entries nobody began to read. */
  close(): Promise<void>;
}

/** Enough to see the first line of a recording, or where the first message begins. */
const HEAD_BYTES = 4096;
const LINE_FEED = 0x0a, BRACE = 0x7b;
/** The major type, in the upper three bits of a byte. */
const CBOR_MAP = 5;
const JETSTREAM = "jetstream";
/** Commands whose recordings are read. */
const SOURCES: ReadonlySet<unknown> = new Set([JETSTREAM, "firehose", "labeler"]);
const BYTE_ORDER_MARK = Buffer.from("\uFEFF");

/**
 * Recognises the content of a file.
 *
 * @param name The file, for messages.
 * @throws {ConfigError} for anything that this version does not read.
 */
export async function openContent(chunks: Chunks, name: string): Promise<Content> {
  const plain = await plainChunks(chunks);
  const { head, all, failure } = await peek(plain, isEnough);
  const close = async () => void await plain.return();
  try {
    if (head.length > 0) return { ...recognise(head, all, name), close };
    if (failure && failure.reason !== CUT) throw notRead(name, failure.message);
    return { format: "empty", entries: lineEntries(all), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A live stream of short lines must not be kept waiting for more. */
function isEnough(head: Buffer): boolean {
  return head.length >= HEAD_BYTES || head.includes(LINE_FEED);
}

function recognise(head: Buffer, all: Chunks, name: string): Omit<Content, "close"> {
  if (looksFramed(head)) {
    const first = head.subarray(FRAME_HEAD_BYTES);
    const relay = isRelayFrame(first, name);
    const dictionaryId = isZstdFrame(first) ? dictionaryIdOf(first) : 0;
    return { format: "frames", relay, entries: frameEntries(all), ...(dictionaryId !== 0 && { dictionaryId }) };
  }
  const mark = head.indexOf(BYTE_ORDER_MARK) === 0 ? BYTE_ORDER_MARK.length : 0;
  const text = head.toString("utf8", mark).trimStart();
  if (!text.startsWith("{")) throw notRead(name, "it is no recording, and has neither event lines nor frames");
  const header = recordingHeaderOf(text);
  if (header === undefined) return { format: "lines", entries: lineEntries(behind(mark, all)) };
  const { source } = header;
  if (header[RECORDING_MARK] !== RECORDING_VERSION || !SOURCES.has(source)) {
    throw notRead(name, `this version replays recordings of ${[...SOURCES].join(", ")} in format 1 only`);
  }
  const entries = recordingEntries(behind(head.indexOf(LINE_FEED) + 1, all));
  return { format: "recording", relay: source !== JETSTREAM, entries };
}

/** Whether a length that can be is followed by as many bytes, or by as many as there are. */
function looksFramed(head: Buffer): boolean {
  if (head.length <= FRAME_HEAD_BYTES) return false;
  const length = head.readUInt32LE();
  return length > 0 && length <= MOST_MESSAGE_BYTES;
}

/**
 * Whether a relay's or labeler's frame begins so, and not JSON, plain or as a zstd frame.
 *
 * @throws {ConfigError} where no message does.
 */
function isRelayFrame(first: Buffer, name: string): boolean {
  if (first[0] === BRACE || isZstdFrame(first)) return false;
  if (first[0]! >> 5 === CBOR_MAP && first.includes("op")) return true;
  throw notRead(name, "its frames are neither JSON nor CBOR");
}

function recordingHeaderOf(text: string): Record<string, unknown> | undefined {
  const line = text.slice(0, text.indexOf("\n"));
  if (!line.includes(`"${RECORDING_MARK}"`)) return undefined;
  try {
    const header = JSON.parse(line);
    return RECORDING_MARK in header ? header : undefined;
  } catch {
    return undefined;
  }
}

function notRead(name: string, why: string): ConfigError {
  return new ConfigError(`Cannot replay ${name}: ${why}`);
}
