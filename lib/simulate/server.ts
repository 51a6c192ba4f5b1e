/**
 * A Jetstream server on a port of its own: both wires of a new server, or the one of a legacy server, fed from a generator or
 * from a file, with faults by option. It is the `simulate` command, what `--simulate` reads from, and the tests' server.
 *
 * Frames are made here and written over plain TCP rather than by a WebSocket library: one write then carries hundreds of
 * events, which is what makes the server faster than any client.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { ConfigError, messageOf } from "../pipeline/errors.ts";
import { encodeAhead } from "./ahead.ts";
import { type EventLine, fileEvents } from "./events.ts";
import type { Faults } from "./faults.ts";
import { generatedEvents, type GeneratorOptions } from "./generator.ts";
import { type Answer, encodeAnswer, encodeUpgrade, readRequest, type Request } from "./http.ts";
import { closeQuietly, type Patience } from "./link.ts";
import { type Session, type SessionContext, type SimulateCounters, startSession } from "./session.ts";
import type { Wire } from "./store.ts";
import {
  errorAnswer,
  type ServerKind,
  type Service,
  subscribe,
  type Subscription,
  V1_PATH,
  V2_PATH,
  wireOf,
} from "./subscription.ts";

export { type EventLine, loadEventLines } from "./events.ts";
export type { Faults } from "./faults.ts";
export type { GeneratorOptions } from "./generator.ts";
export type { Patience } from "./link.ts";
export type { SimulateCounters } from "./session.ts";
export type { Wire } from "./store.ts";
export type { ServerKind } from "./subscription.ts";

/** A handshake, as {@link SimulateOptions.onRequest} sees it. */
export interface Handshake {
  /** With its query. */
  readonly url: URL;
  /** The request's. */
  readonly headers: Headers;
  /** 1 for the server's first handshake. */
  readonly n: number;
}

/** Options of {@link startSimulate}. */
export interface SimulateOptions extends GeneratorOptions, Faults, Partial<Patience> {
  /** Address to listen on. Default 127.0.0.1. */
  readonly hostname?: string;
  /** 0, the default: any free one. */
  readonly port?: number;
  /** Default `new`. */
  readonly kind?: ServerKind;
  /** What to serve in place of generated events. */
  readonly events?: readonly EventLine[];
  /** The oldest sequence number that a cursor can still reach. Default: the first one. */
  readonly oldest?: number;
  /** Faults of one connection, over those of the server. */
  readonly onRequest?: (handshake: Handshake) => Partial<Faults> | void;
  /** For load tests: encode so many events before the first client comes, so that sending them costs next to nothing. */
  readonly encodeAhead?: { readonly wire: Wire; readonly events: number };
}

/** A running server. */
export interface SimulateServer extends AsyncDisposable {
  /** Which server it is. */
  readonly kind: ServerKind;
  /** Where it listens. */
  readonly port: number;
  /** `http://host:port` */
  readonly url: string;
  /** `ws://host:port/subscribe` */
  readonly jetstream: string;
  /** The v2 wire's URL; a legacy server answers 404 there. */
  readonly jetstreamV2: string;
  /** Live figures. */
  readonly counters: Readonly<SimulateCounters>;
  /** Resolves when the server has stopped. */
  readonly closed: Promise<void>;
}

/** How long clients may take to answer the goodbye. */
const GOODBYE_MS = 300;

const log = getLogger(["bskyingest", "simulate"]);

/**
 * Starts a server; disposing of it says goodbye (1001) to everybody.
 *
 * @throws {ConfigError} when the address cannot be listened on.
 */
export function startSimulate(options: SimulateOptions = {}): Promise<SimulateServer> {
  return new Promise((resolve) => resolve(start(options)));
}

function start(options: SimulateOptions): SimulateServer {
  const { hostname = "127.0.0.1", kind = "new", events, count = 0, oldest = 0 } = options;
  const store = events === undefined ? generatedEvents(options) : fileEvents(events, count);
  const counters: SimulateCounters = { requests: 0, refused: 0, connections: 0, open: 0, events: 0, bytes: 0 };
  const listener = listen(hostname, options.port ?? 0);
  const { port } = listener.addr as Deno.NetAddr;
  const clients = createClients();
  const ahead = options.encodeAhead && encodeAhead(store, options.encodeAhead.wire, options.encodeAhead.events);
  const handle = createHandler(
    options,
    { kind, store, oldest },
    { store, ahead, counters, patience: options },
    clients,
  );
  const closed = (async () => {
    for await (const conn of listener) clients.run(conn, handle);
    await clients.idle();
  })();
  const authority = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  return {
    kind,
    port,
    url: `http://${authority}`,
    jetstream: `ws://${authority}${V1_PATH}`,
    jetstreamV2: `ws://${authority}${V2_PATH}`,
    counters,
    closed,
    async [Symbol.asyncDispose]() {
      clients.stop();
      closeQuietly(listener);
      await closed;
    },
  };
}

function listen(hostname: string, port: number): Deno.TcpListener {
  try {
    return Deno.listen({ hostname, port });
  } catch (error) {
    const taken = error instanceof Deno.errors.AddrInUse;
    throw new ConfigError(
      `Cannot listen on ${hostname}:${port}: ${taken ? "the address is in use" : messageOf(error)}`,
      {
        cause: error,
        ...(taken && { hint: "Name another port, or 0 for any free one" }),
      },
    );
  }
}

/** The connections of a server. */
interface Clients {
  readonly sessions: Set<Session>;
  run(conn: Deno.Conn, handle: (conn: Deno.Conn) => Promise<void>): void;
  /** Says goodbye, and cuts what is still there after a moment. */
  stop(): void;
  idle(): Promise<void>;
}

function createClients(): Clients {
  const conns = new Set<Deno.Conn>();
  const sessions = new Set<Session>();
  const running = new Set<Promise<void>>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  return {
    sessions,
    run(conn, handle) {
      conns.add(conn);
      const failed = (error: unknown) => log.warn("connection ended: {why}", { why: messageOf(error) });
      const done = handle(conn).catch(failed).finally(() => {
        closeQuietly(conn);
        conns.delete(conn);
        running.delete(done);
      });
      running.add(done);
    },
    stop() {
      for (const session of sessions) session.stop();
      timer ??= setTimeout(() => conns.forEach(closeQuietly), sessions.size > 0 ? GOODBYE_MS : 0);
    },
    async idle() {
      await Promise.all(running);
      clearTimeout(timer);
    },
  };
}

/** Answers one connection: one request, and if it is a good handshake the session that follows. */
function createHandler(
  options: SimulateOptions,
  service: Service,
  context: Omit<SessionContext, "faults">,
  clients: Clients,
) {
  const refused = createRefusals(options);
  const { counters } = context;
  let handshakes = 0;
  return async (conn: Deno.Conn) => {
    const request = await readRequest(conn);
    if (request === undefined) return;
    counters.requests++;
    if (!("url" in request)) return await writeAll(conn, encodeAnswer(request));
    const { url, headers } = request;
    const handshake = headers.has("upgrade");
    const own = handshake ? options.onRequest?.({ url, headers, n: ++handshakes }) ?? {} : {};
    const answer = refused(request, service, own, handshake) ?? subscribe(request, service);
    if (!isSubscription(answer)) {
      if (handshake) counters.refused++;
      return await writeAll(conn, encodeAnswer(answer));
    }
    await writeAll(conn, encodeUpgrade(answer.key, answer.protocol));
    const session = startSession(conn, answer, { ...context, faults: { ...options, ...own } }, request.rest);
    clients.sessions.add(session);
    await session.closed.finally(() => clients.sessions.delete(session));
  };
}

function isSubscription(answer: Subscription | Answer): answer is Subscription {
  return "wire" in answer;
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
  return (request: Request, service: Service, own: Partial<Faults>, handshake: boolean): Answer | undefined => {
    const { refuse, refuseTimes = 0, refuseMessage, retryAfter } = { ...options, ...own };
    const wire = wireOf(request.url.pathname, service.kind);
    if (refuse === undefined || wire === undefined) return undefined;
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
