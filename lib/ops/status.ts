/**
 * What `/status` says.
 *
 * @module
 */
import type { Link } from "../pipeline/link.ts";
import type { RunWatch } from "./run_watch.ts";
import type { ReadyState, SinkJson, SourceJson, StatusJson } from "./snapshot.ts";
import { webhookOf } from "./stats.ts";

/** From worst to best, as of a WebSocket: closed, closing, connecting, open. */
const STANDING: readonly ReadyState[] = [3, 2, 0, 1];

/** The state of one run. */
function statusOf(run: RunWatch, now: number): StatusJson {
  const { about: { counters }, links, savedAt, webhook } = run;
  const sources = links.length > 0 ? links.map((link) => hostOf(link, run, now)) : [wholeOf(run)];
  return {
    ...standing(sources),
    sources,
    sink: sinkOf(run),
    checkpoint: { saved_at: timeText(savedAt), failures: counters.failedSaves },
    ...(webhook && { webhook: webhookOf(webhook) }),
  };
}

/** The state of several runs side by side as one; of a single one as it is. */
export function combinedStatus(runs: readonly RunWatch[], now: number): StatusJson {
  const all = runs.map((run) => statusOf(run, now));
  const sources = all.flatMap((status) => status.sources);
  const worst = all.find(({ sink: { state } }) => state !== "ok") ?? all[0]!;
  const failures = all.reduce((n, { checkpoint }) => n + checkpoint.failures, 0);
  return { ...worst, ...standing(sources), sources, checkpoint: { ...worst.checkpoint, failures } };
}

function standing(sources: readonly SourceJson[]): Pick<StatusJson, "connected" | "readyState"> {
  const states = sources.map(({ readyState }) => readyState).filter((state) => state !== undefined);
  const readyState = STANDING.find((state) => states.includes(state));
  return { connected: sources.every(({ connected }) => connected), ...(readyState !== undefined && { readyState }) };
}

function hostOf(link: Link, { about: { command } }: RunWatch, now: number): SourceJson {
  const { host, wire, connected, readyState, since, lastAt, lastTimeUs, lastError, reconnects, paused } = link;
  return {
    name: command,
    host,
    wire: wire ?? null,
    connected,
    ...(readyState !== undefined && { readyState }),
    since: timeText(since),
    last_event_at: lastTimeUs === undefined ? null : timeText(lastAt),
    lag_ms: lastTimeUs === undefined ? null : Math.max(0, Math.round(now - lastTimeUs / 1000)),
    reconnects: [...reconnects.values()].reduce((sum, count) => sum + count, 0),
    last_error: lastError ?? null,
    paused: paused.now,
  };
}

/** What is read without hosts of its own, or before the first one is dialled. */
function wholeOf({ about: { command, stats, startedAt, counters }, phase, links }: RunWatch): SourceJson {
  const hasHosts = stats?.links !== undefined || links.length > 0;
  const begun = phase === "running" || phase === "draining";
  return {
    name: command,
    host: stats?.host ?? null,
    wire: null,
    connected: begun && !hasHosts,
    since: begun && !hasHosts ? timeText(startedAt) : null,
    last_event_at: null,
    lag_ms: null,
    reconnects: 0,
    last_error: null,
    paused: counters.blocked.inFlight.now,
  };
}

function sinkOf({ about: { sink: name }, phase, sink, webhook }: RunWatch): SinkJson {
  // Those of deliveries say more than those of the queue.
  const { last_success_at, last_error } = webhook ??
    { last_success_at: sink.lastSuccessAt, last_error: sink.lastError };
  const working = sink.failing ? "failing" : "ok";
  const states = { starting: "opening", running: working, draining: "draining", ended: "closed" } as const;
  return {
    name,
    state: states[phase],
    last_success_at: timeText(last_success_at),
    last_error: last_error ?? null,
  };
}

function timeText(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
