/**
 * A server on a port of its own: Jetstream with both wires of a new server or the one of a legacy server, a relay, a labeler,
 * a PDS and a PLC directory, fed from generators or from files, with faults by option. It is the `simulate` command, what
 * `--simulate` reads from, and the tests' server.
 *
 * Frames are made here and written over plain TCP rather than by a WebSocket library: one write then carries hundreds of
 * events, which is what makes the server faster than any client.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { ConfigError, messageOf } from "../pipeline/errors.ts";
import { encodeAhead, type EncodedAhead } from "./ahead.ts";
import { dictionaryOf, simulateDictionary } from "./dictionary.ts";
import { type Codec, createCodec, plainEncoding } from "./encoding.ts";
import { type EventLine, fileEvents } from "./events.ts";
import type { Faults } from "./faults.ts";
import { generatedEvents, type GeneratorOptions } from "./generator.ts";
import { createHandler, type RequestHooks } from "./handler.ts";
import { createIdentities, type IdentityOptions } from "./identities.ts";
import { closeQuietly, type Patience } from "./link.ts";
import { createRelay, type RelayOptions } from "./relay/relay.ts";
import type { Session, SimulateCounters } from "./session.ts";
import type { EventStore, Wire } from "./store.ts";
import { type ServerKind, V1_PATH, V2_PATH } from "./subscription.ts";

export { type EventLine, loadEventLines } from "./events.ts";
export type { Faults } from "./faults.ts";
export type { GeneratorOptions } from "./generator.ts";
export type { CutFault, Handshake, HttpFault, RequestHooks } from "./handler.ts";
export type { Identity, IdentityOptions } from "./identities.ts";
export type { Patience } from "./link.ts";
export { frameEventLines } from "./relay/decoded.ts";
export type { ListedHost, ListOptions } from "./relay/lists.ts";
export { loadFrames } from "./relay/recorded.ts";
export type { RelayOptions } from "./relay/relay.ts";
export { LABELS_PATH, REPOS_PATH } from "./relay/subscription.ts";
export type { SimulateCounters } from "./session.ts";
export type { Wire } from "./store.ts";
export type { ServerKind } from "./subscription.ts";

/** Options of {@link startSimulate}. */
export interface SimulateOptions
  extends GeneratorOptions, RelayOptions, IdentityOptions, Faults, RequestHooks, Partial<Patience> {
  /** Address to listen on. Default 127.0.0.1. */
  readonly hostname?: string;
  /** 0, the default: any free one. */
  readonly port?: number;
  /** Default `new`. */
  readonly kind?: ServerKind;
  /** What Jetstream serves in place of generated events. */
  readonly events?: readonly EventLine[];
  /** The oldest sequence number that a cursor can still reach. Default: the first one. */
  readonly oldest?: number;
  /** The zstd dictionary of both wires. Default: the project's own one. */
  readonly dictionary?: Uint8Array;
  /** For load tests: encode so many events before the first client comes, so that sending them costs next to nothing. */
  readonly encodeAhead?: { readonly wire: Wire; readonly events: number; readonly compress?: boolean };
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
  /** `ws://host:port`: where the relay and the labeler are, without the paths of their streams. */
  readonly relay: string;
  /** Live figures. */
  readonly counters: Readonly<SimulateCounters>;
  /** Resolves when the server has stopped. */
  readonly closed: Promise<void>;
}

/** How long clients may take to answer the goodbye. */
const GOODBYE_MS = 300;

const log = getLogger(["bskyingest", "simulate"]);

/**
 * Starts a server; disposing of it says goodbye (1001) to everybody. The codec is loaded for the first client that wants
 * compression, or at once where a dictionary is to be checked or events are to be compressed ahead.
 *
 * @throws {ConfigError} when the address cannot be listened on, or the dictionary cannot be used.
 */
export async function startSimulate(options: SimulateOptions = {}): Promise<SimulateServer> {
  const { hostname = "127.0.0.1", kind = "new", events, count = 0, oldest = 0 } = options;
  const store = events === undefined ? generatedEvents(options) : fileEvents(events, count);
  const counters: SimulateCounters = { requests: 0, refused: 0, connections: 0, open: 0, events: 0, bytes: 0 };
  const dictionary = dictionaryOf(options.dictionary ?? simulateDictionary());
  await using setup = new AsyncDisposableStack();
  const codec = setup.use(createCodec(dictionary, kind));
  if (options.dictionary !== undefined) await codec.open();
  const ahead = options.encodeAhead && await encodedAhead(store, options.encodeAhead, codec);
  const listener = listen(hostname, options.port ?? 0);
  const resources = setup.move();
  const clients = createClients();
  const handle = createHandler({
    options,
    service: { kind, store, oldest, dictionaryId: dictionary.id },
    session: { store, ahead, counters, patience: options },
    dictionary,
    codec,
    identities: createIdentities(options),
    relay: createRelay(options),
    sessions: clients.sessions,
  });
  const closed = (async () => {
    for await (const conn of listener) clients.run(conn, handle);
    await clients.idle();
    await resources.disposeAsync();
  })();
  return {
    kind,
    ...addressesOf(hostname, (listener.addr as Deno.NetAddr).port),
    counters,
    closed,
    async [Symbol.asyncDispose]() {
      clients.stop();
      closeQuietly(listener);
      await closed;
    },
  };
}

async function encodedAhead(
  store: EventStore,
  { wire, events, compress = false }: NonNullable<SimulateOptions["encodeAhead"]>,
  codec: Codec,
): Promise<EncodedAhead> {
  return encodeAhead(store, wire, events, compress ? await codec.open() : plainEncoding);
}

function addressesOf(hostname: string, port: number) {
  const authority = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  return {
    port,
    url: `http://${authority}`,
    jetstream: `ws://${authority}${V1_PATH}`,
    jetstreamV2: `ws://${authority}${V2_PATH}`,
    relay: `ws://${authority}`,
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
