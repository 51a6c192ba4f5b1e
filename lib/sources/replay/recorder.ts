/**
 * Saving what a source receives, byte for byte.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { ConfigError } from "../../pipeline/errors.ts";
import type { TapEntry } from "../tap.ts";
import { ENTRY, entryHead, frameHead, type RecordFormat, recordingHeader } from "./format.ts";

const LINE_FEED = 0x0a;

/** Where a recording goes. */
export interface RecordingOutput {
  /** Appends all of `bytes`. */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when all that was written is durable. */
  sync(): Promise<void>;
}

/** Options of {@link createRecorder}. */
export interface RecorderOptions {
  readonly output: RecordingOutput;
  readonly format: RecordFormat;
  readonly compression: "none" | "gzip" | "zstd";
  /** The command whose source is recorded. */
  readonly source: string;
  /** Messages after which nothing more is taken; 0 = no limit. @default {0} */
  readonly limit?: number;
  /** The local clock, in microseconds since 1970. */
  readonly now?: () => number;
}

/** Collects messages and writes them when it is told to. */
export interface Recorder {
  /** Messages taken so far. */
  readonly messages: number;
  /** Their size. */
  readonly messageBytes: number;
  /** Bytes written, compressed where that was asked for. */
  readonly bytesWritten: number;
  /** Bytes that wait for {@link flush}, before compression. */
  readonly waiting: number;
  /** The limit is reached. */
  readonly full: boolean;
  /**
   * Takes what a tap is shown.
   *
   * @throws {ConfigError} for a message that the format cannot hold.
   */
  add(entry: TapEntry): void;
  /** Writes what waits, as a compressed member of its own: a process that is killed loses nothing of those before. */
  flush(): Promise<void>;
}

/** Begins a recording. Nothing is written before the first flush. */
export function createRecorder(options: RecorderOptions): Recorder {
  const { output, format, compression, limit = 0, now = clockUs } = options;
  let parts: Uint8Array[] = [];
  let waiting = 0, messages = 0, messageBytes = 0, bytesWritten = 0;
  let flushing: Promise<void> = Promise.resolve();
  const push = (...bytes: Uint8Array[]) => {
    for (const each of bytes) waiting += each.length;
    parts.push(...bytes);
  };
  const pushEntry = (type: number, message: Uint8Array, at: number) =>
    push(entryHead(message.length, type, at), message);
  if (format === "recording") push(Buffer.from(recordingHeader(options.source, new Date(now() / 1000))));

  async function write(): Promise<void> {
    if (parts.length === 0) return;
    const plain = Buffer.concat(parts);
    parts = [];
    waiting = 0;
    const bytes = compress(plain, compression);
    await output.write(bytes);
    bytesWritten += bytes.length;
    await output.sync();
  }

  function addMessage(message: Uint8Array, binary: boolean, at: number): void {
    if (format === "ndjson" && (binary || message.includes(LINE_FEED))) {
      const what = binary ? "is binary" : "has a line feed";
      throw new ConfigError(`Cannot record a message as a line: it ${what}`, { hint: "Use --format recording" });
    }
    messages++;
    messageBytes += message.length;
    if (format === "recording") pushEntry(binary ? ENTRY.binary : ENTRY.text, message, at);
    else if (format === "frames") push(frameHead(message.length), message);
    else push(message, Uint8Array.of(LINE_FEED));
  }

  return {
    get messages() {
      return messages;
    },
    get messageBytes() {
      return messageBytes;
    },
    get bytesWritten() {
      return bytesWritten;
    },
    get waiting() {
      return waiting;
    },
    get full() {
      return limit > 0 && messages >= limit;
    },
    add(entry) {
      const at = now();
      if (entry.type === "frames") {
        const { data, binary } = entry.frames;
        const most = limit > 0 ? Math.min(data.length, limit - messages) : data.length;
        for (let i = 0; i < most; i++) addMessage(data[i]!, binary[i]!, at);
      } else if (format === "recording") {
        const { type, ...rest } = entry;
        const told = "url" in rest ? { ...rest, url: withoutCredentials(rest.url) } : rest;
        pushEntry(ENTRY[type], Buffer.from(JSON.stringify(told)), at);
      }
    },
    flush() {
      const next = flushing.then(write);
      flushing = next.catch(() => {}); // whoever called knows; the next flush tries with what came since
      return next;
    },
  };
}

function compress(bytes: Buffer, compression: RecorderOptions["compression"]): Buffer {
  if (compression === "gzip") return gzipSync(bytes);
  if (compression === "none") return bytes;
  // Where the output does not fit into one chunk, Deno 2.9 puts an empty frame behind it.
  const chunkSize = bytes.length + Math.ceil(bytes.length / 128) + 1024;
  return zstdCompressSync(bytes, { chunkSize, params: { [constants.ZSTD_c_checksumFlag]: 1 } });
}

/** Microseconds since 1970, finer than `Date.now()`. */
function clockUs(): number {
  return Math.floor((performance.timeOrigin + performance.now()) * 1000);
}

function withoutCredentials(url: string): string {
  const clean = new URL(url);
  clean.username = clean.password = "";
  return clean.href;
}
