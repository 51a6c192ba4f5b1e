/**
 * The bytes of recordings: line 1 is JSON, then entries of a head and a message.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** The three ways in which messages are saved. */
export const RECORD_FORMATS = ["recording", "ndjson", "frames"] as const;
/** See {@link RECORD_FORMATS}. */
export type RecordFormat = typeof RECORD_FORMATS[number];

/** The member of line 1 that makes a file a recording; its value is the version of the format. */
export const RECORDING_MARK = "bskyingest_recording";
/** The version that is written, and the only one that is read. */
export const RECORDING_VERSION = 1;

/** What an entry of a recording is: its type byte. */
export const ENTRY = { text: 0, binary: 1, opened: 2, closed: 3 } as const;

/** u32 LE length of the message, u8 type, u64 LE receive time in microseconds since 1970. */
export const ENTRY_HEAD_BYTES = 13;
/** u32 LE length of the message. */
export const FRAME_HEAD_BYTES = 4;

/**
 * The longest message that is believed. Four characters of text, read as a length, come to more, so a text file is never taken
 * for frames; and a damaged length does not take all memory.
 */
export const MOST_MESSAGE_BYTES: number = 128 * 1024 * 1024;

/** Line 1 of a recording of `source` (a command's name). */
export function recordingHeader(source: string, startedAt: Date): string {
  const header = { [RECORDING_MARK]: RECORDING_VERSION, source, started_at: startedAt.toISOString() };
  return JSON.stringify(header) + "\n";
}

/** The head of an entry whose message is `length` bytes long and came at `atUs` (microseconds since 1970). */
export function entryHead(length: number, type: number, atUs: number): Buffer {
  const head = Buffer.allocUnsafe(ENTRY_HEAD_BYTES);
  head.writeUInt32LE(length, 0);
  head.writeUInt8(type, 4);
  head.writeUInt32LE(atUs % 2 ** 32, 5);
  head.writeUInt32LE(Math.floor(atUs / 2 ** 32), 9);
  return head;
}

/** The receive time in the head that begins at `offset`, in microseconds since 1970. */
export function entryTime(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset + 5) + bytes.readUInt32LE(offset + 9) * 2 ** 32;
}

/** The head of a frame of `length` bytes. */
export function frameHead(length: number): Buffer {
  const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES);
  head.writeUInt32LE(length);
  return head;
}
