/**
 * Starting the load server, and finding out how fast it could be.
 *
 * @module
 */
import type { Load } from "./bench.ts";

/** A load server that runs until it is disposed of. */
export interface LoadServer extends AsyncDisposable {
  readonly load: Load;
}

/** Starts a load server in a process of its own. */
export async function startLoad(events: number): Promise<LoadServer> {
  const { offer, ...server } = await startServer<Load>("load_server.ts", [String(events)]);
  return { load: offer, ...server };
}

/** Runs a module of this folder that prints what it offers as one line of JSON, and ends with its standard input. */
export async function startServer<T>(module: string, args: readonly string[]): Promise<AsyncDisposable & { offer: T }> {
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${import.meta.dirname}/${module}`, ...args],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const lines = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let line = "";
  for (let chunk; !line.endsWith("\n") && !(chunk = await lines.read()).done;) line += chunk.value;
  if (line === "") throw new Error(`Cannot start ${module}: it ended at once`);
  return {
    offer: JSON.parse(line),
    async [Symbol.asyncDispose]() {
      await server.stdin.close();
      await lines.cancel();
      await server.status;
    },
  };
}

/** Events a second that the server sends to a client that throws everything away: no case can be faster. */
export async function drainRate({ url, events, bytes }: Load): Promise<number> {
  const { hostname, port, host, pathname } = new URL(url);
  using conn = await Deno.connect({ hostname, port: Number(port) });
  const head =
    `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: YmVuY2g=\r\n\r\n`;
  await conn.write(new TextEncoder().encode(head));
  const buffer = new Uint8Array(1 << 20);
  const started = performance.now();
  for (let left = bytes; left > 0;) {
    const count = await conn.read(buffer);
    if (count === null) throw new Error("Cannot drain the load server: it ended too early");
    left -= count;
  }
  return events / ((performance.now() - started) / 1000);
}
