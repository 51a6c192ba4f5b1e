/**
 * HTTP with bounds: whoever is slow, large or many is cut off, and nobody else notices.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { getLogger } from "@logtape/logtape";
import { ConfigError, messageOf } from "../pipeline/errors.ts";
import { authorityOf, type ListenAddress } from "./address.ts";
import { errorAnswer, type OpsAnswer, type OpsRequest } from "./message.ts";

const log = getLogger(["bskyingest", "ops"]);

const MOST_HEAD_BYTES = 16 * 1024, MOST_BODY_BYTES = 64 * 1024;
const MOST_CONNECTIONS = 100;
/** An idle connection is closed after that. */
const IDLE_MS = 5000;

/** What every answer carries. */
const COMMON_HEADERS = {
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin",
} as const;

/** A server that listens. */
export interface OpsServer extends AsyncDisposable {
  /** Where, with the port that was found. */
  readonly address: ListenAddress;
}

/** How patient {@link startServer} is. */
export interface ServerOptions {
  /** For a whole request to arrive, in milliseconds. @default {10000} */
  readonly requestMs?: number;
  /** Whoever takes nothing of a stream for so long is gone, in milliseconds. @default {30000} */
  readonly stuckMs?: number;
}

/** Answers a request. */
export type Handle = (request: OpsRequest) => OpsAnswer | Promise<OpsAnswer>;

/**
 * Starts to listen.
 *
 * @throws {ConfigError} where that address cannot be listened on.
 */
export async function startServer(
  address: ListenAddress,
  handle: Handle,
  { requestMs = 10_000, stuckMs = 30_000 }: ServerOptions = {},
): Promise<OpsServer> {
  const server = createServer({
    maxHeaderSize: MOST_HEAD_BYTES,
    requestTimeout: requestMs,
    headersTimeout: requestMs,
    connectionsCheckingInterval: requestMs / 10,
    keepAliveTimeout: IDLE_MS,
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.on("request", (request, response) => {
    serve(request, response, handle, stuckMs).catch((error) => {
      log.debug("A request ended: {why}", { why: messageOf(error) });
      response.destroy();
    });
  });
  await listen(server, address);
  const { port } = server.address() as AddressInfo;
  return {
    address: { ...address, port },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(server: Server, address: ListenAddress): Promise<void> {
  const host = authorityOf(address);
  // Without a permission Node's server would throw where nobody can catch it.
  if ((await Deno.permissions.request({ name: "net", host })).state !== "granted") {
    throw new ConfigError(`Cannot listen on ${host}: no permission`, { hint: `Run with --allow-net=${host}` });
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (error: Error & { readonly code?: string }) => {
    const taken = error.code === "EADDRINUSE";
    const why = taken ? "the address is in use" : messageOf(error);
    const hint = taken && { hint: "Name another port, or 0 for any free one" };
    reject(new ConfigError(`Cannot listen on ${host}: ${why}`, { cause: error, ...hint }));
  });
  server.listen({ host: address.hostname, port: address.port }, resolve);
  await promise;
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  handle: Handle,
  stuckMs: number,
): Promise<void> {
  const answer = await discardBody(request) ? await answerTo(request, handle) : tooLarge();
  const { status, type, body, headers } = answer;
  response.writeHead(status, {
    ...COMMON_HEADERS,
    "Content-Type": type,
    ...!(body instanceof ReadableStream) && { "Content-Length": Buffer.byteLength(body) },
    ...status === 413 && { Connection: "close" },
    ...headers,
  });
  if (!(body instanceof ReadableStream)) response.end(request.method === "HEAD" ? undefined : body);
  else if (request.method === "HEAD") await Promise.all([body.cancel(), response.end()]);
  else await pump(body, response, stuckMs);
}

function tooLarge(): OpsAnswer {
  return errorAnswer(413, "PayloadTooLarge", `A request's body has at most ${MOST_BODY_BYTES} bytes`);
}

async function answerTo(request: IncomingMessage, handle: Handle): Promise<OpsAnswer> {
  try {
    return await handle(plainRequest(request));
  } catch (error) {
    log.error("Cannot answer {method} {url}: {error}", { method: request.method, url: request.url, error });
    return errorAnswer(500, "InternalError", "Something is wrong here: see the log");
  }
}

function plainRequest({ method = "", url = "", headers, socket }: IncomingMessage): OpsRequest {
  const [path = "", ...query] = url.split("?");
  return {
    method,
    path,
    query: new URLSearchParams(query.join("?")),
    address: socket.remoteAddress ?? "",
    header(name) {
      const value = headers[name];
      return Array.isArray(value) ? value.join(",") : value;
    },
  };
}

/** Nothing that we answer needs a body. Answers whether it was of a bearable size. */
async function discardBody(request: IncomingMessage): Promise<boolean> {
  const { "content-length": length, "transfer-encoding": coding } = request.headers;
  if (length === undefined && coding === undefined) return true;
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MOST_BODY_BYTES) return false;
  }
  return true;
}

/** Sends a stream as it comes, at the speed of whoever takes it. */
async function pump(body: ReadableStream<Uint8Array>, response: ServerResponse, stuckMs: number): Promise<void> {
  const reader = body.getReader();
  const gone = () => void reader.cancel();
  response.once("close", gone);
  for (let chunk; !(chunk = await reader.read()).done;) {
    if (!response.write(chunk.value) && !(await drained(response, stuckMs))) break;
  }
  response.off("close", gone);
  await reader.cancel();
  response.end();
}

/** Answers whether the other side took what was sent, before it has to be taken for gone. */
async function drained(response: ServerResponse, stuckMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), stuckMs);
  const taken = () => resolve(true), gone = () => resolve(false);
  response.once("drain", taken).once("close", gone);
  try {
    if (await promise) return true;
    response.destroy();
    return false;
  } finally {
    clearTimeout(timer);
    response.off("drain", taken).off("close", gone);
  }
}
