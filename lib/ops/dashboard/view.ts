/**
 * The page's content as a function of what is known. The browser runs these functions too (see `script.ts`).
 *
 * @module
 */
import type { Snapshot } from "../snapshot.ts";
import { nowCards, totalsCards } from "./cards.ts";
import {
  collectionsPanel,
  deadLettersPanel,
  errorsPanel,
  gapsPanel,
  pressurePanel,
  sourcesPanel,
  webhookPanel,
} from "./panels.ts";
import { type Level, mark, moment } from "./parts.ts";
import { ratesPanel } from "./rates.ts";
import { type Clock, count, rate, span } from "./text.ts";
import { type Element, h } from "./tree.ts";

/** All that changes. `local`: times of the place where this runs, else UTC. */
export function view(snapshot: Snapshot, local: boolean): Element {
  const clock = { now: Date.parse(snapshot.health.timestamp), local };
  const { webhook } = snapshot.stats.details;
  return h(
    "div",
    { id: "view" },
    header(snapshot, clock),
    h(
      "main",
      {},
      reasonsList(snapshot),
      totalsCards(snapshot, clock),
      nowCards(snapshot, clock),
      h(
        "div",
        { id: "panels", class: "panels" },
        ratesPanel(snapshot, clock),
        h("div", { class: "side" }, pressurePanel(snapshot), ...(webhook === undefined ? [] : [webhookPanel(webhook)])),
        collectionsPanel(snapshot),
        sourcesPanel(snapshot, clock),
        errorsPanel(snapshot, clock),
        gapsPanel(snapshot, clock),
        deadLettersPanel(snapshot, clock),
      ),
    ),
  );
}

/** What runs, how it is, and how old that news is. */
export function header({ stats, health }: Snapshot, clock: Clock): Element {
  const { source, sink, uptime_s } = stats.details;
  const level: Level = health.status === "healthy" ? "ok" : health.status === "degraded" ? "warn" : "bad";
  const state = { healthy: "Healthy", degraded: "Degraded", unhealthy: "Unhealthy" }[health.status];
  return h(
    "header",
    {},
    h("h1", {}, "Jetstream Statistics"),
    h(
      "p",
      { class: "run" },
      h("span", {}, h("code", {}, source), " → ", h("code", {}, sink)),
      h("span", {}, `up ${span(uptime_s * 1000)}`),
    ),
    h(
      "div",
      { class: "state" },
      h("span", { id: "health", class: "pill", "data-level": level }, mark(level, state)),
      h("span", { class: "updated" }, "as of ", moment(health.timestamp, clock), clock.local ? "" : " UTC"),
      h("a", { class: "button", href: "html" }, "Refresh"),
    ),
  );
}

/** Why it is not well; `undefined` where it is. */
export function reasonsList({ health }: Snapshot): Element | undefined {
  if (health.reasons.length === 0) return undefined;
  const level = health.status === "unhealthy" ? "bad" : "warn";
  const items = health.reasons.map((reason) => h("li", {}, reason));
  return h("section", { id: "reasons", "data-level": level, "aria-label": "What is wrong" }, h("ul", {}, ...items));
}

/** The state in one sentence, to be read aloud. */
export function summary({ stats, health }: Snapshot): string {
  const { received_per_s, written_per_s, lag_ms, open_gaps, dead_lettered } = stats.details;
  return [
    `${health.status}: ${rate(received_per_s)} events received and ${rate(written_per_s)} written per second`,
    ...(lag_ms === null ? [] : [`lag ${span(lag_ms)}`]),
    ...(open_gaps.length === 0 ? [] : [`${open_gaps.length} open gaps`]),
    ...(dead_lettered === 0 ? [] : [`${count(dead_lettered)} dead letters`]),
    ...health.reasons,
  ].join(", ");
}
