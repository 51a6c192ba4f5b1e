/**
 * What a server does with a connection: one request, its answer, and if it is a good handshake the session that follows.
 *
 * @module
 */
import { type Dictionary, dictionaryAnswer } from "./dictionary.ts";
import { type Codec, plainEncoding } from "./encoding.ts";
import type { Faults } from "./faults.ts";
import { type Answer, encodeAnswer, encodeUpgrade, readRequest, type Request, textAnswer, xrpcAnswer } from "./http.ts";
import { type JetstreamContext, jetstreamSession } from "./jetstream_session.ts";
import type { Relay } from "./relay/relay.ts";
import { relaySession } from "./relay/session.ts";
import { type RelaySubscription, relaySubscription } from "./relay/subscription.ts";
import { type Session, startSession } from "./session.ts";
import type { Wire } from "./store.ts";
import { DICTIONARY_PATH, errorAnswer, type Service, subscribe, type Subscription, wireOf } from "./subscription.ts";

/** A handshake, as a server's `onRequest` sees it. */
export interface Handshake {
  /** With its query. */
  readonly url: URL;
  /** The request's. */
  readonly headers: Headers;
  /** 1 for the server's first handshake. */
  readonly n: number;
}

/** What a request gets in place of its answer. */
export interface HttpFault {
  readonly status: number;
  /** Default: an XRPC error. */
  readonly body?: string;
  /** Seconds, or a date. */
  readonly retryAfter?: number | string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A fault of an answer that is otherwise as it should be: the connection is cut after so many bytes of its body. */
export interface CutFault {
  readonly cutAfter: number;
}

/** What a test may have to say to requests. */
export interface RequestHooks {
  /** Faults of one connection, over those of the server. */
  readonly onRequest?: (handshake: Handshake) => Partial<Faults> | void;
  /** Sees each request that is no handshake, and may have it fail. `n`: 1 for the first one of its path. */
  readonly onHttp?: (
    request: { readonly url: URL; readonly headers: Headers; readonly n: number },
  ) => HttpFault | CutFault | void;
}

/** What the handler of a server works with. */
export interface HandlerContext {
  readonly options: Faults & RequestHooks;
  readonly service: Service;
  readonly session: Omit<JetstreamContext, "faults" | "encoding">;
  readonly dictionary: Dictionary;
  readonly codec: Codec;
  /** Answers requests for handles and DID documents. */
  readonly identities: (url: URL) => Answer | undefined;
  /** The streams and lists of the relay. */
  readonly relay: Relay;
  /** Sessions that are under way. */
  readonly sessions: Set<Session>;
}

/** Handles one connection; resolves when it may be closed. */
export function createHandler(context: HandlerContext): (conn: Deno.Conn) => Promise<void> {
  const { options, service, session, codec, relay, sessions } = context;
  const { counters } = session;
  const refused = createRefusals(options);
  const answerHttp = createHttpAnswers(context);
  let handshakes = 0;

  const answerTo = (request: Request, own: Partial<Faults>, isHandshake: boolean) => {
    const { pathname } = request.url;
    const wire = wireOf(pathname, service.kind);
    if (wire !== undefined) return refused(wire, own, isHandshake) ?? subscribe(request, wire, service);
    const stream = relay.streamAt(pathname);
    return stream && (refused("relay", own, isHandshake) ?? relaySubscription(request, stream));
  };
  const sessionOf = async (subscription: Subscription | RelaySubscription, faults: Faults) => {
    if (!("wire" in subscription)) return relaySession(subscription, { ...session, faults, oldest: service.oldest });
    const encoding = subscription.compressed ? await codec.open() : plainEncoding;
    return jetstreamSession(subscription, { ...session, encoding, faults });
  };

  return async (conn) => {
    const request = await readRequest(conn);
    if (request === undefined) return;
    counters.requests++;
    if (!("url" in request)) return await writeAll(conn, encodeAnswer(request));
    const { url, headers } = request;
    const isHandshake = headers.has("upgrade");
    const own = isHandshake ? options.onRequest?.({ url, headers, n: ++handshakes }) ?? {} : {};
    const fault = isHandshake ? undefined : answerHttp.fault(request);
    const answer = answerTo(request, own, isHandshake) ?? answerHttp.answer(request, fault);
    if ("status" in answer) {
      if (isHandshake) counters.refused++;
      return await writeAll(conn, cut(encodeAnswer(answer), answer, fault));
    }
    const chosen = await sessionOf(answer, { ...options, ...own });
    await writeAll(conn, encodeUpgrade(answer.key, "protocol" in answer ? answer.protocol : undefined));
    const started = startSession(conn, chosen, request.rest);
    sessions.add(started);
    await started.closed.finally(() => sessions.delete(started));
  };
}

/** Answers to requests that are no handshakes, and their faults. */
function createHttpAnswers({ options, service, dictionary, identities, relay }: HandlerContext) {
  const asked = new Map<string, number>();
  return {
    fault({ url, headers }: Request): HttpFault | CutFault | void {
      const n = (asked.get(url.pathname) ?? 0) + 1;
      asked.set(url.pathname, n);
      return options.onHttp?.({ url, headers, n });
    },
    answer({ url }: Request, fault: HttpFault | CutFault | void): Answer {
      if (fault && "status" in fault) return faultAnswer(fault);
      const known = identities(url) ?? relay.answer(url);
      if (known !== undefined) return known;
      const isDictionary = service.kind === "new" && url.pathname === DICTIONARY_PATH;
      return isDictionary ? dictionaryAnswer(url.searchParams, dictionary) : notFound(service);
    },
  };
}

function faultAnswer({ status, body, retryAfter, headers }: HttpFault): Answer {
  const [name, message] = wordsOf(status);
  const answer = body === undefined ? xrpcAnswer(status, name, message) : { status, type: "application/json", body };
  const after = retryAfter === undefined ? {} : { "Retry-After": String(retryAfter) };
  return { ...answer, headers: { ...after, ...headers } };
}

/** The beginning of an answer, where a fault cuts it. */
function cut(bytes: Uint8Array, { body }: Answer, fault: HttpFault | CutFault | void): Uint8Array {
  if (!fault || !("cutAfter" in fault)) return bytes;
  const size = typeof body === "string" ? new TextEncoder().encode(body).length : body.length;
  return bytes.subarray(0, bytes.length - size + Math.min(size, fault.cutAfter));
}

function notFound({ kind }: Service): Answer {
  return kind === "legacy"
    ? { status: 404, type: "application/json", body: '{"message":"Not Found"}' }
    : textAnswer(404, "404 page not found");
}

const WORDS: Readonly<Record<number, readonly [name: string, message: string]>> = {
  400: ["InvalidRequest", "refused"],
  401: ["AuthenticationRequired", "authentication required"],
  403: ["Forbidden", "forbidden"],
  404: ["NotFound", "not found"],
  429: ["RateLimitExceeded", "too many requests"],
  503: ["ServiceUnavailable", "service not ready: bootstrap in progress"],
};

function wordsOf(status: number): readonly [name: string, message: string] {
  return WORDS[status] ?? ["InternalServerError", "internal error"];
}

/** The fault `refuse`: a server that is not ready answers so before it looks at anything. Only handshakes use up its times. */
function createRefusals(options: Faults) {
  let done = 0;
  return (wire: Wire | "relay", own: Partial<Faults>, handshake: boolean): Answer | undefined => {
    const { refuse, refuseTimes = 0, refuseMessage, retryAfter } = { ...options, ...own };
    if (refuse === undefined) return undefined;
    if (own.refuse === undefined && refuseTimes > 0 && done >= refuseTimes) return undefined;
    if (handshake && own.refuse === undefined) done++;
    const [name, message] = wordsOf(refuse);
    const answer = errorAnswer(wire, refuse, name, refuseMessage ?? message);
    return retryAfter === undefined ? answer : { ...answer, headers: { "Retry-After": String(retryAfter) } };
  };
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done));
}
