/**
 * What the operations server answers.
 *
 * @module
 */
import { messageOf } from "../pipeline/errors.ts";
import { VERSION } from "../version.ts";
import { ASSETS, renderPage } from "./dashboard/mod.ts";
import type { SnapshotEvents } from "./events.ts";
import { errorAnswer, jsonAnswer, type OpsAnswer, type OpsRequest, textAnswer } from "./message.ts";
import type { HealthJson, Snapshot, StatsJson, StatusJson } from "./snapshot.ts";

/** Reconnections within so many milliseconds are one. */
const RECONNECT_MS = 1000;

/** What routes show and do. */
export interface OpsView {
  stats(): StatsJson;
  status(): StatusJson;
  health(): HealthJson;
  /** Why it is not ready, a sentence each. */
  reasons(): readonly string[];
  /** Why it should be restarted; undefined: it should not. */
  sick(): string | undefined;
  /** Everything, for the page. */
  snapshot(): Snapshot;
  /** Prometheus text. */
  metrics(): Promise<{ readonly type: string; readonly text: string }>;
  /** Sets counters to zero; with `cursor` the position is cleared too. Rejects where that cannot be done. */
  reset(options: { readonly cursor: boolean }): Promise<void>;
  /** Makes new connections. Throws where there are none. */
  reconnect(options: { readonly next: boolean }): void;
  readonly events: SnapshotEvents;
}

/** What the page may load and do: nothing of others, and nothing that is written into it. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

type Handler = (request: OpsRequest) => OpsAnswer | Promise<OpsAnswer>;

interface Route {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** For the list at `/`. */
  readonly description: string;
  readonly handle: Handler;
}

/** Answers a request that is allowed. */
export function createRouter(view: OpsView): Handler {
  const routes = routesOf(view);
  const list = routes.map(({ method, path, description }) => {
    return [method === "GET" ? path : `${method} ${path}`, description];
  });
  const root: Route = {
    method: "GET",
    path: "/",
    description: "This list",
    handle: () => jsonAnswer(200, { message: `bskyingest ${VERSION}`, endpoints: Object.fromEntries(list) }),
  };
  const byPath = new Map([root, ...routes, ...assetRoutes()].map((route) => [route.path, route]));
  return (request) => {
    const { method, path } = request;
    const route = byPath.get(path);
    if (route === undefined) return errorAnswer(404, "NotFound", `There is nothing at ${path}`);
    if (method === route.method || (method === "HEAD" && route.method === "GET")) return route.handle(request);
    const allowed = route.method === "GET" ? "GET, HEAD" : "POST";
    return errorAnswer(405, "MethodNotAllowed", `${path} takes ${allowed} only`, { Allow: allowed });
  };
}

function get(path: string, description: string, handle: Handler): Route {
  return { method: "GET", path, description, handle };
}

function post(path: string, description: string, handle: Handler): Route {
  return { method: "POST", path, description, handle };
}

function routesOf(view: OpsView): Route[] {
  return [
    get("/stats", "Figures of the run", () => jsonAnswer(200, view.stats())),
    get("/stats/html", "The same as a page", () => htmlAnswer(renderPage(view.snapshot()))),
    get("/stats/events", "The same and /status every second, as server-sent events", () => listen(view.events)),
    get("/status", "Connections, sink, position", () => jsonAnswer(200, view.status())),
    get("/health", "Whether anything is wrong, and what", () => {
      const health = view.health();
      return jsonAnswer(health.status === "unhealthy" ? 503 : 200, health);
    }),
    get("/healthz", "Whether to leave it running (liveness)", () => {
      const sick = view.sick();
      return sick === undefined ? textAnswer(200, "ok") : textAnswer(503, sick);
    }),
    get("/readyz", "Whether it does its work (readiness)", () => {
      const reasons = view.reasons();
      return reasons.length === 0 ? textAnswer(200, "ready") : textAnswer(503, reasons.join("\n"));
    }),
    get("/metrics", "Metrics for Prometheus", async () => {
      const { type, text } = await view.metrics();
      return { status: 200, type, body: text };
    }),
    post("/reset", "Set the figures to zero; ?cursor=true: forget the position too", resetHandler(view)),
    post("/reconnect", "Make a new connection; ?host=next: to the next host", reconnectHandler(view)),
  ];
}

/** What the page is made of besides; not worth a line at `/`. */
function assetRoutes(): Route[] {
  return [...ASSETS].map(([path, { type, body, etag }]) => {
    return get(path, "", () => ({ status: 200, type, body, headers: { ETag: etag } }));
  });
}

function htmlAnswer(body: string): OpsAnswer {
  return { status: 200, type: "text/html; charset=utf-8", body, headers: { "Content-Security-Policy": POLICY } };
}

function listen(events: SnapshotEvents): OpsAnswer {
  const body = events.open();
  if (body === undefined) return errorAnswer(503, "TooManyListeners", "There are enough listeners already");
  return { status: 200, type: "text/event-stream; charset=utf-8", body, headers: { "X-Accel-Buffering": "no" } };
}

function resetHandler(view: OpsView): Handler {
  return async ({ query }) => {
    try {
      await view.reset({ cursor: query.get("cursor") === "true" });
    } catch (error) {
      return errorAnswer(409, "CannotReset", messageOf(error));
    }
    return jsonAnswer(200, { message: "Stats reset successfully" });
  };
}

function reconnectHandler(view: OpsView): Handler {
  let lastAt = -Infinity;
  return ({ query }) => {
    const now = performance.now();
    try {
      if (now - lastAt >= RECONNECT_MS) {
        view.reconnect({ next: query.get("host") === "next" });
        lastAt = now;
      }
    } catch (error) {
      return errorAnswer(409, "CannotReconnect", messageOf(error));
    }
    return jsonAnswer(200, { message: "Reconnection initiated" });
  };
}
