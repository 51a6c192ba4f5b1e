/**
 * The figures of `/stats` that survive a restart, and those that a reset sets to zero.
 *
 * @module
 */
import type { Counters } from "../pipeline/counters.ts";
import { addTo } from "./bounded.ts";
import type { StatsJson } from "./snapshot.ts";

/** The Worker's five figures, as they are kept between runs. */
export type SavedStats = Pick<
  StatsJson,
  "cursor" | "eventCounts" | "totalEvents" | "totalReceived" | "lastEventTime"
>;

/** Counters that can be set to zero. */
type Count = "received" | "written" | "filtered" | "duplicates" | "rejected" | "deadLettered" | "retried" | "gaps";

const MOST_COLLECTIONS = 1000;
/** Smaller numbers are no times in microseconds but sequence numbers. */
const MICROSECONDS_FROM = 1e15;

/** Adds what a run counts to what was counted before it. */
export class Tally {
  readonly #counters: Counters;
  #before: { readonly counts: ReadonlyMap<string, number>; readonly received: number; readonly cursor: number };
  /** What the run had counted at the last reset. */
  #zero: { readonly counts: ReadonlyMap<string, number> } & Readonly<Record<Count, number>>;
  #commits = 0;
  #lastEventTime: number;

  /** @param startedAt Milliseconds since 1970. */
  constructor(counters: Counters, saved: SavedStats | undefined, startedAt: number) {
    this.#counters = counters;
    const { eventCounts = {}, totalReceived = 0, cursor = 0, lastEventTime } = saved ?? {};
    this.#before = { counts: new Map(Object.entries(eventCounts)), received: totalReceived, cursor };
    this.#zero = zeroOf(undefined);
    this.#lastEventTime = lastEventTime === undefined ? startedAt : Date.parse(lastEventTime);
  }

  /** Notices that commits were taken since the last look. */
  look(now: number): void {
    let commits = 0;
    for (const count of this.#counters.collections.values()) commits += count;
    if (commits !== this.#commits) this.#lastEventTime = now;
    this.#commits = commits;
  }

  /** A counter, since the start of the run or the last reset. */
  since(name: Count): number {
    return this.#counters[name] - this.#zero[name];
  }

  /** The five figures, most frequent collection first. */
  get five(): SavedStats {
    const counts = new Map(this.#before.counts);
    for (const [name, count] of this.#counters.collections) {
      addTo(counts, name, count - (this.#zero.counts.get(name) ?? 0), MOST_COLLECTIONS);
    }
    const some = [...counts].filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a);
    return {
      cursor: safeTime(this.#counters) ?? this.#before.cursor,
      eventCounts: recordOf(some),
      totalEvents: some.reduce((sum, [, count]) => sum + count, 0),
      totalReceived: this.#before.received + this.since("received"),
      lastEventTime: new Date(this.#lastEventTime).toISOString(),
    };
  }

  /** All counts begin anew. */
  reset(): void {
    this.#before = { ...this.#before, counts: new Map(), received: 0 };
    this.#zero = zeroOf(this.#counters);
  }

  /** No position is known any more. */
  forgetCursor(): void {
    this.#before = { ...this.#before, cursor: 0 };
  }
}

function zeroOf(counters: Counters | undefined) {
  const { received = 0, written = 0, filtered = 0, duplicates = 0, rejected = 0, deadLettered = 0 } = counters ?? {};
  const { retried = 0, gaps = 0, collections } = counters ?? {};
  return {
    ...{ received, written, filtered, duplicates, rejected, deadLettered, retried, gaps },
    counts: new Map(collections),
  };
}

/** A record in this order; one without prototype, as anybody can name a collection. */
export function recordOf(entries: Iterable<readonly [string, number]>): Record<string, number> {
  const record: Record<string, number> = Object.create(null);
  for (const [name, count] of entries) record[name] = count;
  return record;
}

/** The time (microseconds) of the last safe position: what the positions say, or else the newest safe event. */
function safeTime({ cursors, lastTimeUs }: Counters): number | undefined {
  const times = [...cursors.values()].map(timeIn).filter((time) => time !== undefined);
  return times.length > 0 ? Math.min(...times) : lastTimeUs;
}

function timeIn(cursor: string): number | undefined {
  try {
    const value = JSON.parse(cursor);
    const time = typeof value === "object" ? value?.time_us : value;
    return typeof time === "number" && time >= MICROSECONDS_FROM ? time : undefined;
  } catch {
    return undefined;
  }
}
