/**
 * Whether a run does what it is there for, and if not, why.
 *
 * @module
 */
import type { Link } from "../pipeline/link.ts";

/** So long something may be away before somebody should look, in milliseconds. */
const PATIENCE_MS = 60_000;
const LITTLE_BYTES = 64 * 1024 * 1024;

/** What is known of a run. Times are milliseconds since 1970. */
export interface RunFacts {
  readonly now: number;
  /** `starting`: nothing was read yet. */
  readonly phase: "starting" | "running" | "draining";
  /** Where events come from, in words. */
  readonly source: string;
  /** The sink's name. */
  readonly sink: string;
  /** When the run began. */
  readonly startedAt: number;
  /** The hosts that are to be read. */
  readonly links: readonly Pick<Link, "host" | "connected" | "since" | "lastAt" | "busyMs" | "lastError">[];
  /** Since when events wait without one success of the sink; undefined: none do. */
  readonly waitingSince: number | undefined;
  /** Why the sink failed the last time. */
  readonly sinkError: string | undefined;
  /** Since when the webhook's breaker lets nothing pass; undefined: it does, or there is none. */
  readonly breakerSince?: number | undefined;
  /** Why the webhook's endpoint is disabled; undefined: it is not, or there is none. */
  readonly disabled?: string | undefined;
  /** What is full: `queue`, `dead letter`. */
  readonly full: readonly string[];
  /** Saves of the position that failed in a row. */
  readonly failedSaves: number;
  /** Free space by folder, in bytes. */
  readonly free: ReadonlyMap<string, number>;
}

/** Why it is not ready, a sentence each; none: it is. */
export function reasonsOf(facts: RunFacts): string[] {
  const { now, phase, source, sink, waitingSince, breakerSince, failedSaves } = facts;
  const late = (since: number | undefined) => since !== undefined && now - since > PATIENCE_MS;
  const seconds = (since: number) => Math.floor((now - since) / 1000);
  const reasons: string[] = [];
  if (phase === "starting") reasons.push(`starting: nothing was read from ${source} yet`);
  if (phase === "draining") reasons.push("draining: nothing more is read");
  for (const link of facts.links) {
    const { host, connected, since = facts.startedAt, lastError } = link;
    const why = lastError === undefined ? "" : `: ${lastError}`;
    if (!connected && late(since)) reasons.push(`${host} is not connected for ${seconds(since)} s${why}`);
    if (connected && isSilent(link, now)) reasons.push(`${host} is silent for ${seconds(link.lastAt!)} s`);
  }
  if (late(waitingSince)) {
    const why = facts.sinkError === undefined ? "" : `: ${facts.sinkError}`;
    reasons.push(`${sink} has taken nothing for ${seconds(waitingSince!)} s while events wait${why}`);
  }
  if (late(breakerSince)) reasons.push(`the webhook's breaker is open for ${seconds(breakerSince!)} s`);
  if (facts.disabled !== undefined) reasons.push(`the webhook's endpoint is disabled: ${facts.disabled}`);
  for (const what of facts.full) reasons.push(`the ${what} is full`);
  if (failedSaves > 0) reasons.push("the last save of the position failed");
  for (const [folder, bytes] of facts.free) {
    if (bytes < LITTLE_BYTES) reasons.push(`${folder} has only ${Math.floor(bytes / 2 ** 20)} MiB of free space`);
  }
  return reasons;
}

/** Whether a host from which events must come all the time sends none. */
function isSilent({ lastAt, busyMs }: Pick<Link, "lastAt" | "busyMs">, now: number): boolean {
  return busyMs !== undefined && lastAt !== undefined && now - lastAt > busyMs;
}
