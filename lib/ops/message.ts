/**
 * Requests and answers, as far as routes know them.
 *
 * @module
 */

/** A request without its body. */
export interface OpsRequest {
  readonly method: string;
  /** As it was sent, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The address that it came from. */
  readonly address: string;
  /** A header by its name in lower case; undefined: not sent. */
  header(name: string): string | undefined;
}

/** An answer. */
export interface OpsAnswer {
  readonly status: number;
  /** The `Content-Type`. */
  readonly type: string;
  /** A stream is sent as it comes, until it ends or the other side goes away. */
  readonly body: string | Uint8Array | ReadableStream<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** JSON, indented by two spaces. */
export function jsonAnswer(status: number, value: unknown, headers: OpsAnswer["headers"] = {}): OpsAnswer {
  return { status, type: "application/json; charset=utf-8", body: JSON.stringify(value, undefined, 2) + "\n", headers };
}

/** What is wrong with a request: `error` is a code, `message` a sentence. */
export function errorAnswer(status: number, error: string, message: string, headers?: OpsAnswer["headers"]): OpsAnswer {
  return jsonAnswer(status, { error, message }, headers);
}

/** Plain text. */
export function textAnswer(status: number, body: string): OpsAnswer {
  return { status, type: "text/plain; charset=utf-8", body };
}
