/**
 * A client for the tests of this folder: collects what a server sends.
 *
 * @module
 */
import { WebSocket } from "ws";
import { openDecompressor } from "../net/zstd/decompressor.ts";

/** How a connection ended. */
export interface Ending {
  readonly code: number;
  readonly reason: string;
}

/** An open connection. */
export interface TestClient extends AsyncDisposable {
  readonly socket: WebSocket;
  /** Text messages so far; binary ones as bytes. */
  readonly messages: (string | Uint8Array)[];
  /** Resolves when there are so many messages, or the connection has ended. */
  atLeast(count: number): Promise<void>;
  readonly ended: Promise<Ending>;
}

/** A handshake that was refused. */
export interface Refused {
  readonly status: number;
  readonly type: string | undefined;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

/** How {@link dial} asks. */
export interface DialOptions {
  /** Offer `permessage-deflate`. */
  readonly deflate?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Connects; a refusal comes back as a value. */
export async function dial(url: string, options: DialOptions = {}): Promise<TestClient | Refused> {
  const { deflate: perMessageDeflate = false, headers = {} } = options;
  const socket = new WebSocket(url, { perMessageDeflate, headers, skipUTF8Validation: true });
  const client = collect(socket);
  const opened = new Promise<TestClient>((resolve) => socket.once("open", () => resolve(client)));
  const refused = new Promise<Refused>((resolve) =>
    socket.once("unexpected-response", (_request, response) => {
      const chunks: Uint8Array[] = [];
      response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      response.on("end", async () => {
        const body = await new Blob(chunks as Uint8Array<ArrayBuffer>[]).text();
        const { "content-type": type, "retry-after": retryAfter } = response.headers;
        resolve({ status: response.statusCode ?? 0, type, retryAfter, body });
      });
    })
  );
  return await Promise.race([opened, refused]);
}

/** Connects; throws where the handshake is refused. */
export async function connect(url: string, options: DialOptions = {}): Promise<TestClient> {
  const client = await dial(url, options);
  if ("status" in client) throw new Error(`Cannot connect to ${url}: ${client.status} ${client.body}`);
  return client;
}

/** The first messages of a new connection as text. */
export async function receive(url: string, count: number): Promise<string[]> {
  return await receiveRaw(url, count) as string[];
}

/** The first messages of a new connection as binary ones, each of them a zstd frame. */
export async function receiveFrames(url: string, count: number, options: DialOptions = {}): Promise<Uint8Array[]> {
  const messages = await receiveRaw(url, count, options);
  if (messages.some((message) => typeof message === "string")) throw new Error("A text message on a compressed stream");
  return messages as Uint8Array[];
}

async function receiveRaw(url: string, count: number, options: DialOptions = {}): Promise<(string | Uint8Array)[]> {
  await using client = await connect(url, options);
  await client.atLeast(count);
  return client.messages.slice(0, count);
}

/** Decodes zstd frames made with a dictionary. */
export async function decodeFrames(frames: readonly Uint8Array[], dictionary: Uint8Array): Promise<string[]> {
  using decompressor = await openDecompressor({ dictionaries: [dictionary], maxBytes: 1 << 20 });
  return frames.map((frame) => new TextDecoder().decode(decompressor.decompress(frame)));
}

function collect(socket: WebSocket): TestClient {
  const messages: (string | Uint8Array)[] = [];
  const waiting: { count: number; done: () => void }[] = [];
  const check = (all: boolean) => {
    for (const { count, done } of waiting) if (all || messages.length >= count) done();
  };
  socket.on("error", () => {}); // what matters comes with "close"
  socket.on("message", (data: Uint8Array, binary: boolean) => {
    messages.push(binary ? Uint8Array.from(data) : new TextDecoder().decode(data));
    check(false);
  });
  const ended = new Promise<Ending>((resolve) =>
    socket.once("close", (code: number, reason: Uint8Array) => {
      resolve({ code, reason: new TextDecoder().decode(reason) });
      check(true);
    })
  );
  return {
    socket,
    messages,
    ended,
    atLeast: (count) =>
      new Promise((done) => {
        waiting.push({ count, done });
        check(socket.readyState === WebSocket.CLOSED);
      }),
    async [Symbol.asyncDispose]() {
      socket.terminate();
      await ended;
    },
  };
}
