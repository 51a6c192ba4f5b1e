/**
 * The repos that relays and PDSs host, as a source that comes to an end.
 *
 * @module
 */
import type { AnyEvent } from "../atproto/event.ts";
import { batchStream, type Source, type SourceStats } from "../pipeline/source.ts";
import { Lister } from "./list_repos/lister.ts";
import { makeListPlan } from "./list_repos/options.ts";
import type { ListReposOptions } from "./list_repos/options.ts";
import { Beginning } from "./live/beginning.ts";
import { type HostReading, loadPosition, noStats, readSideBySide, statsOfAll } from "./live/hosts.ts";

export type { ListReposOptions } from "./list_repos/options.ts";
export { DONE } from "./list_repos/done.ts";

/** Lists of repos. The position of each host has a key of its own. */
export interface ListReposSource extends Source<AnyEvent> {
  /** Sums over all hosts. */
  readonly stats: SourceStats;
  /** The hosts that are read. */
  readonly hosts: readonly string[];
  /** Under which the position of each host is kept, in their order; the first one is also `key`. */
  readonly keys: readonly string[];
}

/**
 * Every entry of `com.atproto.sync.listRepos`, from a position on: one page, one batch. Behind the last page the position is
 * {@link DONE}, and a later run asks for nothing.
 *
 * The position of each host is kept under `repo_backfill:cursor:<host>`, so that whoever opens the source with several hosts should
 * give it `load`.
 *
 * @throws {ConfigError} with every fault of the options.
 */
export function listRepos(options: ListReposOptions = {}): ListReposSource {
  const plan = makeListPlan(options);
  const keys = plan.endpoints.map(({ host }) => `${plan.keyPrefix}repo_backfill:cursor:${host}`);
  const own = keys[0]!;
  const readings: HostReading[] = plan.endpoints.map((endpoint, i) => {
    const key = keys[i]!, stats = noStats(), beginning = new Beginning();
    return {
      host: endpoint.host,
      key,
      stats,
      async *read(open, stop) {
        const saved = await loadPosition(key, own, open, { ...plan, stop });
        const load = open.load && (() => open.load!(key));
        const from = plan.restart && beginning.isAt(saved) ? undefined : saved;
        yield* new Lister({ plan, endpoint, key, load, stats, stop }, from).batches();
      },
    };
  });
  return {
    key: own,
    keys,
    hosts: readings.map(({ host }) => host),
    stats: statsOfAll(readings),
    open: (open = {}) => batchStream(open.stop, (stop) => readSideBySide(readings, open, stop)),
  };
}
