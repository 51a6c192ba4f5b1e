/**
 * The dashboard on a server that shows what a test says: the routes of the operations server that the page asks for, and nothing else.
 *
 * @module
 */
import { ASSETS, renderPage } from "../../lib/ops/dashboard/mod.ts";
import type { Snapshot } from "../../lib/ops/snapshot.ts";

/** A running server. */
export interface DashboardServer extends AsyncDisposable {
  readonly port: number;
  /** The page. */
  readonly url: string;
  /** Browsers that listen to `/stats/events` now. */
  readonly listeners: number;
  /** Shows this from now on, and sends it to who listens. */
  show(snapshot: Snapshot): void;
}

/** As in `spec/webhook.md` §10. */
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Starts one; `port` 0: any free one. */
export function serveDashboard(first: Snapshot, port = 0): DashboardServer {
  let snapshot = first;
  const listeners = new Set<ReadableStreamDefaultController<Uint8Array>>();
  const abort = new AbortController();
  const events = () => {
    let own: ReadableStreamDefaultController<Uint8Array>;
    return new ReadableStream<Uint8Array>({
      start(controller) {
        own = controller;
        listeners.add(own);
        own.enqueue(message(snapshot, "retry: 300\n"));
      },
      cancel: () => void listeners.delete(own),
    });
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port, signal: abort.signal, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    const asset = ASSETS.get(pathname);
    if (pathname === "/stats/html") return answer(renderPage(snapshot), "text/html; charset=utf-8");
    if (pathname === "/stats/events") return answer(events(), "text/event-stream");
    return asset === undefined ? new Response("", { status: 404 }) : answer(asset.body, asset.type);
  });
  return {
    port: server.addr.port,
    url: `http://127.0.0.1:${server.addr.port}/stats/html`,
    get listeners() {
      return listeners.size;
    },
    show(next) {
      snapshot = next;
      for (const listener of listeners) listener.enqueue(message({ ...next, rates: next.rates.slice(-1) }));
    },
    async [Symbol.asyncDispose]() {
      for (const listener of listeners) listener.close();
      abort.abort();
      await server.finished;
    },
  };
}

function message(snapshot: Snapshot, before = ""): Uint8Array {
  return new TextEncoder().encode(`${before}event: snapshot\ndata: ${JSON.stringify(snapshot)}\n\n`);
}

function answer(body: BodyInit, type: string): Response {
  return new Response(body, {
    headers: { "Content-Type": type, "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff" },
  });
}
