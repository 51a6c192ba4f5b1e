/**
 * The tables of the page. The browser runs these functions too (see `script.ts`).
 *
 * @module
 */
import type { DeadLetterJson, GapJson, SinkJson, Snapshot, SourceJson, WebhookJson } from "../snapshot.ts";
import { ago, bar, type Level, mark, moment, panel, table, twoLines } from "./parts.ts";
import { bytes, type Clock, count, share, span } from "./text.ts";
import { type Element, h, type Tree } from "./tree.ts";

/** Where events wait, in the order in which they pass. */
export function pressurePanel({ stats }: Snapshot): Element {
  const rows = stats.details.stages.map(({ name, waiting, limit, blocked }) => {
    const level: Level = blocked >= 0.5 ? "bad" : blocked >= 0.1 ? "warn" : "ok";
    return [
      name.replaceAll("_", " "),
      count(waiting),
      limit === null ? "–" : count(limit),
      h("div", { class: "share" }, bar(blocked, level), h("span", {}, `${Math.round(blocked * 100)}%`)),
    ];
  });
  const columns = [
    { title: "Stage" },
    { title: "Waiting", number: true },
    { title: "Limit", number: true },
    { title: "Blocked, 10 s", number: true },
  ];
  const caption = "Events that wait at each stage, from how many on reading pauses, and how long that was so";
  return panel("pressure", "Back-pressure", undefined, table({ caption, columns, rows, none: "No stages yet" }));
}

/** The endpoint of the webhook and its queue. */
export function webhookPanel(webhook: WebhookJson): Element {
  const { endpoint, state, reason, breaker, queue_events, queue_bytes, oldest_seconds } = webhook;
  const disabled = state === "disabled";
  const breakerNames = { closed: "Closed", "half-open": "Half-open", open: "Open" };
  const facts: readonly (readonly [string, Tree])[] = [
    ["Endpoint", h("code", {}, endpoint)],
    ["State", mark(disabled ? "bad" : "ok", disabled ? `Disabled${reason === null ? "" : `: ${reason}`}` : "Active")],
    ["Breaker", mark(breaker === "closed" ? "ok" : breaker === "open" ? "bad" : "warn", breakerNames[breaker])],
    ["Queue", `${count(queue_events)} events, ${bytes(queue_bytes)}, oldest ${span(oldest_seconds * 1000)}`],
    ["Requests running", count(webhook.in_flight)],
    ["Parked accounts", count(webhook.parked_accounts)],
  ];
  const items = facts.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value)));
  return panel("webhook", "Webhook", undefined, h("dl", { class: "facts" }, ...items));
}

/** The collections with the most events. */
export function collectionsPanel({ stats }: Snapshot): Element {
  const { eventCounts, totalEvents } = stats;
  const all = Object.entries(eventCounts).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const most = all[0]?.[1] ?? 0;
  const rows = all.slice(0, 200).map(([name, events]) => [
    h("div", { class: "collection" }, h("code", {}, name), bar(events / most)),
    count(events),
    share(events, totalEvents),
  ]);
  const columns = [{ title: "Collection", long: true }, { title: "Events", number: true }, {
    title: "Share",
    number: true,
  }];
  const sum = all.length > rows.length ? `${rows.length} of ${count(all.length)}` : undefined;
  const caption = "Commit events by collection, most first";
  const scrolls = { class: "scrolls", tabindex: "0", role: "group", "aria-label": "Collections" };
  return panel(
    "by-collection",
    "Events by Collection",
    sum === undefined ? undefined : h("small", {}, sum),
    h("div", scrolls, table({ caption, columns, rows, none: "No commit events yet" })),
  );
}

/** The hosts that are read, and what is written to. */
export function sourcesPanel({ stats, status }: Snapshot, clock: Clock): Element {
  const columns = [{ title: "Host", long: true }, { title: "State" }, { title: "Last event" }];
  const rows = status.sources.map((source) => [
    twoLines(
      h("code", {}, source.host ?? stats.details.source),
      [source.name, source.wire ?? ""].filter((word) => word !== "").join(" · "),
    ),
    twoLines(
      sourceState(source),
      source.since === null ? undefined : `for ${span(clock.now - Date.parse(source.since))}`,
      source.reconnects === 0 ? undefined : `, ${count(source.reconnects)} reconnects`,
    ),
    source.last_event_at === null ? "–" : twoLines(
      moment(source.last_event_at, clock),
      source.lag_ms === null ? undefined : `lag ${span(source.lag_ms)}`,
    ),
  ]);
  const caption = "Hosts that are read";
  return panel(
    "sources",
    "Sources",
    undefined,
    table({ caption, columns, rows, none: "Nothing is read yet" }),
    ...status.sources.flatMap(({ host, last_error }) =>
      last_error === null
        ? []
        : [h("p", { class: "fault" }, h("code", {}, host ?? stats.details.source), ` ${last_error}`)]
    ),
    sinkLine(status.sink, status.checkpoint, clock),
  );
}

/** In words; a connection that waits for the sink is no fault of its own. */
export function sourceState({ connected, paused, readyState }: SourceJson): Element {
  if (connected) return paused ? mark("warn", "Connected, paused by the sink") : mark("ok", "Connected");
  return readyState === 0 ? mark("warn", "Connecting") : mark("bad", "Not connected");
}

/** What is written to, on one line. */
export function sinkLine(sink: SinkJson, checkpoint: Snapshot["status"]["checkpoint"], clock: Clock): Element {
  const { name, state, last_success_at, last_error } = sink;
  const level: Level = state === "ok" ? "ok" : state === "failing" ? "bad" : "warn";
  const words = { opening: "opening", ok: "writing", failing: "failing", draining: "draining", closed: "closed" };
  const { failures, saved_at } = checkpoint;
  return h(
    "p",
    { class: "sink" },
    h("span", {}, "Sink ", h("strong", {}, name), " ", mark(level, words[state])),
    h("span", {}, last_success_at === null ? "nothing written yet" : `last write ${ago(last_success_at, clock)}`),
    saved_at === null ? undefined : h("span", {}, `position saved ${ago(saved_at, clock)}`),
    failures === 0 ? undefined : mark("bad", `${count(failures)} failed saves of the position`),
    last_error === null ? undefined : h("span", { class: "fault" }, last_error),
  );
}

/** What the log warned of. */
export function errorsPanel({ stats }: Snapshot, clock: Clock): Element {
  const rows = stats.details.errors.slice(0, 50).map(({ at, level, category, message }) => [
    moment(at, clock),
    twoLines(mark(level === "warning" ? "warn" : "bad", level), category),
    message,
  ]);
  const columns = [{ title: "Time" }, { title: "Level" }, { title: "Message", long: true }];
  const caption = "Warnings and errors, newest first";
  return panel("errors", "Recent errors", undefined, table({ caption, columns, rows, none: "No warnings, no errors" }));
}

/** Holes in the stream that are open. */
export function gapsPanel({ stats }: Snapshot, clock: Clock): Element {
  const rows = stats.details.open_gaps.map((gap) => [
    twoLines(`#${gap.id}`, ago(gap.opened_at, clock)),
    twoLines(h("code", {}, gap.host), gap.source),
    twoLines(gap.reason, gapRange(gap, clock), gap.detail === null ? undefined : ` · ${gap.detail}`),
  ]);
  const columns = [{ title: "Gap" }, { title: "Host", long: true }, { title: "Reason and range", long: true }];
  const caption = "Holes in the stream that are open";
  return panel("gap-list", "Gaps", undefined, table({ caption, columns, rows, none: "No open gaps" }));
}

/** From where to where. */
export function gapRange({ unit, from, to }: GapJson, clock: Clock): Tree {
  const place = (position: number | null): Tree =>
    position === null ? "?" : unit === "us" ? moment(position / 1000, clock) : count(position);
  const whole = unit === "us" && from !== null && to !== null ? ` (${span((to - from) / 1000)})` : "";
  return h("span", {}, unit === "us" ? "" : `${unit} `, place(from), " to ", place(to), whole);
}

/** Events that could not be written. */
export function deadLettersPanel({ dead_letters }: Snapshot, clock: Clock): Element {
  const rows = dead_letters.slice(0, 20).map(({ at, stage, reason, error, did, collection }: DeadLetterJson) => [
    moment(at, clock),
    twoLines(reason, stage),
    twoLines(error, [did, collection].filter((each) => each !== null).join(" · ")),
  ]);
  const columns = [{ title: "Time" }, { title: "Reason" }, { title: "Error", long: true }];
  const caption = "Events that could not be written, newest first";
  return panel("dead", "Dead letters", undefined, table({ caption, columns, rows, none: "No dead letters" }));
}
