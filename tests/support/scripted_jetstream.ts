/**
 * A Jetstream server that does what a test tells it, connection by connection: what `lib/simulate` has no switch for.
 *
 * @module
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, STATUS_CODES } from "node:http";
import type { AddressInfo } from "node:net";
import type { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
// @ts-types="@types/ws"
import { type WebSocket, WebSocketServer } from "ws";

/** A handshake that came in. */
export interface Dial {
  /** Counts from 0, over all handshakes of this server. */
  readonly index: number;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  /** The `cursor` parameter. */
  readonly cursor: number | undefined;
  /** `Date.now()` of the handshake. */
  readonly at: number;
  /** Answers with an HTTP status in place of an upgrade. */
  refuse(status: number, body?: string, headers?: Readonly<Record<string, string>>): void;
  /** Upgrades, and sends these messages. */
  accept(...messages: readonly (string | Uint8Array)[]): WebSocket;
}

/** A server that was started. */
export interface ScriptedJetstream extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Of the v1 wire; the path decides the wire. */
  readonly url: string;
  readonly urlV2: string;
  /** Every handshake so far. */
  readonly dials: readonly Dial[];
  /** Sockets that are open now. */
  readonly sockets: ReadonlySet<WebSocket>;
}

/** How a server answers. */
export interface ScriptOptions {
  /** Decides about each handshake; neither refusing nor accepting leaves the client waiting. */
  readonly onDial: (dial: Dial) => void;
  /** The answer to a GET without upgrade. Default: 404. */
  readonly get?: { readonly status: number; readonly body?: string };
}

/** Starts a server on a free loopback port. */
export async function startScripted({ onDial, get = { status: 404 } }: ScriptOptions): Promise<ScriptedJetstream> {
  const dials: Dial[] = [];
  const sockets = new Set<WebSocket>();
  const streams = new Set<Duplex>();
  const webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const http = createServer((_, response) => response.writeHead(get.status).end(get.body ?? ""));
  http.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    streams.add(stream);
    stream.on("close", () => streams.delete(stream));
    stream.on("error", () => {}); // a client may leave whenever it likes
    const url = new URL(request.url!, "ws://localhost");
    const cursor = url.searchParams.get("cursor");
    const dial: Dial = {
      index: dials.length,
      url,
      headers: request.headers,
      cursor: cursor === null ? undefined : Number(cursor),
      at: Date.now(),
      refuse: (status, body = "", headers = {}) => void stream.end(httpAnswer(status, body, headers)),
      accept(...messages) {
        let socket!: WebSocket;
        // Without `verifyClient` the callback is called before `handleUpgrade` returns.
        webSockets.handleUpgrade(request, stream, head, (accepted) => socket = accepted);
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
        socket.on("error", () => {});
        for (const message of messages) socket.send(message);
        return socket;
      },
    };
    dials.push(dial);
    onDial(dial);
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(http.address() as AddressInfo).port}`;
  return {
    host,
    url: `ws://${host}/subscribe`,
    urlV2: `ws://${host}/xrpc/network.bsky.jetstream.subscribeEvents`,
    dials,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.terminate();
      for (const stream of streams) stream.destroy();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

function httpAnswer(status: number, body: string, headers: Readonly<Record<string, string>>): string {
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}`,
    "Connection: close",
    `Content-Length: ${new TextEncoder().encode(body).length}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}
