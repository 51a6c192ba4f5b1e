/**
 * Streams of numbered frames of one host, or of several side by side, as a source.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { AnyEvent } from "../../atproto/event.ts";
import type { Batch } from "../../pipeline/batch.ts";
import { ConfigError, FatalError, messageOf } from "../../pipeline/errors.ts";
import { delay } from "../../pipeline/retry.ts";
import { batchStream, type Source, type SourceStats } from "../../pipeline/source.ts";
import { Beginning } from "./beginning.ts";
import { type HostReading, loadPosition, noStats, readSideBySide, statsOfAll } from "./hosts.ts";
import type { LivePlan } from "./options.ts";
import { type HostStats, noHostStats, type Protocol } from "./protocol.ts";
import { Session } from "./session.ts";

const log = getLogger(["bskyingest", "live"]);

/** With `dedupe`, a host that refused us for good is asked again after so long. */
const REFUSED_MS = 60_000;

/** Live figures of all hosts; those of {@link SourceStats} are sums, `connected`: all of them are. */
export interface LiveStats extends SourceStats {
  /** By host. */
  readonly hosts: Readonly<Record<string, Readonly<HostStats>>>;
}

/** A source of numbered frames. The position of each host has a key of its own. */
export interface LiveSource extends Source<AnyEvent> {
  /** Live figures. */
  readonly stats: LiveStats;
  /** The hosts that are read. */
  readonly hosts: readonly string[];
  /** Under which the position of each host is kept, in their order; the first one is also `key`. */
  readonly keys: readonly string[];
  /** Closes every connection and dials at once, at the positions. */
  reconnect(): void;
}

/** How {@link liveSource} treats commits that come by several hosts. */
export interface LiveSourceOptions {
  /** The first copy of each is kept. */
  readonly dedupe?: boolean;
  /** So many are remembered for that. */
  readonly dedupeWindow?: number;
}

/** Puts a source together. */
export function liveSource<M extends { readonly seq: number }>(
  protocol: Protocol<M>,
  plan: LivePlan,
  { dedupe = false, dedupeWindow = 500_000 }: LiveSourceOptions = {},
): LiveSource {
  const keys = plan.endpoints.map(({ host }) => `${plan.keyPrefix}${protocol.keyHead}${host}`);
  const own = keys[0]!;
  const hostStats = plan.endpoints.map(noHostStats);
  const sessions = new Set<Session<M>>();
  const readings: HostReading[] = plan.endpoints.map((endpoint, i) => {
    const key = keys[i]!, stats = noStats(), beginning = new Beginning();
    const isOtherHealthy = () => dedupe && readings.some((each) => each.stats !== stats && each.stats.connected);
    return {
      host: endpoint.host,
      key,
      stats,
      async *read(open, stop) {
        const load = () => loadPosition(key, own, open, { ...plan, stop });
        const context = { protocol, plan, endpoint, key, load, beginning, stats, hostStats: hostStats[i]!, stop };
        const session = new Session(context);
        sessions.add(session);
        try {
          yield* again(session, isOtherHealthy, stop);
        } finally {
          sessions.delete(session);
        }
      },
    };
  });
  const hosts = readings.map(({ host }) => host);
  const ofHosts = { hosts: Object.fromEntries(hosts.map((host, i) => [host, hostStats[i]!])) };
  return {
    key: own,
    keys,
    hosts,
    stats: Object.defineProperties(ofHosts, Object.getOwnPropertyDescriptors(statsOfAll(readings))) as LiveStats,
    open: (open = {}) =>
      batchStream(open.stop, (stop) => readSideBySide(readings, open, stop, dedupe ? dedupeWindow : undefined)),
    reconnect: () => sessions.forEach((session) => session.reconnect()),
  };
}

/** A host that fails for good while another one is healthy is tried again. */
async function* again(
  session: { batches(): AsyncGenerator<Batch<AnyEvent>, void> },
  isOtherHealthy: () => boolean,
  stop: AbortSignal,
): AsyncGenerator<Batch<AnyEvent>, void> {
  for (;;) {
    try {
      return yield* session.batches();
    } catch (error) {
      const mayHeal = error instanceof ConfigError || error instanceof FatalError;
      if (!mayHeal || stop.aborted || !isOtherHealthy()) throw error;
      log.error("{why}. The other hosts go on; trying again in {s} s", {
        why: messageOf(error),
        s: REFUSED_MS / 1000,
      });
      await delay(REFUSED_MS, stop).catch(() => {});
    }
  }
}
