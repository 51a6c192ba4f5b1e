/**
 * An Elasticsearch that answers what a test tells it: for what a real server says rarely, or only with a licence.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import type { Certificate } from "./certificate.ts";

/** A request that came in. */
export interface Received {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** As text, decompressed. */
  readonly body: string;
  /** `performance.now()` when it had come in. */
  readonly at: number;
}

/** What is sent back. */
export interface Reply {
  /** Default: 200. */
  readonly status?: number;
  /** Sent as JSON; a string is sent as it is. */
  readonly body?: unknown;
  /** In place of the usual ones; undefined takes one away. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

/** A reply; or the connection is cut; or nothing comes, ever. */
export type Behaviour = Reply | "reset" | "hang";

/** What one kind of request leads to: always the same, one after the other (the last one stays), or what a function says. */
export type Handler =
  | Behaviour
  | readonly Behaviour[]
  | ((request: Received, count: number) => Behaviour | Promise<Behaviour>);

/** Handlers by method and path: `POST /_bulk`. */
export type Script = Readonly<Record<string, Handler>>;

/** A server that was started. */
export interface ScriptedElasticsearch extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, with TLS `https://localhost:PORT`. */
  readonly url: string;
  /** All so far. */
  readonly requests: readonly Received[];
  /** Those of one kind, as a script names it. */
  received(what: string): readonly Received[];
}

/** What `GET /` says. */
export function info(version: string, more: Readonly<Record<string, unknown>> = {}): Reply {
  return { body: { cluster_name: "scripted", version: { number: version, ...more }, tagline: "You Know, for Search" } };
}

/** What `GET /ALIAS` says of an alias with some indices. */
export function aliasOf(
  alias: string,
  indices: readonly { readonly name: string; readonly write?: boolean; readonly mappings?: unknown }[],
): Reply {
  const entries = indices.map(({ name, write, mappings = {} }) => {
    const aliases = { [alias]: write === undefined ? {} : { is_write_index: write } };
    return [name, { aliases, mappings, settings: { index: {} } }];
  });
  return { body: Object.fromEntries(entries) };
}

/** An error as the server words it. */
export function failure(status: number, type: string, reason = "scripted"): Reply {
  return { status, body: { error: { type, reason, root_cause: [{ type, reason }] }, status } };
}

/** All that a bulk asks for works. */
export function bulkOk({ body }: Received): Reply {
  const actions = body.split("\n").filter((line) => /^\{"(index|delete)":/.test(line));
  return {
    body: { errors: false, items: actions.map((line) => ({ [Object.keys(JSON.parse(line))[0]!]: { status: 200 } })) },
  };
}

/** What the server does where the script says nothing; any other request is for an index that is not there. */
const DEFAULTS: Script = { "GET /": info("8.19.2"), "POST /_bulk": bulkOk };

/** Starts a server on a free loopback port; with a certificate it speaks TLS. */
export async function scriptedElasticsearch(
  script: Script = {},
  options: { readonly tls?: Certificate } = {},
): Promise<ScriptedElasticsearch> {
  const requests: Received[] = [];
  const handlers = { ...DEFAULTS, ...script };
  const received = (what: string) => requests.filter(({ method, path }) => `${method} ${path}` === what);
  const answer = async (incoming: IncomingMessage, response: ServerResponse) => {
    const request = await readRequest(incoming);
    const what = `${request.method} ${request.path}`;
    const count = received(what).length;
    requests.push(request);
    const handler = handlers[what] ??
      failure(404, "index_not_found_exception", `no such index [${request.path.slice(1)}]`);
    const behaviour = typeof handler === "function"
      ? await handler(request, count)
      : Array.isArray(handler)
      ? handler[Math.min(count, handler.length - 1)]
      : handler;
    if (behaviour === "reset") incoming.socket.destroy();
    else if (behaviour !== "hang") send(response, behaviour);
  };
  const onRequest = (incoming: IncomingMessage, response: ServerResponse) => {
    // A client may leave in the middle of its request.
    answer(incoming, response).catch(() => incoming.socket.destroy());
  };
  const server = options.tls === undefined ? createServer(onRequest) : createTlsServer(options.tls, onRequest);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: options.tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`,
    requests,
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readRequest(incoming: IncomingMessage): Promise<Received> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  const bytes = new Uint8Array(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer());
  const plain = incoming.headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes;
  const url = new URL(incoming.url!, "http://localhost");
  return {
    method: incoming.method!,
    path: decodeURIComponent(url.pathname),
    query: url.searchParams,
    headers: incoming.headers,
    body: new TextDecoder().decode(plain),
    at: performance.now(),
  };
}

function send(response: ServerResponse, { status = 200, body = "", headers = {} }: Reply): void {
  const all = { "content-type": "application/json", "x-elastic-product": "Elasticsearch", ...headers };
  for (const [name, value] of Object.entries(all)) if (value !== undefined) response.setHeader(name, value);
  response.statusCode = status;
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}
