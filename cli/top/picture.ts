/**
 * What `top` shows, as lines of text.
 *
 * @module
 */
import type { ErrorJson, SourceJson, StageJson, StatsJson, StatusJson, WebhookJson } from "../../lib/ops/snapshot.ts";
import { bytes, count, dateAndTime, rate, share, span } from "../../lib/ops/dashboard/text.ts";
import { cell, fit } from "./text_width.ts";

/** What a running instance says of itself. */
export interface Seen {
  readonly stats: StatsJson;
  readonly status: StatusJson;
}

/** Events a second at one moment. */
export interface Rate {
  readonly received: number;
  readonly written: number;
}

/** Options of {@linkcode pictureOf}. */
export interface PictureOptions {
  /** In cells; no line is wider. */
  readonly width: number;
  /** At most so many lines. */
  readonly height: number;
  /** Oldest first, one a second, the last minute of them. Empty: no bars. */
  readonly rates: readonly Rate[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** One line. */
export interface Line {
  readonly text: string;
  /** A heading, or how bad it is; for colours, which nobody needs in order to understand it. */
  readonly kind?: "head" | "warn" | "bad";
}

/** The least and the most lines for collections and for errors. */
const LEAST_COLLECTIONS = 4, MOST_COLLECTIONS = 200, MOST_ERRORS = 5, MOST_GAPS = 3;
const BARS = "▁▂▃▄▅▆▇█";

/** Everything, the most urgent first; collections and errors share what is left of the height. */
export function pictureOf({ stats, status }: Seen, options: PictureOptions): Line[] {
  const { width, height, now } = options;
  const { details } = stats;
  const top: Line[] = [
    title(stats, now),
    ...status.sources.flatMap((source) => sourceLines(source, details.source, now)),
    ...sinkLines(status, now),
    { text: "" },
    ...rateLines(stats, options),
    ...figureLines(stats),
    ...(details.webhook === undefined ? [] : webhookLines(details.webhook)),
    ...gapLines(stats),
    { text: "" },
    ...stageLines(details.stages),
  ];
  const errors = errorLines(details.errors);
  const left = Math.max(LEAST_COLLECTIONS, height - top.length - errors.length - 2);
  const lines = [...top, { text: "" }, ...collectionLines(stats, Math.min(left, MOST_COLLECTIONS), width), ...errors];
  return lines.slice(0, height).map((line) => ({ ...line, text: fit(line.text, width).trimEnd() }));
}

function title({ details }: StatsJson, now: number): Line {
  const { source, sink, uptime_s } = details;
  const time = dateAndTime(now, false)?.[1];
  return { text: `bskyingest  ${time} UTC  up ${span(uptime_s * 1000)}  ${source} → ${sink}`, kind: "head" };
}

function sourceLines(source: SourceJson, all: string, now: number): Line[] {
  const { name, host, wire, connected, readyState, since, lag_ms, reconnects, last_error, paused } = source;
  const state = connected ? "connected" : readyState === 0 ? "connecting" : "not connected";
  const parts = [
    `${connected ? paused ? "▲" : "●" : "■"} ${host ?? all} ${[name, wire ?? ""].join(" ").trim()}`,
    ...(paused ? ["paused by the sink"] : []),
    ...(lag_ms === null ? [] : [`lag ${span(lag_ms)}`]),
    since === null ? state : `${state} for ${span(now - Date.parse(since))}`,
    ...(reconnects === 0 ? [] : [`reconnects ${count(reconnects)}`]),
  ];
  return [
    { text: parts.join("  "), ...(!connected ? { kind: "bad" } : paused && { kind: "warn" }) },
    ...(last_error === null ? [] : [{ text: `  ${last_error}` }]),
  ];
}

function sinkLines({ sink, checkpoint }: StatusJson, now: number): Line[] {
  const { name, state, last_success_at, last_error } = sink;
  const parts = [
    `${state === "ok" ? "●" : state === "failing" ? "■" : "▲"} sink ${name} ${state}`,
    ...(last_success_at === null ? [] : [`last write ${span(now - Date.parse(last_success_at))} ago`]),
    ...(checkpoint.failures === 0 ? [] : [`${count(checkpoint.failures)} failed saves of the position`]),
  ];
  const bad = state === "failing" || checkpoint.failures > 0;
  return [
    { text: parts.join("  "), ...(bad ? { kind: "bad" } : state !== "ok" && { kind: "warn" }) },
    ...(last_error === null ? [] : [{ text: `  ${last_error}` }]),
  ];
}

function rateLines({ details, totalReceived }: StatsJson, { rates, width }: PictureOptions): Line[] {
  const most = Math.max(1, ...rates.flatMap(({ received, written }) => [received, written]));
  const line = (name: string, perSecond: number, total: number, values: readonly number[]) => {
    const start = `${cell(name, 9)}${cell(`${rate(perSecond)}/s`, 11, "right")}`;
    const end = `  ${count(total)} in all`;
    const room = Math.max(0, width - start.length - end.length - 2);
    const bars = values.slice(-Math.min(60, room)).map((value) => BARS[Math.round(value / most * (BARS.length - 1))]);
    return { text: `${start}${bars.length === 0 ? "" : `  ${bars.join("")}`}${end}` };
  };
  return [
    line("Received", details.received_per_s, totalReceived, rates.map(({ received }) => received)),
    line("Written", details.written_per_s, details.written, rates.map(({ written }) => written)),
  ];
}

function figureLines({ details }: StatsJson): Line[] {
  const { lag_ms, in_flight, in_flight_limit, dead_lettered, gaps, open_gaps, reconnects } = details;
  const bad = dead_lettered > 0 || open_gaps.length > 0;
  return [
    {
      text: `Lag ${lag_ms === null ? "–" : span(lag_ms)}  in flight ${count(in_flight)} of ${count(in_flight_limit)}` +
        `  filtered ${count(details.filtered)}  duplicates ${count(details.duplicates)}`,
    },
    {
      text:
        `${bad ? "▲ " : ""}Dead letters ${count(dead_lettered)}  open gaps ${count(open_gaps.length)} (${
          count(gaps)
        } in this run)` +
        `  reconnects ${count(reconnects)}  retried ${count(details.retried)}`,
      ...(bad && { kind: "warn" }),
    },
  ];
}

function webhookLines(webhook: WebhookJson): Line[] {
  const { endpoint, state, reason, breaker, queue_events, queue_bytes, oldest_seconds, parked_accounts } = webhook;
  const bad = state === "disabled" || breaker === "open";
  return [
    {
      text: `${bad ? "■" : "●"} Webhook ${state}${
        reason === null ? "" : ` (${reason})`
      }, breaker ${breaker}  ${endpoint}`,
      ...(bad && { kind: "bad" }),
    },
    {
      text: `Queue ${count(queue_events)} events, ${bytes(queue_bytes)}, oldest ${span(oldest_seconds * 1000)}` +
        `  parked accounts ${count(parked_accounts)}  requests ${count(webhook.in_flight)}`,
    },
  ];
}

function gapLines({ details }: StatsJson): Line[] {
  return details.open_gaps.slice(-MOST_GAPS).map(({ id, host, reason, opened_at }) => {
    return { text: `▲ Gap #${id} ${reason} ${host}, since ${opened_at}`, kind: "warn" };
  });
}

function stageLines(stages: readonly StageJson[]): Line[] {
  if (stages.length === 0) return [];
  return [
    {
      text: `${cell("Back-pressure", 14)}${
        ["waiting", "limit", "blocked"].map((word) => cell(word, 9, "right")).join("")
      }`,
      kind: "head",
    },
    ...stages.map(({ name, waiting, limit, blocked }): Line => {
      const part = `${Math.round(blocked * 100)}%`;
      const figures = [count(waiting), limit === null ? "–" : count(limit), part];
      return {
        text: cell(name.replaceAll("_", " "), 14) + figures.map((figure) => cell(figure, 9, "right")).join(""),
        ...(blocked >= 0.5 ? { kind: "bad" } : blocked >= 0.1 && { kind: "warn" }),
      };
    }),
  ];
}

function collectionLines({ eventCounts, totalEvents }: StatsJson, most: number, width: number): Line[] {
  const all = Object.entries(eventCounts).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const name = Math.min(48, Math.max(12, width - 24));
  const shown = all.slice(0, all.length < most ? all.length : Math.max(1, most - 2));
  return [
    { text: `${cell("Collection", name)}${cell("events", 15, "right")}${cell("share", 8, "right")}`, kind: "head" },
    ...shown.map(([collection, events]) => ({
      text: cell(collection, name) + cell(count(events), 15, "right") + cell(share(events, totalEvents), 8, "right"),
    })),
    ...(all.length > shown.length ? [{ text: `${count(all.length - shown.length)} more` }] : []),
  ];
}

function errorLines(errors: readonly ErrorJson[]): Line[] {
  if (errors.length === 0) return [];
  return [
    { text: "" },
    { text: "Recent errors", kind: "head" },
    ...errors.slice(0, MOST_ERRORS).map(({ at, level, category, message }): Line => ({
      text: `${dateAndTime(Date.parse(at), false)?.[1]} ${level} ${category}: ${message}`,
      kind: level === "warning" ? "warn" : "bad",
    })),
  ];
}

/** The lines as text; `color`: for a terminal. */
export function textOf(lines: readonly Line[], color: boolean): string[] {
  const codes = { head: "1", warn: "33", bad: "31" };
  return lines.map(({ text, kind }) => color && kind !== undefined ? `\x1b[${codes[kind]}m${text}\x1b[0m` : text);
}
