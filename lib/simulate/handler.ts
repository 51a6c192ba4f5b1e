/**
 * What a server does with a connection: one request, its answer, and if it is a good handshake the session that follows.
 *
 * @module
 */
import { type Dictionary, dictionaryAnswer } from "./dictionary.ts";
import { type Codec, plainEncoding } from "./encoding.ts";
import type { Faults } from "./faults.ts";
import { type Answer, encodeAnswer, encodeUpgrade, readRequest, type Request, textAnswer } from "./http.ts";
import { type Session, type SessionContext, startSession } from "./session.ts";
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

/** What a test may have to say to requests. */
export interface RequestHooks {
  /** Faults of one connection, over those of the server. */
  readonly onRequest?: (handshake: Handshake) => Partial<Faults> | void;
  /** Sees each request that is no handshake. */
  readonly onHttp?: (request: { readonly url: URL; readonly headers: Headers }) => void;
}

/** What the handler of a server works with. */
export interface HandlerContext {
  readonly options: Faults & RequestHooks;
  readonly service: Service;
  readonly session: Omit<SessionContext, "faults" | "encoding">;
  readonly dictionary: Dictionary;
  readonly codec: Codec;
  /** Answers requests for handles and DID documents. */
  readonly identities: (url: URL) => Answer | undefined;
  /** Sessions that are under way. */
  readonly sessions: Set<Session>;
}

/** Handles one connection; resolves when it may be closed. */
export function createHandler(context: HandlerContext): (conn: Deno.Conn) => Promise<void> {
  const { options, service, session, dictionary, codec, identities, sessions } = context;
  const { counters } = session;
  const refused = createRefusals(options);
  let handshakes = 0;

  const answerOther = ({ url }: Request) =>
    identities(url) ??
      (service.kind === "new" && url.pathname === DICTIONARY_PATH
        ? dictionaryAnswer(url.searchParams, dictionary)
        : notFound(service));

  return async (conn) => {
    const request = await readRequest(conn);
    if (request === undefined) return;
    counters.requests++;
    if (!("url" in request)) return await writeAll(conn, encodeAnswer(request));
    const { url, headers } = request;
    const handshake = headers.has("upgrade");
    if (!handshake) options.onHttp?.({ url, headers });
    const own = handshake ? options.onRequest?.({ url, headers, n: ++handshakes }) ?? {} : {};
    const wire = wireOf(url.pathname, service.kind);
    const answer = wire === undefined
      ? answerOther(request)
      : refused(wire, own, handshake) ?? subscribe(request, wire, service);
    if (!isSubscription(answer)) {
      if (handshake) counters.refused++;
      return await writeAll(conn, encodeAnswer(answer));
    }
    const encoding = answer.compressed ? await codec.open() : plainEncoding;
    await writeAll(conn, encodeUpgrade(answer.key, answer.protocol));
    const started = startSession(conn, answer, { ...session, encoding, faults: { ...options, ...own } }, request.rest);
    sessions.add(started);
    await started.closed.finally(() => sessions.delete(started));
  };
}

function isSubscription(answer: Subscription | Answer): answer is Subscription {
  return "wire" in answer;
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

/** The fault `refuse`: a server that is not ready answers so before it looks at anything. Only handshakes use up its times. */
function createRefusals(options: Faults) {
  let done = 0;
  return (wire: Wire, own: Partial<Faults>, handshake: boolean): Answer | undefined => {
    const { refuse, refuseTimes = 0, refuseMessage, retryAfter } = { ...options, ...own };
    if (refuse === undefined) return undefined;
    if (own.refuse === undefined && refuseTimes > 0 && done >= refuseTimes) return undefined;
    if (handshake && own.refuse === undefined) done++;
    const [name, message] = WORDS[refuse] ?? ["InternalServerError", "internal error"];
    const answer = errorAnswer(wire, refuse, name, refuseMessage ?? message);
    return retryAfter === undefined ? answer : { ...answer, headers: { "Retry-After": String(retryAfter) } };
  };
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done));
}
