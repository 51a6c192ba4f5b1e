/**
 * Requests to the operations server, for the fuzzer.
 *
 * @module
 */
import { startOps } from "../lib/ops/ops.ts";
import { recentErrors } from "../lib/ops/recent_errors.ts";
import { createCounters } from "../lib/pipeline/counters.ts";

const TOKEN = "a token of the fuzzer";
const REQUESTS = [
  "GET /stats HTTP/1.1\r\nHost: localhost\r\n",
  `GET /status?x=%20y HTTP/1.1\r\nHost: 127.0.0.1:9090\r\nAuthorization: Bearer ${TOKEN}\r\n`,
  `GET /stats/events HTTP/1.1\r\nHost: [::1]\r\nAuthorization: Basic ${btoa(`x:${TOKEN}`)}\r\n`,
  `HEAD /metrics HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n`,
  `POST /reset HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Length: 0\r\nAuthorization: Bearer ${TOKEN}\r\n`,
  "POST /reconnect HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n",
];

/** Good requests. */
export function opsSamples(): Uint8Array[] {
  return REQUESTS.map((request) => new TextEncoder().encode(`${request}\r\n`));
}

let port: Promise<number> | undefined;

async function start(): Promise<number> {
  const ops = await startOps({
    address: { hostname: "127.0.0.1", port: 0 },
    token: TOKEN,
    hosts: [],
    insecure: false,
    legacyMetrics: true,
    errors: recentErrors(() => ""),
    folders: [],
  });
  const run = await ops.watch({
    command: "jetstream",
    source: "nowhere",
    sink: "null",
    stream: undefined,
    key: "fuzz",
    counters: createCounters(),
    stats: undefined,
    live: true,
    limits: { inFlight: 1, batch: 1, writes: 1 },
    startedAt: Date.now(),
    gaps: "/nowhere/gaps.db",
    stateFolder: undefined,
  });
  run.begun();
  return ops.address.port;
}

/** Sends the hostile bytes and leaves with the first answer to them; after that a good request must be answered. */
export async function askOps(input: Uint8Array): Promise<void> {
  port ??= start();
  const hostname = "127.0.0.1";
  using conn = await Deno.connect({ hostname, port: await port });
  try {
    for (let sent = 0; sent < input.length;) sent += await conn.write(input.subarray(sent));
    await conn.closeWrite();
    await conn.read(new Uint8Array(4096));
  } catch (error) {
    // The server may well cut the connection.
    const cut = [Deno.errors.ConnectionReset, Deno.errors.BrokenPipe, Deno.errors.NotConnected];
    if (!cut.some((type) => error instanceof type)) throw error;
  }
  const answer = await fetch(`http://${hostname}:${await port}/healthz`);
  if (await answer.text() !== "ok") throw new Error(`Cannot get an answer: HTTP ${answer.status}`);
}
