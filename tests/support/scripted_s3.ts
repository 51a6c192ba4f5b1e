/**
 * An S3 server that answers what a test tells it, or passes requests on to a real one: for what a real server does rarely.
 *
 * @module
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** A request that came in. */
export interface S3Request {
  readonly method: string;
  /** `/bucket/key` */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
}

/** What is sent back: the server's own answer where there is one behind, changed as this says. */
export interface S3Answer {
  /** Default: 200. With a status or a body nothing is passed on. */
  readonly status?: number;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  /** The connection is cut after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Nothing more comes after so many bytes of the body; the connection stays. */
  readonly stallAfter?: number;
}

/** A server that was started. */
export interface ScriptedS3 extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** All so far. */
  readonly requests: readonly S3Request[];
}

/** An error as the service words it. */
export function s3Failure(status: number, code: string, more = "", headers: Record<string, string> = {}): S3Answer {
  return { status, headers, body: `<Error><Code>${code}</Code><Message>Scripted.</Message>${more}</Error>` };
}

/**
 * Starts a server on a free loopback port.
 *
 * @param script What a request leads to; `count` is how many came before it.
 * @param behind The address of the server that requests are passed on to.
 */
export async function scriptedS3(
  script: (request: S3Request, count: number) => S3Answer | Promise<S3Answer>,
  behind?: string,
): Promise<ScriptedS3> {
  const requests: S3Request[] = [];
  const answer = async (incoming: IncomingMessage, response: ServerResponse) => {
    const url = new URL(incoming.url!, "http://localhost");
    const asked: S3Request = {
      method: incoming.method!,
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      headers: incoming.headers,
    };
    const told = await script(asked, requests.push(asked) - 1);
    const own = told.status !== undefined || told.body !== undefined || behind === undefined;
    send(response, own ? told : { ...await passOn(incoming, behind), ...told });
  };
  const server = createServer((incoming, response) => {
    answer(incoming, response).catch(() => incoming.socket.destroy()); // the client may have left
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Asks the server behind with the very same headers, for they are signed. */
async function passOn(incoming: IncomingMessage, behind: string): Promise<S3Answer> {
  const { hostname, port } = new URL(behind);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const { method, url: path, headers } = incoming;
  request({ hostname, port, method, path, headers, agent: false }, resolve).on("error", reject).end();
  const answer = await promise;
  return { status: answer.statusCode!, headers: answer.headers as Record<string, string>, body: await buffer(answer) };
}

function send(response: ServerResponse, { status = 200, body = "", headers = {}, cutAfter, stallAfter }: S3Answer) {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const { connection: _, ...others } = headers;
  response.writeHead(status, { "content-length": String(bytes.length), ...others });
  const end = cutAfter ?? stallAfter;
  if (end === undefined) response.end(bytes);
  else response.write(bytes.subarray(0, end), () => cutAfter === undefined || response.socket?.destroy());
}
