/**
 * How the messages of a connection are written: as text, or each as a zstd frame in a binary message.
 *
 * @module
 */
import { ConfigError, messageOf } from "../pipeline/errors.ts";
import type { Compressor } from "../net/zstd/compressor.ts";
import { readFrameHeader } from "../net/zstd/header.ts";
import type { Dictionary } from "./dictionary.ts";
import { type FrameBuffer, OPCODE } from "./frames.ts";
import type { ServerKind } from "./subscription.ts";

/** Writes messages. */
export interface Encoding {
  /** Bytes to collect for one write: what takes long to make is written in smaller pieces, so that others get their turn. */
  readonly batchBytes: number;
  /** Adds a message, given as text or as bytes of text; returns its bytes, or 0 when they were more than `limit` (0: none). */
  add(buffer: FrameBuffer, message: string | Uint8Array, limit?: number): number;
}

/** Text messages. */
export const plainEncoding: Encoding = {
  batchBytes: 128 * 1024,
  add(buffer, message, limit = 0) {
    if (typeof message === "string") return buffer.text(message, limit);
    if (limit > 0 && message.length > limit) return 0;
    buffer.add(OPCODE.text, message);
    return message.length;
  },
};

/** Speed counts: higher levels cost more than the bytes that they save on a loopback. */
const LEVEL = 1;
/** Real servers leave the content size out of the frames of shorter messages. */
const SIZE_FROM = 256;

const encoder = new TextEncoder();

/** Binary messages. A new server compares a message's own bytes with the limit, a legacy one those of its frame. */
function zstdEncoding(compressor: Compressor, kind: ServerKind): Encoding {
  let scratch = new Uint8Array(64 * 1024);
  const bytesOf = (text: string) => {
    if (text.length * 3 > scratch.length) scratch = new Uint8Array(text.length * 6);
    return scratch.subarray(0, encoder.encodeInto(text, scratch).written);
  };
  return {
    batchBytes: 16 * 1024,
    add(buffer, message, limit = 0) {
      const bytes = typeof message === "string" ? bytesOf(message) : message;
      if (limit > 0 && kind === "new" && bytes.length > limit) return 0;
      const compressed = compressor.compress(bytes);
      const frame = bytes.length < SIZE_FROM ? withoutSize(compressed) : compressed;
      if (limit > 0 && kind === "legacy" && frame.length > limit) return 0;
      buffer.add(OPCODE.binary, frame);
      return frame.length;
    },
  };
}

/** The frame with a window of 1 KiB in place of its one byte of content size (RFC 8878, section 3.1.1.1). */
function withoutSize(frame: Uint8Array): Uint8Array {
  const { contentSize, length } = readFrameHeader(frame);
  if (contentSize === undefined) return frame;
  const changed = Uint8Array.from(frame);
  changed[4]! &= 0b111; // no size and no single segment; checksum and dictionary id as they were
  changed[5] = 0;
  changed.set(frame.subarray(5, length - 1), 6);
  return changed;
}

/** The codec of a server, which is loaded when the first client asks for it. */
export interface Codec extends AsyncDisposable {
  /** @throws {ConfigError} when the dictionary cannot be used. */
  open(): Promise<Encoding>;
}

/** @param dictionary What all frames are made with. */
export function createCodec({ bytes, id }: Dictionary, kind: ServerKind): Codec {
  let opened: Promise<Compressor> | undefined, encoding: Encoding | undefined;
  const load = async () => {
    const { openCompressor } = await import("../net/zstd/compressor.ts");
    return await openCompressor({ dictionary: bytes, level: LEVEL });
  };
  return {
    async open() {
      try {
        const compressor = await (opened ??= load());
        return encoding ??= zstdEncoding(compressor, kind);
      } catch (error) {
        throw new ConfigError(`Cannot use zstd dictionary ${id}: ${messageOf(error)}`, { cause: error });
      }
    },
    async [Symbol.asyncDispose]() {
      (await opened?.catch(() => undefined))?.[Symbol.dispose]();
    },
  };
}
