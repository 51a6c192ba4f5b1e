/**
 * What `/stats` says.
 *
 * @module
 */
import type { GapRow } from "../state/gaps.ts";
import { addTo } from "./bounded.ts";
import type { WebhookFigures } from "../sinks/webhook/figures.ts";
import type { RunWatch } from "./run_watch.ts";
import type { ErrorJson, GapJson, StageJson, StatsDetails, StatsJson, WebhookJson } from "./snapshot.ts";
import { recordOf } from "./tally.ts";

const MOST_COLLECTIONS = 1000;

/** The figures of one run. */
function statsOf(run: RunWatch, now: number, errors: readonly ErrorJson[]): StatsJson {
  run.tally.look(now);
  return { ...run.tally.five, details: detailsOf(run, now, errors) };
}

function detailsOf(run: RunWatch, now: number, errors: readonly ErrorJson[]): StatsDetails {
  const { about: { counters, source, sink, startedAt, limits, live }, tally, window, webhook, deadLetters, received } =
    run;
  const { lastTimeUs } = counters;
  return {
    started_at: new Date(startedAt).toISOString(),
    uptime_s: Math.floor((now - startedAt) / 1000),
    source,
    sink,
    received_per_s: rounded(window.perSecond("received")),
    written_per_s: rounded(window.perSecond("written")),
    filtered: tally.since("filtered"),
    written: tally.since("written"),
    duplicates: tally.since("duplicates"),
    rejected: tally.since("rejected"),
    dead_lettered: tally.since("deadLettered") + deadLetters.undelivered,
    retried: tally.since("retried"),
    reconnects: received.reconnects,
    gaps: tally.since("gaps"),
    lag_ms: live && lastTimeUs !== undefined ? Math.max(0, Math.round(now - lastTimeUs / 1000)) : null,
    bytes_received: received.bytes,
    in_flight: counters.inFlight,
    in_flight_limit: limits.inFlight,
    stages: stagesOf(run),
    ...(webhook && { webhook: webhookOf(webhook) }),
    errors,
    open_gaps: run.openGaps.map(gapOf),
  };
}

/** In the order in which events pass them. */
export function stagesOf({ about: { counters, limits }, window, sink, deadLetters }: RunWatch): StageJson[] {
  const { received, written, filtered, duplicates, deadLettered, inFlight } = counters;
  const waiting = Math.max(0, received - written - filtered - duplicates - deadLettered - inFlight);
  const [full, busy] = [window.share("inFlight"), window.share("sink")];
  return [
    { name: "source", waiting: 0, limit: null, blocked: window.share("source") },
    // A group that is complete goes on when the next two take it.
    { name: "batch", waiting, limit: limits.batch, blocked: Math.min(1, full + busy) },
    { name: "in_flight", waiting: inFlight, limit: limits.inFlight, blocked: full },
    { name: "sink", waiting: sink.running, limit: limits.writes, blocked: busy },
    { name: "dead_letter", waiting: deadLetters.waiting, limit: null, blocked: window.share("deadLetter") },
  ];
}

/** The sink webhook, without what only metrics show. */
export function webhookOf(figures: WebhookFigures): WebhookJson {
  const { state, breaker, reason = null, queue_events, queue_bytes, oldest_seconds, parked_accounts } = figures;
  return {
    endpoint: plainUrl(figures.endpoint),
    ...{ state, reason, breaker, queue_events, queue_bytes, oldest_seconds, parked_accounts },
    in_flight: figures.in_flight,
  };
}

/** A URL without what may be secret in it. */
function plainUrl(text: string): string {
  if (!URL.canParse(text)) return "";
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${pathname}`;
}

function gapOf({ id, source, host, unit, from, to, reason, detail, opened_at }: GapRow): GapJson {
  return { id, source, host, unit, from, to, reason, detail, opened_at };
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

/** The figures of several runs side by side as one; of a single one as they are. */
export function combinedStats(runs: readonly RunWatch[], now: number, errors: readonly ErrorJson[]): StatsJson {
  const all = runs.map((run) => statsOf(run, now, errors));
  if (all.length === 1) return all[0]!;
  const counts = new Map<string, number>();
  for (const { eventCounts } of all) {
    for (const [name, count] of Object.entries(eventCounts)) addTo(counts, name, count, MOST_COLLECTIONS);
  }
  const sum = (of: (stats: StatsJson) => number) => all.reduce((n, stats) => n + of(stats), 0);
  const cursors = all.map(({ cursor }) => cursor).filter((cursor) => cursor > 0);
  return {
    cursor: cursors.length === 0 ? 0 : Math.min(...cursors),
    eventCounts: recordOf([...counts].sort(([, a], [, b]) => b - a)),
    totalEvents: sum(({ totalEvents }) => totalEvents),
    totalReceived: sum(({ totalReceived }) => totalReceived),
    lastEventTime: all.map(({ lastEventTime }) => lastEventTime).sort().at(-1)!,
    details: combinedDetails(all.map(({ details }) => details), runs),
  };
}

type Sums = { readonly [K in keyof StatsDetails as StatsDetails[K] extends number ? K : never]: number };

function combinedDetails(all: readonly StatsDetails[], runs: readonly RunWatch[]): StatsDetails {
  const first = all[0]!;
  const names = Object.keys(first).filter((name) => typeof first[name as keyof StatsDetails] === "number");
  const sums = Object.fromEntries(names.map((name) => {
    return [name, rounded(all.reduce((n, details) => n + (details[name as keyof StatsDetails] as number), 0))];
  })) as unknown as Sums;
  const lags = all.map(({ lag_ms }) => lag_ms).filter((lag) => lag !== null);
  return {
    ...first,
    ...sums,
    uptime_s: first.uptime_s,
    source: all.map(({ source }) => source).join(","),
    lag_ms: lags.length === 0 ? null : Math.max(...lags),
    stages: runs.flatMap((run) => {
      return stagesOf(run).map((stage) => ({ ...stage, name: `${run.about.command} ${stage.name}` }));
    }),
    open_gaps: all.flatMap(({ open_gaps }) => open_gaps),
  };
}
