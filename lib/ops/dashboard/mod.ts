/**
 * The dashboard: one page that is complete as the server sends it, and that keeps itself up to date where the browser lets it.
 *
 * @module
 */
import { hash } from "node:crypto";
import UPLOT_STYLE from "uplot/dist/uPlot.min.css" with { type: "text" };
import UPLOT from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import { VERSION } from "../../version.ts";
import type { Snapshot } from "../snapshot.ts";
import { SCRIPT } from "./script.ts";
import { STYLE } from "./style.ts";
import { h, toHtml } from "./tree.ts";
import { view } from "./view.ts";

/** A file that the page asks for. */
export interface Asset {
  /** For `Content-Type`. */
  readonly type: string;
  readonly body: string;
  /** With its quotes, for `ETag`. */
  readonly etag: string;
}

/** The files that the page asks for, by path. */
export const ASSETS: ReadonlyMap<string, Asset> = new Map([
  ["/assets/dashboard.js", asset("text/javascript", SCRIPT)],
  ["/assets/dashboard.css", asset("text/css", UPLOT_STYLE + STYLE)],
  ["/assets/uplot.js", asset("text/javascript", UPLOT)],
]);

function asset(type: string, body: string): Asset {
  return { type: `${type}; charset=utf-8`, body, etag: `"${hash("sha256", body).slice(0, 16)}"` };
}

/** Three bars, drawn here so that the browser need not ask for an icon. */
const ICON = "data:image/svg+xml," + encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="#2f7bf6">' +
    '<rect x="1" y="9" width="4" height="6" rx="1"/><rect x="6" y="5" width="4" height="10" rx="1"/>' +
    '<rect x="11" y="1" width="4" height="14" rx="1"/></svg>',
);

/** The page, as HTML. Its links are relative to `/stats/html`, so that it can stand behind a proxy that adds a path. */
export function renderPage(snapshot: Snapshot): string {
  const page = h("html", { lang: "en" }, head(), h("body", {}, ...body(snapshot)));
  return `<!doctype html>\n${toHtml(page)}\n`;
}

function head() {
  return h(
    "head",
    {},
    h("meta", { charset: "utf-8" }),
    h("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }),
    h("meta", { name: "color-scheme", content: "light dark" }),
    h("title", {}, "Jetstream Statistics"),
    h("link", { rel: "icon", href: ICON }),
    h("link", { rel: "stylesheet", href: "../assets/dashboard.css" }),
    h("noscript", {}, h("meta", { "http-equiv": "refresh", content: "30" })),
    h("script", { src: "../assets/uplot.js", defer: "" }),
    h("script", { src: "../assets/dashboard.js", defer: "" }),
  );
}

function body(snapshot: Snapshot) {
  return [
    h("p", { id: "note", role: "status" }),
    view(snapshot, false),
    h("p", { id: "aloud", class: "unseen", "aria-live": "polite" }),
    h(
      "footer",
      {},
      h("span", {}, `bskyingest ${VERSION}`),
      h("a", { href: "../stats" }, "stats"),
      h("a", { href: "../status" }, "status"),
      h("a", { href: "../health" }, "health"),
      h("a", { href: "../metrics" }, "metrics"),
    ),
  ];
}
