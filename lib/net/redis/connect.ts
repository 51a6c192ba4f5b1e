/**
 * Opening a connection to one server, or to all of a cluster.
 *
 * @module
 */
import { createClient, createCluster } from "redis";
import { requireNet } from "../permission.ts";
import type { RedisAddress } from "./address.ts";
import { inTime } from "./in_time.ts";

// deno-lint-ignore no-explicit-any -- what a command answers is known to who sends it
export type Reply = any;

/** What counts besides the address. */
export interface ConnectOptions {
  /** In place of the URL's. */
  readonly password?: string | undefined;
  /** PEM: certificates to trust in place of the system's. */
  readonly caCert?: string | undefined;
  /** PEM: the client's own certificate. */
  readonly cert?: string | undefined;
  /** PEM: its key. */
  readonly key?: string | undefined;
  /** Trust any certificate. */
  readonly skipTlsVerify?: boolean;
  /** Until there is a connection, in milliseconds. */
  readonly connectMs: number;
  /** Until the server has answered then, in milliseconds. */
  readonly answerMs: number;
  /** Aborting gives up. */
  readonly signal: AbortSignal;
}

/** What commands are sent over. */
export interface Connection {
  readonly cluster: boolean;
  /** Sends a command to the server that has the key. */
  send(key: string, args: readonly string[]): Promise<Reply>;
  destroy(): void;
}

/**
 * Connects; a server that is one of a cluster's leads to all of them. Never reconnects: that is up to who uses it.
 *
 * @throws {ConfigError} where this program must not reach it.
 */
export async function connect(address: RedisAddress, options: ConnectOptions): Promise<Connection> {
  const ms = options.connectMs + options.answerMs, { signal } = options;
  const settings = settingsOf(address, options);
  for (const { host, port } of address.nodes) requireNet(`${host.includes(":") ? `[${host}]` : host}:${port}`);
  if (!address.cluster) {
    const single = await opened(singleServer(settings, address), ms, signal);
    if (!await inTime(isClusterNode(single), ms, signal).catch(() => false)) return single;
    single.destroy();
  }
  return await opened(wholeCluster(settings, address), ms, signal);
}

type Settings = ReturnType<typeof settingsOf>;

function settingsOf(address: RedisAddress, options: ConnectOptions) {
  const { caCert, cert, key, skipTlsVerify = false, connectMs } = options;
  const tls = { tls: true as const, rejectUnauthorized: !skipTlsVerify, ...present({ ca: caCert, cert, key }) };
  return {
    RESP: 2 as const,
    ...present({ username: address.username, password: options.password ?? address.password }),
    // Neither the name of the client nor notices of one vendor's maintenance are of use, and older servers refuse them.
    disableClientInfo: true,
    maintNotifications: "disabled" as const,
    commandOptions: { timeout: 0 },
    socket: { connectTimeout: connectMs, reconnectStrategy: false as const, ...(address.tls && tls) },
  };
}

interface Opening extends Connection {
  connect(): Promise<unknown>;
}

function singleServer(settings: Settings, { nodes: [node], database }: RedisAddress): Opening {
  const client = createClient({ ...settings, database, socket: { ...settings.socket, ...node! } });
  client.on("error", () => {}); // commands reject with it, too
  return {
    cluster: false,
    connect: () => client.connect(),
    send: (_key, args) => client.sendCommand(args),
    destroy: () => client.destroy(),
  };
}

function wholeCluster(settings: Settings, { nodes }: RedisAddress): Opening {
  const rootNodes = nodes.map((node) => ({ socket: { ...settings.socket, ...node } }));
  const client = createCluster({ rootNodes, defaults: settings, RESP: 2 });
  client.on("error", () => {});
  return {
    cluster: true,
    connect: () => client.connect(),
    send: (key, args) => client.sendCommand(key, false, [...args]),
    destroy: () => client.destroy(),
  };
}

async function opened(opening: Opening, ms: number, signal: AbortSignal): Promise<Connection> {
  const connecting = opening.connect();
  try {
    await inTime(connecting, ms, signal);
    return opening;
  } catch (error) {
    opening.destroy();
    // A socket that is still being made is unknown to the client: it would stay open, and keep the process.
    connecting.then(() => opening.destroy(), () => {});
    throw error;
  }
}

/** A user who may not ask is taken to be at a single server. */
async function isClusterNode(connection: Connection): Promise<boolean> {
  return /cluster_enabled:1/.test(await connection.send("", ["INFO", "cluster"]));
}

/** The members that have a value. */
function present<T extends Record<string, unknown>>(members: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never;
}
