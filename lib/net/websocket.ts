/**
 * One WebSocket connection with receive back-pressure.
 *
 * Deno's own `WebSocket` has none (a slow consumer took 476 MB to 1.4 GB) and hides why a handshake failed, so this is `ws`.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
// @ts-types="@types/ws"
import WebSocket from "ws";
import { messageOf } from "../pipeline/errors.ts";
import { retryAfterMs } from "./retry_after.ts";

/** Messages that wait before the socket is paused, and their bytes. */
const MOST_MESSAGES = 2000, MOST_BYTES = 4 * 1024 * 1024;
/** Messages of one chunk, and how long a chunk waits to become full, in milliseconds. */
const CHUNK_MESSAGES = 256, CHUNK_MS = 5;
/** A server's words about a refusal are read up to here. */
const MOST_WORDS = 8 * 1024;
const HANDSHAKE_MS = 15_000;
/** How long a close frame may take to be answered. */
const CLOSE_MS = 1000;

/** Messages in the order of their arrival, as they came. */
export interface Frames {
  /** The messages. */
  readonly data: readonly Buffer[];
  /** For each message: whether it was a binary one. */
  readonly binary: readonly boolean[];
}

/** How to connect. */
export interface ConnectOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** The largest message that is accepted, in bytes; a larger one ends the connection with `oversize`. */
  readonly maxPayload: number;
  /** Nothing at all for so long (data, ping or pong; we ping meanwhile): `dead`. 0 = never. */
  readonly liveMs: number;
  /** No data for so long: `silent`. 0 = never. A function is asked at each look, which `liveMs` alone times then. */
  readonly silentMs: number | (() => number);
  /** Paused by back-pressure for so long: closed with `paused`. 0 = never. */
  readonly pausedMs: number;
  /** For connecting and the upgrade. @default {15000} */
  readonly handshakeMs?: number;
  /** Aborting closes the connection: `stopped`. */
  readonly signal: AbortSignal;
}

/** Why a connection ended. */
export type Outcome =
  | { readonly kind: "stopped" | "dead" | "silent" | "paused" }
  | { readonly kind: "closed"; readonly code: number; readonly reason: string }
  | {
    readonly kind: "refused";
    readonly status: number;
    readonly retryAfterMs: number | undefined;
    readonly body: string;
  }
  | { readonly kind: "oversize" }
  | { readonly kind: "failed"; readonly error: string };

/** A connection that was begun. */
export interface Connection {
  readonly url: string;
  /** Resolves to whether the handshake went well. */
  readonly opened: Promise<boolean>;
  /** Ends when the connection does, with all that came before delivered. Never errors. */
  readonly frames: ReadableStream<Frames>;
  /** Resolves when the socket is gone. Never rejects. */
  readonly closed: Promise<Outcome>;
  /** Sends a text message. */
  send(text: string): void;
}

/** Connects. `permessage-deflate` is never offered: new Jetstream servers refuse it together with zstd. */
export function connect(url: string, options: ConnectOptions): Connection {
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    skipUTF8Validation: true, // one bad message must not cost the connection: the reader checks each
    handshakeTimeout: options.handshakeMs ?? HANDSHAKE_MS,
    maxPayload: options.maxPayload,
    headers: { ...options.headers },
  });
  const opened = Promise.withResolvers<boolean>();
  const closed = Promise.withResolvers<Outcome>();
  let outcome: Outcome | undefined;
  let heard = Date.now(), heardData = heard;

  /** The first reason counts; `close` follows it. */
  const end = (why: Outcome) => {
    if (outcome) return;
    outcome = why;
    if (socket.readyState === WebSocket.OPEN) {
      socket.close(1000);
      closing = setTimeout(() => socket.terminate(), CLOSE_MS);
      socket.resume(); // the answer to our close frame must be read
    } else socket.terminate();
  };
  let closing: ReturnType<typeof setTimeout> | undefined;
  const queue = new FrameQueue(socket, () => end({ kind: "paused" }), options.pausedMs);

  const watchdog = startWatchdog(options, (late) => {
    if (late || queue.paused || socket.readyState !== WebSocket.OPEN) {
      heard = heardData = Date.now();
      return;
    }
    const now = Date.now();
    const silentMs = typeof options.silentMs === "number" ? options.silentMs : options.silentMs();
    if (options.liveMs > 0 && now - heard >= options.liveMs) end({ kind: "dead" });
    else if (silentMs > 0 && now - heardData >= silentMs) end({ kind: "silent" });
    else if (options.liveMs > 0) socket.ping();
  });
  const onAbort = () => end({ kind: "stopped" });

  socket.on("open", () => {
    heard = heardData = Date.now();
    opened.resolve(true);
  });
  socket.on("message", (data: Buffer, binary: boolean) => {
    heard = heardData = Date.now();
    if (!outcome) queue.push(data, binary);
  });
  socket.on("ping", () => heard = Date.now());
  socket.on("pong", () => heard = Date.now());
  socket.on("unexpected-response", (request, response) => {
    readRefusal(response).then((refusal) => {
      outcome ??= refusal;
      request.destroy();
      socket.terminate();
    });
  });
  socket.on("error", (error: Error & { code?: string }) => {
    if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") outcome ??= { kind: "oversize" };
    else outcome ??= { kind: "failed", error: messageOf(error) };
  });
  socket.on("close", (code, reason) => {
    clearInterval(watchdog);
    clearTimeout(closing);
    options.signal.removeEventListener("abort", onAbort);
    opened.resolve(false);
    if (queue.paused) outcome ??= { kind: "paused" }; // a server drops whoever does not read: our back-pressure, not a fault
    queue.close();
    closed.resolve(outcome ?? { kind: "closed", code, reason: reason.toString() });
  });
  options.signal.addEventListener("abort", onAbort, { once: true });
  if (options.signal.aborted) onAbort();
  return {
    url,
    opened: opened.promise,
    frames: queue.readable,
    closed: closed.promise,
    send: (text) => socket.send(text),
  };
}

/**
 * Looks three times in the shorter of the two times; each look that finds nothing wrong sends a ping. A look that comes `late`
 * proves nothing: this process itself stood still, and what arrived meanwhile is not read yet.
 */
function startWatchdog({ liveMs, silentMs }: ConnectOptions, look: (late: boolean) => void) {
  const shortest = Math.min(liveMs || Infinity, (typeof silentMs === "number" && silentMs) || Infinity);
  if (!Number.isFinite(shortest)) return undefined;
  const every = Math.max(10, shortest / 3);
  let looked = Date.now();
  return setInterval(() => {
    const late = Date.now() - looked > 2 * every;
    looked = Date.now();
    look(late);
  }, every);
}

async function readRefusal(response: IncomingMessage): Promise<Outcome> {
  const status = response.statusCode ?? 0;
  let body = "";
  try {
    for await (const chunk of response.setEncoding("utf8")) {
      body += chunk;
      if (body.length >= MOST_WORDS) break;
    }
  } catch {
    // What was read of the server's words is all there is.
  }
  const after = retryAfterMs(response.headers["retry-after"]);
  return { kind: "refused", status, retryAfterMs: after, body: body.slice(0, MOST_WORDS) };
}

/** Collects messages to chunks and pauses the socket while too much waits. */
class FrameQueue {
  readonly readable: ReadableStream<Frames>;
  readonly #socket: WebSocket;
  readonly #onStuck: () => void;
  readonly #pausedMs: number;
  #controller!: ReadableStreamDefaultController<Frames>;
  #data: Buffer[] = [];
  #binary: boolean[] = [];
  #bytes = 0;
  #closed = false;
  #chunkTimer: ReturnType<typeof setTimeout> | undefined;
  #paused = false;
  #stuckTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: WebSocket, onStuck: () => void, pausedMs: number) {
    this.#socket = socket;
    this.#onStuck = onStuck;
    this.#pausedMs = pausedMs;
    this.readable = new ReadableStream<Frames>({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#resume(),
      cancel: () => {
        this.#stop();
        socket.terminate();
      },
    }, { highWaterMark: MOST_MESSAGES, size: weightOf });
  }

  get paused(): boolean {
    return this.#paused;
  }

  push(data: Buffer, binary: boolean): void {
    if (this.#closed) return;
    this.#data.push(data);
    this.#binary.push(binary);
    this.#bytes += data.length;
    if (this.#data.length >= CHUNK_MESSAGES || this.#bytes >= MOST_BYTES) this.#flush();
    else this.#chunkTimer ??= setTimeout(() => this.#flush(), CHUNK_MS);
  }

  close(): void {
    if (this.#closed) return;
    this.#flush();
    this.#stop();
    this.#controller.close();
  }

  #stop(): void {
    this.#closed = true;
    clearTimeout(this.#chunkTimer);
    clearTimeout(this.#stuckTimer);
  }

  #flush(): void {
    clearTimeout(this.#chunkTimer);
    this.#chunkTimer = undefined;
    if (this.#data.length === 0 || this.#closed) return;
    this.#controller.enqueue({ data: this.#data, binary: this.#binary });
    this.#data = [];
    this.#binary = [];
    this.#bytes = 0;
    if ((this.#controller.desiredSize ?? 0) > 0 || this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
    if (this.#pausedMs > 0) this.#stuckTimer = setTimeout(this.#onStuck, this.#pausedMs);
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    clearTimeout(this.#stuckTimer);
    this.#socket.resume();
  }
}

/** A chunk weighs as much as its messages, or more where they are large. */
function weightOf({ data }: Frames): number {
  const bytes = data.reduce((n, message) => n + message.length, 0);
  return Math.max(data.length, bytes * (MOST_MESSAGES / MOST_BYTES));
}
