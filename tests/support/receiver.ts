/**
 * A receiver of webhooks on loopback that answers as it is told.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Certificate } from "./certificate.ts";

/** One request as it came. */
export interface Received {
  readonly id: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The sender's port. */
  readonly connection: number | undefined;
}

/** What to answer; a number is a status. `hang`: nothing; `reset`: the connection breaks. */
export type Reply = number | "hang" | "reset" | {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

/** Decides about the `n`-th request (from 0). Default: 200. */
export type Script = (request: Received, n: number) => Reply | Promise<Reply>;

/** A receiver; it ends with the block: `await using receiver = await startReceiver()`. */
export interface Receiver extends AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:PORT/hook` */
  readonly url: string;
  /** Every request, in the order of their coming. */
  readonly requests: readonly Received[];
  /** Those that were answered with 2xx. */
  readonly taken: readonly Received[];
  /** Requests that are waiting for their answer now, and the most that ever were. */
  readonly busy: { now: number; most: number };
  script: Script;
}

/** Starts one. */
export async function startReceiver(script?: Script, tls?: Certificate): Promise<Receiver> {
  const requests: Received[] = [], taken: Received[] = [];
  const busy = { now: 0, most: 0 };
  const listener = (message: IncomingMessage, response: ServerResponse) => {
    answer(message, response).catch(() => response.destroy());
  };
  const server = tls ? createTlsServer({ cert: tls.cert, key: tls.key }, listener) : createServer(listener);

  async function answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk);
    const headers = message.headers as Record<string, string>;
    const body = Buffer.concat(chunks).toString();
    const received = {
      id: headers["webhook-id"] ?? "",
      body,
      headers,
      at: Date.now(),
      connection: message.socket.remotePort,
    };
    const n = requests.push(received) - 1;
    busy.most = Math.max(busy.most, ++busy.now);
    const reply = await receiver.script(received, n);
    busy.now--;
    if (reply === "hang") return;
    if (reply === "reset") return void message.socket.destroy();
    const { status, headers: more, body: text } = typeof reply === "number"
      ? { status: reply, headers: {}, body: "" }
      : { headers: {}, body: "", ...reply };
    if (status >= 200 && status < 300) taken.push(received);
    response.writeHead(status, more).end(text);
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const receiver: Receiver = {
    port,
    url: `${tls ? "https" : "http"}://127.0.0.1:${port}/hook`,
    requests,
    taken,
    busy,
    script: script ?? (() => 200),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}

/** The events of a request, as their JSON values. */
export function eventsOf({ body }: Received): { readonly did: string; readonly commit: Record<string, unknown> }[] {
  const value = JSON.parse(body);
  return Array.isArray(value) ? value : [value];
}
