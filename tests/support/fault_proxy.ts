/**
 * A TCP proxy that hurts connections on purpose: it cuts, resets, refuses, stalls and throttles them.
 *
 * @module
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** What is behind the proxy. */
export interface FaultProxyOptions {
  readonly port: number;
  /** Default: 127.0.0.1. */
  readonly hostname?: string;
}

/** A running proxy; it ends with the block: `await using proxy = await faultProxy({ port })`. */
export interface FaultProxy extends AsyncDisposable {
  readonly hostname: "127.0.0.1";
  readonly port: number;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Each connection ends after this many bytes from the server have reached the client. Default: never. */
  cutAfter: number;
  /** How fast bytes from the server reach the client, for each connection. Default: at once. */
  bytesPerSecond: number;
  /** From now on nothing passes in either direction, and no connection ends. */
  stall(): void;
  /** Lets everything pass again. */
  resume(): void;
  /** Ends every open connection in an orderly way. */
  cutAll(): void;
  /** Resets every open connection (RST): the client sees `ECONNRESET`. */
  resetAll(): void;
  /** From now on new connections are refused; open ones stay. */
  refuse(): void;
  /** Listens on the same port again. */
  accept(): Promise<void>;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  readonly over: AbortController;
  /** Settles when `over` is aborted. */
  readonly aborted: Promise<unknown>;
}

/** What all connections of a proxy obey. */
interface Faults {
  cutAfter: number;
  bytesPerSecond: number;
  /** Settles when bytes may pass. */
  gate: PromiseWithResolvers<void>;
}

/** How many times a second a throttled connection passes something on. */
const TICKS = 50;

/** Starts a proxy on a free port of the loopback interface. */
export async function faultProxy({ port: target, hostname = "127.0.0.1" }: FaultProxyOptions): Promise<FaultProxy> {
  const faults: Faults = { cutAfter: Infinity, bytesPerSecond: Infinity, gate: openGate() };
  const links = new Map<Link, Promise<void>>();
  const closed: Promise<void>[] = [];
  let accepted = 0;
  const onClient = (client: Socket): void => {
    accepted++;
    const server = connect({ port: target, host: hostname, allowHalfOpen: true });
    const over = new AbortController();
    const link = { client, server, over, aborted: once(over.signal, "abort") };
    links.set(link, run(link, faults).finally(() => links.delete(link)));
  };
  let listener = await listen(0, onClient);
  const address = listener.address();
  if (address === null || typeof address === "string") throw new TypeError("Cannot start proxy: it has no port");
  const { port } = address;
  const proxy: FaultProxy = {
    hostname: "127.0.0.1",
    port,
    get accepted() {
      return accepted;
    },
    get open() {
      return links.size;
    },
    get cutAfter() {
      return faults.cutAfter;
    },
    set cutAfter(bytes) {
      faults.cutAfter = bytes;
    },
    get bytesPerSecond() {
      return faults.bytesPerSecond;
    },
    set bytesPerSecond(rate) {
      faults.bytesPerSecond = rate;
    },
    stall: () => void (faults.gate = Promise.withResolvers()),
    resume: () => faults.gate.resolve(),
    cutAll: () => links.forEach((_, link) => finish(link)),
    resetAll: () => links.forEach((_, link) => finish(link, true)),
    refuse: () => void closed.push(close(listener)),
    accept: async () => void (listener = await listen(port, onClient)),
    async [Symbol.asyncDispose]() {
      proxy.resume();
      proxy.cutAll();
      if (listener.listening) proxy.refuse();
      await Promise.all([...links.values(), ...closed]);
    },
  };
  return proxy;
}

function openGate(): PromiseWithResolvers<void> {
  const gate = Promise.withResolvers<void>();
  gate.resolve();
  return gate;
}

async function listen(port: number, onClient: (client: Socket) => void): Promise<Server> {
  const listener = createServer({ allowHalfOpen: true }, onClient);
  listener.listen(port, "127.0.0.1");
  await once(listener, "listening");
  return listener;
}

/** Stops listening at once; what it returns settles when the connections have ended too. */
function close(listener: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  listener.close(() => resolve());
  return promise;
}

/** Ends both halves of a connection; what is written already still arrives, unless it is reset. */
function finish({ client, server, over }: Link, reset = false): void {
  over.abort();
  if (reset) client.resetAndDestroy();
  else client.destroySoon();
  server.destroy();
}

/** Passes bytes both ways until both sides have ended, or one has failed. */
async function run(link: Link, faults: Faults): Promise<void> {
  const { client, server } = link;
  const closed = [client, server].map((socket) => {
    socket.on("error", () => finish(link));
    return new Promise<void>((resolve) => socket.once("close", () => resolve()));
  });
  try {
    await Promise.all([pump(link, faults, "up"), pump(link, faults, "down")]);
  } catch {
    // One side has gone, or `finish` was called: either way this connection is over.
  } finally {
    finish(link);
    await Promise.all(closed);
  }
}

/** Passes what one side sends to the other side; throws when the connection is over. */
async function pump(link: Link, faults: Faults, direction: "up" | "down"): Promise<void> {
  const [from, to] = direction === "up" ? [link.client, link.server] : [link.server, link.client];
  let passed = 0;
  // Without the option, the end of one direction would destroy the socket for the other one too.
  for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
    let rest = chunk;
    while (rest.length > 0) {
      await passable(link, faults);
      const piece = direction === "up" ? rest : rest.subarray(0, allowance(faults, passed));
      rest = rest.subarray(piece.length);
      passed += piece.length;
      await write(link, to, piece);
      if (direction === "up") continue;
      if (passed >= faults.cutAfter) return finish(link);
      if (faults.bytesPerSecond < Infinity) await delay(1000 / TICKS, undefined, { signal: link.over.signal });
    }
  }
  await passable(link, faults);
  to.end();
}

/** How many bytes may go to the client at once, after those that have gone already. */
function allowance({ cutAfter, bytesPerSecond }: Faults, passed: number): number {
  return Math.max(0, Math.min(cutAfter - passed, Math.ceil(bytesPerSecond / TICKS)));
}

/** Waits while the proxy is stalled. */
async function passable({ over, aborted }: Link, { gate }: Faults): Promise<void> {
  await Promise.race([gate.promise, aborted]);
  over.signal.throwIfAborted();
}

async function write({ over }: Link, to: Socket, bytes: Uint8Array): Promise<void> {
  if (bytes.length > 0 && !to.write(bytes)) await once(to, "drain", { signal: over.signal });
}
