/**
 * Just enough HTTP/1.1 for a handshake and for short answers: one request a connection, whose head may be as long as 10,000
 * DIDs make it.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** A request's head. */
export interface Request {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  /** What was received after it. */
  readonly rest: Uint8Array;
}

/** An answer that is not an upgrade. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The longest head that is read, as in Go's server. */
const MAX_HEAD = 1 << 20;
const REASONS: Readonly<Record<number, string>> = {
  101: "Switching Protocols",
  200: "OK",
  301: "Moved Permanently",
  302: "Found",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  410: "Gone",
  426: "Upgrade Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/** Reads a request's head; an {@link Answer} where it is not one, `undefined` where the client left before its end. */
export async function readRequest(conn: Deno.Conn): Promise<Request | Answer | undefined> {
  const latin1 = new TextDecoder("latin1");
  let head = new Uint8Array(8192), size = 0;
  for (;;) {
    const read = await conn.read(head.subarray(size));
    if (read === null) return undefined;
    const from = Math.max(0, size - 3);
    size += read;
    const text = latin1.decode(head.subarray(from, size));
    const end = text.indexOf("\r\n\r\n");
    if (end >= 0) {
      const length = from + end + 4;
      return parseHead(latin1.decode(head.subarray(0, length - 4)), head.slice(length, size));
    }
    if (size >= MAX_HEAD) return textAnswer(431, "431 Request Header Fields Too Large");
    if (size === head.length) {
      const larger = new Uint8Array(size * 2);
      larger.set(head);
      head = larger;
    }
  }
}

function parseHead(head: string, rest: Uint8Array): Request | Answer {
  const [line = "", ...fields] = head.split("\r\n");
  const [, method, target] = /^([A-Z]+) (\/\S*) HTTP\/1\.[01]$/.exec(line) ?? [];
  if (method === undefined) return textAnswer(400, "400 Bad Request");
  try {
    const headers = new Headers(fields.map((field) => {
      const colon = field.indexOf(":");
      return [field.slice(0, colon), field.slice(colon + 1).trim()];
    }));
    return { method, url: new URL(`http://${headers.get("host") ?? "localhost"}${target}`), headers, rest };
  } catch {
    return textAnswer(400, "400 Bad Request");
  }
}

/** An error as v1 servers write it. */
export function textAnswer(status: number, body: string): Answer {
  return { status, type: "text/plain", body };
}

/** An error as XRPC servers in Go write it: `<`, `>` and `&` escaped. */
export function xrpcAnswer(status: number, error: string, message: string): Answer {
  const body = JSON.stringify({ error, message })
    .replaceAll("&", "\\u0026").replaceAll("<", "\\u003c").replaceAll(">", "\\u003e");
  return { status, type: "application/json", body };
}

/** The bytes of an answer; the connection ends after it. */
export function encodeAnswer(answer: Answer): Uint8Array {
  const encoder = new TextEncoder();
  const body = typeof answer.body === "string" ? encoder.encode(answer.body) : answer.body;
  const headers = {
    "Content-Type": answer.type,
    "Content-Length": String(body.length),
    "Date": new Date().toUTCString(),
    "Connection": "close",
    ...answer.headers,
  };
  const head = encoder.encode(encodeHead(answer.status, headers));
  const all = new Uint8Array(head.length + body.length);
  all.set(head);
  all.set(body, head.length);
  return all;
}

/** The answer that ends a handshake (RFC 6455, section 4.2.2); `protocol`: the subprotocol that was agreed on. */
export function encodeUpgrade(key: string, protocol?: string): Uint8Array {
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  return new TextEncoder().encode(encodeHead(101, {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Accept": accept,
    ...(protocol !== undefined && { "Sec-WebSocket-Protocol": protocol }),
  }));
}

function encodeHead(status: number, headers: Readonly<Record<string, string>>): string {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${REASONS[status] ?? "Status"}\r\n${fields.join("")}\r\n`;
}
