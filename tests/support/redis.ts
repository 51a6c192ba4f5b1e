/**
 * Real Redis servers for tests, as `scripts/services install redis` put them in place.
 *
 * @module
 */
import { createClient } from "redis";
import { ROOT } from "./paths.ts";
import { isInstalled, REDIS_SERVER } from "./services.ts";

/** Asks a server. */
export interface RedisClient {
  /** `redis://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
  /** Sends a command and returns the reply. @throws {Error} with the server's words. */
  // deno-lint-ignore no-explicit-any
  command(...args: readonly string[]): Promise<any>;
  /** The entries of a stream, in their order. */
  entries(stream: string): Promise<StreamEntry[]>;
}

/** An entry of a stream; those of this project have one field. */
export interface StreamEntry {
  readonly id: string;
  readonly field: string;
  readonly value: string;
}

/** A server in a process of its own; it ends, and its data are deleted, with the block: `await using redis = await startRedis()`. */
export interface RedisServer extends RedisClient, AsyncDisposable {
  readonly pid: number;
  /** kill -9; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and nobody answers. */
  freeze(): void;
  /** SIGCONT */
  thaw(): void;
  /** Starts it again on the same port and folder, by kill -9 if it still runs; what it had in memory only is gone. */
  restart(): Promise<void>;
}

/**
 * Has one server run before the first test of this file until after the last one; tests call the function that this returns, and
 * find it empty.
 */
export function sharedRedis(): () => RedisServer {
  let shared: RedisServer | undefined;
  Deno.test.beforeAll(async () => {
    if (isInstalled("redis")) shared = await startRedis();
  });
  Deno.test.beforeEach(async () => {
    await shared?.command("FLUSHALL");
  });
  Deno.test.afterAll(async () => await shared?.[Symbol.asyncDispose]());
  return () => {
    if (!shared) throw new Error("Cannot use the Redis server: it is not installed, or no test runs yet");
    return shared;
  };
}

/** Starts a server on a free loopback port with an empty folder; `options` as on its command line, without `--port` and `--dir`. */
export async function startRedis(options: readonly string[] = []): Promise<RedisServer> {
  const folder = await Deno.makeTempDir({ prefix: "bskyingest-redis-" });
  const port = freePort();
  let running = await launch(folder, port, options);
  const password = options.includes("--requirepass") ? options[options.indexOf("--requirepass") + 1] : undefined;
  const connect = () => redisAt(port, password);
  let client = await connect();
  const server = {
    port,
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return running.pid;
    },
    command: (...args: readonly string[]) => client.command(...args),
    entries: (stream: string) => client.entries(stream),
    async kill() {
      client[Symbol.dispose]();
      await running.end();
    },
    freeze: () => Deno.kill(running.pid, "SIGSTOP"),
    thaw: () => Deno.kill(running.pid, "SIGCONT"),
    async restart() {
      await server.kill();
      running = await launch(folder, port, options);
      client = await connect();
    },
    async [Symbol.asyncDispose]() {
      await server.kill();
      await Deno.remove(folder, { recursive: true });
    },
  };
  return server;
}

/** Three masters that share the slots, each as {@link startRedis} gives it; they end with the block. */
export async function startRedisCluster(): Promise<{ readonly nodes: readonly RedisServer[] } & AsyncDisposable> {
  const config = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-announce-ip", "127.0.0.1"];
  const nodes = await Promise.all([0, 1, 2].map(() => startRedis(config)));
  const dispose = async () => void await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
  try {
    const bounds = [0, 5461, 10923, 16384];
    for (const [i, node] of nodes.entries()) {
      await node.command("CLUSTER", "ADDSLOTSRANGE", String(bounds[i]), String(bounds[i + 1]! - 1));
      await node.command("CLUSTER", "SET-CONFIG-EPOCH", String(i + 1));
    }
    for (const node of nodes.slice(1)) await node.command("CLUSTER", "MEET", "127.0.0.1", String(nodes[0]!.port));
    for (const node of nodes) {
      const knowsAll = async () => (await node.command("CLUSTER", "SLOTS")).length === nodes.length;
      const isFine = async () => /cluster_state:ok/.test(await node.command("CLUSTER", "INFO"));
      await until(async () => await isFine() && await knowsAll(), "the cluster is not fine");
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  return { nodes, [Symbol.asyncDispose]: dispose };
}

interface Launched {
  readonly pid: number;
  /** kill -9 */
  end(): Promise<void>;
}

async function launch(folder: string, port: number, options: readonly string[]): Promise<Launched> {
  const child = new Deno.Command(`${ROOT}/scripts/services.d/redis/start.sh`, {
    args: [REDIS_SERVER, folder, String(port), ...options],
    // It must not outlive a test run that is killed.
    env: { ENDS_WITH_STDIN: "true" },
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let over: Promise<void> | undefined;
  const end = () =>
    over ??= (async () => {
      await child.stdin.close();
      await child.status;
    })();
  try {
    let pid = 0;
    await until(async () => (pid = await processOf(port)) > 0, "the server does not answer");
    return { pid, end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** The process that listens; the server may demand a password before it says more than that. */
async function processOf(port: number): Promise<number> {
  let connection;
  try {
    connection = await Deno.connect({ hostname: "127.0.0.1", port });
  } catch {
    return 0;
  }
  connection.close();
  const list = await new Deno.Command("ps", { args: ["-eo", "pid,args"], stdout: "piped" }).output();
  const row = new RegExp(`^ *(\\d+) \\S*redis-server 127\\.0\\.0\\.1:${port}\\b`, "m");
  return Number(row.exec(new TextDecoder().decode(list.stdout))?.[1] ?? 0);
}

/** A client of a server on a loopback port; it fails where the server is gone. */
export async function redisAt(port: number, password?: string): Promise<RedisClient & Disposable> {
  const url = `redis://127.0.0.1:${port}`;
  const client = createClient({
    url,
    RESP: 2,
    disableClientInfo: true,
    maintNotifications: "disabled",
    ...(password !== undefined && { password }),
    socket: { reconnectStrategy: false },
    commandOptions: { timeout: 0 },
  });
  client.on("error", () => {}); // commands reject with it, too
  await client.connect();
  const answers = () => client.sendCommand(["PING"]).then(() => true, ({ message }) => !/^LOADING/.test(message));
  await until(answers, "it loads its data");
  return {
    url,
    port,
    command: (...args) => client.sendCommand(args),
    async entries(stream) {
      const found = await client.sendCommand<[string, [string, string]][]>(["XRANGE", stream, "-", "+"]);
      return found.map(([id, [field, value]]) => ({ id, field, value }));
    },
    [Symbol.dispose]: () => client.destroy(),
  };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Waits until something is so, up to half a minute. */
async function until(isSo: () => Promise<boolean>, otherwise: string): Promise<void> {
  for (const last = Date.now() + 30_000; Date.now() < last;) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`Cannot start Redis: ${otherwise} after 30 s`);
}
