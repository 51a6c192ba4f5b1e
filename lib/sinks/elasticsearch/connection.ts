/**
 * Requests to Elasticsearch: one client, several nodes, and every answer as it came.
 *
 * Only the transport of Elastic's client is used, with plain `application/json`: then a server of any version, and any that
 * is no Elasticsearch at all, can say what it is.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { getLogger } from "@logtape/logtape";
import type { ClusterConnectionPool, Transport } from "@elastic/elasticsearch";
import { isDenied } from "../../net/permission.ts";
import { retryAfterMs } from "../../net/retry_after.ts";
import { hiding } from "../../net/text.ts";
import { ConfigError, messageOf, TransientError } from "../../pipeline/errors.ts";
import { certificatesOf, type Credentials, type Node, nodesOf, placeOf, secretsOf } from "./nodes.ts";

const log = getLogger(["bskyingest", "elasticsearch"]);

/** How to reach the server. */
export interface ConnectionOptions extends Credentials {
  /** `http:` or `https:` URLs, used in turn; user info is basic auth. */
  readonly nodes: readonly string[];
  /** PEM text, one certificate or more; default: the system's trust. */
  readonly caCert?: string | undefined;
  /** Takes any certificate; warns. */
  readonly skipTlsVerify?: boolean;
  /** Compresses bodies: for slow networks. */
  readonly gzip?: boolean;
  /** Of one request, in milliseconds; default: 60,000. */
  readonly timeoutMs?: number;
}

/** A request. */
export interface Request {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  /** Begins with a slash. */
  readonly path: string;
  /** JSON, or lines of it with `ndjson`; bytes are UTF-8. */
  readonly body?: string | Buffer | undefined;
  readonly ndjson?: boolean;
  readonly querystring?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** In place of the connection's, in milliseconds. */
  readonly timeoutMs?: number;
}

/** What the server said, whatever the status. */
export interface Answer {
  readonly status: number;
  /** The JSON value; undefined where the text is none. */
  readonly body: unknown;
  readonly text: string;
  /** The `Retry-After` header, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** The `X-elastic-product` header. */
  readonly product?: string | undefined;
}

/** An open connection. */
export interface Connection extends AsyncDisposable {
  /** The first node without user info, for messages. */
  readonly place: string;
  /**
   * Sends a request once. Every status is an answer, 401 and 503 too.
   *
   * @throws {TransientError} There is none: refused, reset, timed out.
   * @throws {ConfigError} The server's certificate is not accepted, or this program must not reach it.
   * @throws The signal's reason.
   */
  request(request: Request): Promise<Answer>;
}

/** An Elasticsearch that does not answer within that time may still have done what it was asked, in milliseconds. */
const TIMEOUT_MS = 60_000;
/** What a handshake that fails because of a certificate or protocol is called. */
const TLS_FAULT = /certificate|altnames|SSL routines|fatal alert/i;

/** Only `send` has a timer: undici's own ones outlive the connection. */
const AGENT = { headersTimeout: 0, bodyTimeout: 0, pipelining: 1 };

const compress = promisify<string | Buffer, { level: number }, Buffer>(gzip);

/** What an error of the transport tells besides its message; its own type needs more than is used here. */
interface Failure {
  readonly statusCode?: number;
  readonly message: string;
  readonly meta?: {
    readonly body?: unknown;
    readonly headers?: Headers;
    readonly meta?: { readonly connection?: { readonly url: URL | string } | null };
  };
}

type Headers = Readonly<Record<string, unknown>>;
/** Takes credentials out of what a server repeats. */
type Hide = (text: string) => string;

/**
 * Makes the client; sends nothing yet.
 *
 * @throws {ConfigError} For a URL, certificate or key that cannot be, or for two kinds of credentials.
 */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const nodes = nodesOf(options.nodes, options);
  const ca = options.caCert === undefined ? undefined : certificatesOf(options.caCert);
  if (options.skipTlsVerify) {
    log.warn("Certificates are not verified (--skip-tls-verify): anybody on the way can read and change what is sent");
  }
  const hide = hiding(secretsOf(nodes));
  const { pool, transport } = await makeTransport(nodes, {
    ...(ca !== undefined && { ca }),
    rejectUnauthorized: options.skipTlsVerify !== true,
  });
  return {
    place: placeOf(nodes[0]!.url),
    request: (request) => send(transport, request, { ...options, hide }),
    [Symbol.asyncDispose]: () => pool.empty(),
  };
}

async function makeTransport(
  nodes: readonly Node[],
  tls: { readonly ca?: string[]; readonly rejectUnauthorized: boolean },
): Promise<{ readonly pool: ClusterConnectionPool; readonly transport: Transport }> {
  const client = await import("@elastic/elasticsearch");
  // This pool leaves out a node that failed for a minute and more. Asking it with pings would go on after the end.
  // Undici, because `node:http` of Deno 2.9 cannot abort a request on a connection that was used before.
  const pool = new client.ClusterConnectionPool({
    Connection: client.UndiciConnection,
    resurrectStrategy: "optimistic",
  });
  pool.addConnection(
    nodes.map(({ url, headers }) => ({ url, headers: { ...headers }, agent: AGENT, tls: { timeout: 0, ...tls } })),
  );
  // Texts stay as they are: the client's own parser refuses documents with a `__proto__` key.
  const serializer = Object.assign(new client.Serializer(), { deserialize: (text: string) => text });
  // The client would take secrets out of an error that nobody sees, and for that make a text of each byte of the body.
  const redaction = { type: "off" } as const;
  return { pool, transport: new client.Transport({ connectionPool: pool, serializer, maxRetries: 0, redaction }) };
}

async function send(
  transport: Transport,
  { method, path, body, ndjson = false, querystring = {}, signal, ...request }: Request,
  { gzip: compressed = false, hide, ...options }: ConnectionOptions & { readonly hide: Hide },
): Promise<Answer> {
  signal?.throwIfAborted();
  const end = new AbortController();
  const onAbort = () => end.abort();
  signal?.addEventListener("abort", onAbort, { once: true });
  // Any reason but the default one makes the pool leave this node out for a while.
  const timeoutMs = request.timeoutMs ?? options.timeoutMs ?? TIMEOUT_MS;
  const late = () => end.abort(new DOMException(`no answer within ${timeoutMs / 1000} s`, "TimeoutError"));
  const timer = setTimeout(late, timeoutMs);
  const type = ndjson ? "application/x-ndjson" : "application/json";
  try {
    const { statusCode, body: text, headers } = await transport.request({
      method,
      path,
      querystring: { ...querystring },
      ...(body !== undefined && { body: compressed ? await compress(body, { level: 1 }) : body }),
    }, {
      meta: true,
      signal: end.signal,
      headers: {
        accept: "application/json",
        ...(body !== undefined && { "content-type": type }),
        ...(compressed && { "accept-encoding": "gzip", ...(body !== undefined && { "content-encoding": "gzip" }) }),
      },
    });
    return answerOf(statusCode, text, headers);
  } catch (error) {
    signal?.throwIfAborted();
    return answerOrThrow(error as Failure, hide);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * A status of 400 and above is an answer too, although the transport throws it. Only the message of what it throws may go further: the
 * rest holds credentials, and the body.
 */
function answerOrThrow(error: Failure, hide: Hide): Answer {
  const { statusCode, meta } = error;
  if (statusCode !== undefined && statusCode > 0) {
    return answerOf(statusCode, typeof meta?.body === "string" ? hide(meta.body) : undefined, meta?.headers ?? {});
  }
  const message = messageOf(error);
  const node = meta?.meta?.connection?.url;
  if (node === undefined) throw new Error(`Cannot use the client of Elasticsearch: ${message}`);
  const url = new URL(node);
  if (url.protocol === "https:" && TLS_FAULT.test(message)) {
    throw new ConfigError(`Cannot use ${placeOf(url)}: ${message}`, {
      hint:
        "Name the file of the certificate authority with --ca-cert, or trust any certificate with --skip-tls-verify",
    });
  }
  if (isDenied(message)) {
    throw new ConfigError(`Cannot reach ${placeOf(url)}: no permission`, { hint: `Run with --allow-net=${url.host}` });
  }
  throw new TransientError(`Cannot reach ${placeOf(url)}: ${message}`);
}

function answerOf(status: number, content: unknown, headers: Headers): Answer {
  const text = typeof content === "string" ? content : "";
  const header = (name: string) => typeof headers[name] === "string" ? headers[name] : undefined;
  return {
    status,
    body: parse(text),
    text,
    retryAfterMs: retryAfterMs(header("retry-after")),
    product: header("x-elastic-product"),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
