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
    checkFrame(first, name);
    const dictionaryId = isZstdFrame(first) ? dictionaryIdOf(first) : 0;
    return { format: "frames", entries: frameEntries(all), ...(dictionaryId !== 0 && { dictionaryId }) };
  }
  const mark = head.indexOf(BYTE_ORDER_MARK) === 0 ? BYTE_ORDER_MARK.length : 0;
  const text = head.toString("utf8", mark).trimStart();
  if (!text.startsWith("{")) throw notRead(name, "it is no recording, and has no lines or frames of Jetstream");
  const header = recordingHeaderOf(text);
  if (header === undefined) return { format: "lines", entries: lineEntries(behind(mark, all)) };
  if (header[RECORDING_MARK] !== RECORDING_VERSION || header.source !== "jetstream") {
    throw notRead(name, "this version replays recordings of jetstream in format 1 only");
  }
  return { format: "recording", entries: recordingEntries(behind(head.indexOf(LINE_FEED) + 1, all)) };
}

/** Whether a length that can be is followed by as many bytes, or by as many as there are. */
function looksFramed(head: Buffer): boolean {
  if (head.length <= FRAME_HEAD_BYTES) return false;
  const length = head.readUInt32LE();
  return length > 0 && length <= MOST_MESSAGE_BYTES;
}

/** @throws {ConfigError} unless a message begins so: it is JSON, plain or as a zstd frame. */
function checkFrame(first: Buffer, name: string): void {
  if (first[0] === BRACE || isZstdFrame(first)) return;
  if (isCborMap(first[0]!)) throw notRead(name, "this version does not read frames of relays and labelers");
  throw notRead(name, "its frames are no JSON");
}

/** Frames of `com.atproto.sync.subscribeRepos` begin with a CBOR map. */
function isCborMap(byte: number): boolean {
  return byte >> 5 === 5;
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
