/**
 * Several hosts that are read side by side, each with a position of its own.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { type AnyEvent, dedupeKey } from "../../atproto/event.ts";
import type { Batch, Cursor } from "../../pipeline/batch.ts";
import { messageOf, TransientError } from "../../pipeline/errors.ts";
import { type Backoff, delay } from "../../pipeline/retry.ts";
import { batchStream, type OpenOptions, type SourceStats } from "../../pipeline/source.ts";
import { KeyWindow } from "../merge/key_window.ts";
import { mergeLanes } from "../merge/merge.ts";

const log = getLogger(["bskyingest", "live"]);

/** Events of the sink that are looked at for copies after a restart. */
const MOST_RECALLED = 50_000;

/** One host of a source. */
export interface HostReading {
  readonly host: string;
  /** Under which its position is kept. */
  readonly key: string;
  readonly stats: SourceStats;
  /** Its batches, all with its key. Before it fails, it hands on an urgent one. */
  read(open: OpenOptions<AnyEvent>, stop: AbortSignal): AsyncGenerator<Batch<AnyEvent>, void>;
}

/**
 * The batches of all hosts. The first one that fails ends all.
 *
 * @param dedupeWindow Keep the first copy of each commit only, and remember so many. Default: all pass.
 */
export async function* readSideBySide(
  readings: readonly HostReading[],
  open: OpenOptions<AnyEvent>,
  stop: AbortSignal,
  dedupeWindow?: number,
): AsyncGenerator<Batch<AnyEvent>, void> {
  const [first, ...others] = readings;
  if (others.length === 0) return yield* first!.read(open, stop);
  const window = new KeyWindow({ most: dedupeWindow ?? 0, spanUs: Infinity });
  if (dedupeWindow !== undefined && open.recall) {
    const { items } = await open.recall(0, Math.min(dedupeWindow, MOST_RECALLED));
    for (const event of items) if (event.kind === "commit") window.take(dedupeKey(event));
  }
  yield* mergeLanes<AnyEvent>({
    lanes: readings.map(({ host, key, read }) => ({
      host,
      key,
      reached: undefined,
      open: (ended) => batchStream(ended, (end) => read(open, end)),
    })),
    window,
    keyOf: (event) => dedupeWindow !== undefined && event.kind === "commit" ? dedupeKey(event) : undefined,
    timeOf: ({ time_us }) => time_us,
    // Copies are known by how many commits came since, not by time, so that no host waits for another.
    reachedBy: () => undefined,
    apart: dedupeWindow === undefined,
    failTogether: true,
    patienceMs: Infinity,
  }, stop);
}

/**
 * Reads the saved position of a key; that of the source's own key comes with the opening. A store that cannot be reached now says
 * nothing of where to begin, so that it is asked until it answers, or until `stop` aborts.
 */
export async function loadPosition(
  key: string,
  own: string,
  { cursor, load }: OpenOptions<AnyEvent>,
  { backoff, stop }: { readonly backoff: Backoff; readonly stop: AbortSignal },
): Promise<Cursor | undefined> {
  if (key === own) return cursor;
  for (let attempt = 0; !stop.aborted; attempt++) {
    try {
      return await load?.(key);
    } catch (error) {
      const ms = error instanceof TransientError ? backoff(attempt, error) : undefined;
      if (ms === undefined) throw error;
      log.warn("Cannot read the position {key}, trying again: {why}", { key, why: messageOf(error) });
      await delay(ms, stop).catch(() => {});
    }
  }
  return undefined;
}

/** Figures of one host, before it is read. */
export function noStats(): SourceStats {
  return { bytesReceived: 0, connections: 0, connected: false, ignored: 0, host: undefined };
}

/** Those of all hosts: sums, `connected`: all of them are. */
export function statsOfAll(readings: readonly Pick<HostReading, "host" | "stats">[]): SourceStats {
  const sum = (of: (stats: SourceStats) => number) => readings.reduce((n, { stats }) => n + of(stats), 0);
  return {
    get bytesReceived() {
      return sum(({ bytesReceived }) => bytesReceived);
    },
    get connections() {
      return sum(({ connections }) => connections);
    },
    get connected() {
      return readings.every(({ stats }) => stats.connected);
    },
    get ignored() {
      return sum(({ ignored }) => ignored);
    },
    host: readings.map(({ host }) => host).join(","),
  };
}
