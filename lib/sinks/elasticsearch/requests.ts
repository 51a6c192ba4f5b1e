/**
 * Requests during a run, and what their refusal leads to.
 *
 * @module
 */
import { ConfigError, TransientError } from "../../pipeline/errors.ts";
import { classifyRequest } from "./classify.ts";
import type { Answer, Connection, Request } from "./connection.ts";
import type { Denials } from "./denials.ts";
import { refusal } from "./refusal.ts";

/** What {@link requester} needs. */
export interface RequesterOptions {
  readonly connection: Connection;
  readonly denials: Denials;
  /** How long to leave a server alone that wants room made or a block lifted, in milliseconds. */
  readonly pauseMs: number;
}

/** A request whose answer is wanted, or an error. */
export interface Ask {
  readonly path: string;
  readonly querystring?: Readonly<Record<string, string>>;
  /** Becomes JSON. */
  readonly json?: unknown;
  /** Action and object for the error: `Cannot purge account did:plc:a`. */
  readonly what: string;
  /** What a key needs for it. */
  readonly privilege: string;
  readonly signal: AbortSignal;
}

/** Sends requests. */
export interface Requester extends RequesterOptions {
  /** Sends once. Throws as the connection does. */
  send(request: Request): Promise<Answer>;
  /**
   * POSTs JSON once and answers with the answer's body.
   *
   * @throws {TransientError | ConfigError} For any answer but status 200.
   */
  ask(ask: Ask): Promise<unknown>;
  /** The error of an answer that is not what was asked for. */
  failure(answer: Answer, what: string, privilege: string): TransientError | ConfigError;
}

/** Requests on a connection, with what must be remembered between them. */
export function requester(options: RequesterOptions): Requester {
  const { connection, denials, pauseMs } = options;

  function failure(answer: Answer, what: string, privilege: string): TransientError | ConfigError {
    const kind = classifyRequest(answer);
    // Cut off on its way, or somebody else's.
    if (kind === "ok") return new TransientError(`${what}: the answer makes no sense`);
    const error = refusal(what, answer, privilege);
    if (kind === "pause") return new TransientError(error.message, { retryAfterMs: pauseMs });
    return kind === "denied" && error instanceof ConfigError ? denials(error) : error;
  }

  return {
    ...options,
    failure,
    send: (request) => connection.request(request),
    async ask({ path, querystring, json, what, privilege, signal }) {
      const answer = await connection.request({
        method: "POST",
        path,
        signal,
        ...(querystring && { querystring }),
        ...(json !== undefined && { body: JSON.stringify(json) }),
      });
      if (answer.status !== 200 || answer.body === undefined) throw failure(answer, what, privilege);
      return answer.body;
    },
  };
}
