/**
 * WebSocket frames (RFC 6455), the server's side: many messages are written into one buffer, so that one write to the socket
 * carries them all, and what the client sends is put together.
 *
 * @module
 */

/** Frame types. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

const encoder = new TextEncoder();
const FINAL = 0x80;

/** Collects frames in one growing buffer. */
export interface FrameBuffer {
  /** Bytes collected. */
  readonly size: number;
  /** Adds a text message; returns its bytes, or 0 when it was longer than `limit` (0: none) and left out. */
  text(message: string, limit?: number): number;
  add(opcode: number, payload: Uint8Array): void;
  /** Adds whole frames. */
  append(frames: Uint8Array): void;
  /** What was collected, valid until the next message is added; the buffer is empty then. */
  take(): Uint8Array;
}

/** @param capacity Bytes to begin with. */
export function createFrameBuffer(capacity = 256 * 1024): FrameBuffer {
  let bytes = new Uint8Array(capacity);
  let end = 0;
  const reserve = (size: number) => {
    if (end + size <= bytes.length) return;
    const larger = new Uint8Array(Math.max(bytes.length * 2, end + size));
    larger.set(bytes.subarray(0, end));
    bytes = larger;
  };
  const header = (opcode: number, size: number) => {
    bytes[end] = FINAL | opcode;
    if (size < 126) {
      bytes[end + 1] = size;
    } else if (size < 65_536) {
      bytes[end + 1] = 126;
      bytes[end + 2] = size >>> 8;
      bytes[end + 3] = size;
    } else {
      bytes[end + 1] = 127;
      new DataView(bytes.buffer).setBigUint64(end + 2, BigInt(size));
    }
  };
  return {
    get size() {
      return end;
    },
    text(message, limit = 0) {
      reserve(message.length * 3 + 10);
      // Nearly every event is between 126 and 65,535 bytes: its header has four.
      const { written } = encoder.encodeInto(message, bytes.subarray(end + 4));
      if (limit > 0 && written > limit) return 0;
      const head = headerSize(written);
      if (head !== 4) bytes.copyWithin(end + head, end + 4, end + 4 + written);
      header(OPCODE.text, written);
      end += head + written;
      return written;
    },
    add(opcode, payload) {
      reserve(payload.length + 10);
      header(opcode, payload.length);
      bytes.set(payload, end + headerSize(payload.length));
      end += headerSize(payload.length) + payload.length;
    },
    append(frames) {
      reserve(frames.length);
      bytes.set(frames, end);
      end += frames.length;
    },
    take() {
      const taken = bytes.subarray(0, end);
      end = 0;
      return taken;
    },
  };
}

function headerSize(payload: number): number {
  return payload < 126 ? 2 : payload < 65_536 ? 4 : 10;
}

/** One frame by itself. */
export function frame(opcode: number, payload: Uint8Array = new Uint8Array()): Uint8Array {
  const buffer = createFrameBuffer(payload.length + 10);
  buffer.add(opcode, payload);
  return buffer.take();
}

/** A close frame; a reason has at most 123 bytes, cut where a character ends. */
export function closeFrame(code: number, reason = ""): Uint8Array {
  const payload = new Uint8Array(125);
  const { written } = encoder.encodeInto(reason, payload.subarray(2));
  new DataView(payload.buffer).setUint16(0, code);
  return frame(OPCODE.close, payload.subarray(0, 2 + written));
}

/** What the client did wrong: to be answered with this close code. */
export class FrameError extends Error {
  override readonly name = "FrameError";
  readonly code: number;

  constructor(code: number, reason: string) {
    super(reason);
    this.code = code;
  }
}

/** A whole message, or a control frame. */
export interface ClientMessage {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/**
 * Puts a client's frames together.
 *
 * @param limit Bytes of one message.
 * @returns A function that takes what was received and yields what is complete; it throws {@link FrameError}.
 */
export function createFrameReader(limit: number): (received: Uint8Array) => Generator<ClientMessage> {
  let pending: Uint8Array = new Uint8Array();
  let parts: Uint8Array[] = [];
  let opcode = 0, size = 0;

  return function* (received) {
    pending = concat([pending, received]);
    for (let next = parse(pending, limit); next; next = parse(pending, limit)) {
      pending = pending.subarray(next.end);
      if (next.opcode >= OPCODE.close) {
        yield next;
        continue;
      }
      if (next.opcode !== OPCODE.continuation) [opcode, parts, size] = [next.opcode, [], 0];
      size += next.payload.length;
      if (size > limit) throw new FrameError(1009, "message too big");
      parts.push(next.payload);
      if (next.final) yield { opcode, payload: parts.length === 1 ? parts[0]! : concat(parts) };
    }
  };
}

/** The first frame of `bytes`, unmasked; `undefined` while it is not complete. */
function parse(bytes: Uint8Array, limit: number) {
  if (bytes.length < 2) return undefined;
  const final = (bytes[0]! & FINAL) !== 0, opcode = bytes[0]! & 15;
  if ((bytes[1]! & 0x80) === 0) throw new FrameError(1002, "received a frame without a mask");
  const short = bytes[1]! & 0x7f;
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
  const start = 2 + extended + 4;
  if (bytes.length < start) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = extended === 0 ? short : extended === 2 ? view.getUint16(2) : Number(view.getBigUint64(2));
  if (length > limit) throw new FrameError(1009, "message too big");
  if (bytes.length < start + length) return undefined;
  const payload = bytes.slice(start, start + length);
  for (let n = 0; n < length; n++) payload[n]! ^= bytes[start - 4 + (n & 3)]!;
  return { final, opcode, payload, end: start + length };
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  return all;
}
