/**
 * The figures at the top of the page. The browser runs these functions too (see `script.ts`).
 *
 * @module
 */
import type { Snapshot } from "../snapshot.ts";
import { bar, type Level } from "./parts.ts";
import { type Clock, count, dateAndTime, percent, rate, span } from "./text.ts";
import { type Element, h, type Tree } from "./tree.ts";

/** One figure. */
interface Card {
  readonly id: string;
  readonly title: string;
  readonly value: Tree;
  /** The line below it. */
  readonly more?: Tree | undefined;
  /** `warn` and `bad` get a mark before the figure; `more` says in words what is the matter. */
  readonly level?: Level;
  /** How full something is, 0 to 1. */
  readonly full?: number;
}

/** What the Worker's page showed, in its order. */
export function totalsCards({ stats }: Snapshot, clock: Clock): Element {
  const { totalEvents, totalReceived, eventCounts, cursor, lastEventTime } = stats;
  return cardsList("Totals", "totals", [
    { id: "total-events", title: "Commit Events Processed", value: count(totalEvents) },
    { id: "total-received", title: "Total Events Received", value: count(totalReceived) },
    { id: "efficiency", title: "Processing Efficiency", value: percent(totalEvents, totalReceived) },
    { id: "collections", title: "Unique Collections", value: count(Object.keys(eventCounts).length) },
    { id: "last-event", title: "Last Event Time", ...momentCard(cursor > 0 ? cursor / 1000 : Number.NaN, clock) },
    { id: "last-processed", title: "Last Processed", ...momentCard(Date.parse(lastEventTime), clock) },
  ]);
}

/** How the run is doing now. */
export function nowCards({ stats, status, dead_letters }: Snapshot, clock: Clock): Element {
  const { details } = stats;
  const open = details.open_gaps.length;
  const connected = status.sources.filter((source) => source.connected).length;
  const newest = dead_letters[0];
  return cardsList("Now", "now", [
    lagCard(details.lag_ms, details.received_per_s),
    {
      id: "rate",
      title: "Events per Second",
      value: rate(details.received_per_s),
      more: `${rate(details.written_per_s)} written`,
    },
    {
      id: "in-flight",
      title: "In Flight",
      value: count(details.in_flight),
      more: `of ${count(details.in_flight_limit)}`,
      full: details.in_flight / Math.max(1, details.in_flight_limit),
      level: details.in_flight >= details.in_flight_limit ? "warn" : "ok",
    },
    {
      id: "dead-letters",
      title: "Dead Letters",
      value: count(details.dead_lettered),
      more: newest === undefined ? "none" : `last ${span(clock.now - Date.parse(newest.at))} ago`,
      level: details.dead_lettered > 0 ? "warn" : "ok",
    },
    {
      id: "gaps",
      title: "Open Gaps",
      value: count(open),
      more: `${count(details.gaps)} in this run`,
      level: open > 0 ? "warn" : "ok",
    },
    {
      id: "reconnects",
      title: "Reconnects",
      value: count(details.reconnects),
      more: `${connected} of ${status.sources.length} connected`,
      level: connected < status.sources.length ? "bad" : "ok",
    },
    ...queueCards(details.webhook),
  ]);
}

/** A large lag is bad news only where nothing comes: a run that catches up has one, too. */
export function lagCard(lag: number | null, received: number): Card {
  const card = { id: "lag", title: "Lag" };
  if (lag === null) return { ...card, value: "–", more: "no events yet" };
  if (lag < 60_000) return { ...card, value: span(lag), more: "behind the network" };
  const more = received > 0 ? "catching up" : "nothing comes";
  return { ...card, value: span(lag), more, level: received > 0 ? "warn" : "bad" };
}

/** What waits for the webhook, where there is one. */
export function queueCards(webhook: Snapshot["stats"]["details"]["webhook"]): Card[] {
  if (webhook === undefined) return [];
  const { queue_events, oldest_seconds, state, breaker } = webhook;
  const waits = queue_events === 0 ? "empty" : `oldest ${span(oldest_seconds * 1000)}`;
  return [{
    id: "queue",
    title: "Queue",
    value: count(queue_events),
    more: state === "disabled" ? "endpoint disabled" : breaker === "closed" ? waits : `breaker ${breaker}`,
    level: state === "disabled" || breaker === "open" ? "bad" : breaker === "half-open" ? "warn" : "ok",
  }];
}

/** A time of day with its date below; no time: `N/A`. */
export function momentCard(ms: number, { local }: Clock): Pick<Card, "value" | "more"> {
  const shown = dateAndTime(ms, local);
  const utc = dateAndTime(ms, false);
  if (shown === undefined || utc === undefined) return { value: "N/A" };
  const value = h("time", { datetime: new Date(ms).toISOString(), title: `${utc.join(" ")} UTC` }, shown[1]);
  return { value, more: `${shown[0]}${local ? "" : " UTC"}` };
}

/** The cards as a list of terms. */
export function cardsList(label: string, name: string, cards: readonly Card[]): Element {
  return h(
    "section",
    { class: `cards ${name}`, "aria-label": label },
    h("dl", {}, ...cards.map(cardItem)),
  );
}

/** One of them. */
export function cardItem({ id, title, value, more, level = "ok", full }: Card): Element {
  return h(
    "div",
    { class: "card", "data-testid": id, "data-level": level },
    h("dt", {}, title),
    h("dd", { class: "value" }, value),
    full === undefined ? undefined : h("dd", { class: "full" }, bar(full, level)),
    more === undefined ? undefined : h("dd", { class: "more" }, more),
  );
}
