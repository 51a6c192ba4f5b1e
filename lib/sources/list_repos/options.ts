/**
 * The options of lists of repos, and what they come to once everything is checked.
 *
 * @module
 */
import { ConfigError } from "../../pipeline/errors.ts";
import { type Backoff, fullJitter } from "../../pipeline/retry.ts";
import { type Endpoint, readHosts } from "../live/endpoint.ts";

/** Options of {@link listRepos}. All are checked together, before the first request. */
export interface ListReposOptions {
  /** Relays and PDSs, read side by side, each `host` or `host:port`; `http://` in front: unencrypted. @default {["bsky.network"]} */
  readonly hosts?: readonly string[];
  /** Entries of a page, 1 to 1,000. @default {1000} */
  readonly pageSize?: number;
  /** Begin anew whatever is saved. @default {false} */
  readonly restart?: boolean;
  /** Leave out an entry for which a server answers with 5xx again and again, with a gap. @default {false} */
  readonly skipBadPages?: boolean;
  /** Do not end behind the last page: look after so many milliseconds whether somebody has reset the position. Default: end. */
  readonly recheckMs?: number;
  /** How long an answer may take, in milliseconds. @default {30000} */
  readonly timeoutMs?: number;
  /** Put before the keys under which positions are saved. Default: nothing. */
  readonly keyPrefix?: string;
  /** Stands for the only host in positions and events, for a server whose port changes. */
  readonly alias?: string;
  /** The local clock, in milliseconds. @default {Date.now} */
  readonly now?: () => number;
  /** What pages are asked for with. @default {fetch} */
  readonly fetch?: typeof fetch;
  /** When to ask again. Default: full jitter, for ever. */
  readonly backoff?: Backoff;
}

/** Options that were checked. */
export interface ListPlan extends Required<Omit<ListReposOptions, "hosts" | "alias" | "recheckMs">> {
  readonly endpoints: readonly Endpoint[];
  readonly recheckMs: number | undefined;
}

/**
 * Checks everything and puts it together.
 *
 * @throws {ConfigError} with every fault that was found.
 */
export function makeListPlan(options: ListReposOptions): ListPlan {
  const faults: string[] = [];
  const endpoints = readHosts(options.hosts ?? ["bsky.network"], options.alias, faults);
  const { pageSize = 1000, recheckMs } = options;
  if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > 1000) {
    faults.push(`Cannot use a page size of ${pageSize}: it must be an integer from 1 to 1000`);
  }
  const [first, ...others] = faults;
  if (first !== undefined) throw new ConfigError([first, ...others]);
  return {
    restart: false,
    skipBadPages: false,
    timeoutMs: 30_000,
    keyPrefix: "",
    now: Date.now,
    fetch: globalThis.fetch,
    backoff: fullJitter(),
    ...options,
    pageSize,
    recheckMs,
    endpoints,
  };
}
