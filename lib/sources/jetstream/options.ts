/**
 * The options of the Jetstream source, and what they come to once everything is checked.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { type Kind, KINDS } from "../../atproto/event.ts";
import { idOfDictionary } from "../../net/zstd/dictionary.ts";
import { ConfigError, messageOf } from "../../pipeline/errors.ts";
import type { Backoff } from "../../pipeline/retry.ts";
import type { TapEntry } from "../tap.ts";
import { collectionFaults, didFaults, kindFaults } from "../wanted_faults.ts";
import { type Dictionary, suits } from "./dictionary_cache.ts";
import type { Filter } from "./filter.ts";
import { type Query, readQuery, unique } from "./query.ts";
import { DEFAULT_INSTANCES, type Endpoint, endpointOf, MICROSECONDS_FROM, MOST_DIDS_IN_URL, type Wire } from "./url.ts";

const log = getLogger(["bskyingest", "jetstream"]);

/** The most that a server accepts. */
const MOST_COLLECTIONS = 100, MOST_DIDS = 10_000, MOST_MESSAGE_BYTES = 2 ** 32 - 1;

/** Options of {@link jetstream}. All are checked together, before the first connection. */
export interface JetstreamOptions {
  /** A subscribe URL; filter parameters in its query count as options. Default: the public servers. */
  readonly url?: string;
  /** Hosts in the order of fail-over, each `host`, `host:port` or with `ws://` or `wss://` in front. */
  readonly instances?: readonly string[];
  /** Version of the protocol; `auto`: by path, host name, or asking the server. @default {"auto"} */
  readonly wire?: "auto" | Wire;
  /** NSIDs and wildcards (`app.bsky.feed.*`), or `all` alone. Default: what the URL names, else `defaultCollections`. */
  readonly collections?: readonly string[];
  /** The same where neither `collections` nor the URL names any. @default {["app.bsky.feed.like"]} */
  readonly defaultCollections?: readonly string[];
  /** Accounts; default: everybody's events. */
  readonly dids?: readonly string[];
  /** `sync` comes on the v2 wire only. @default {["commit", "identity", "account"]} */
  readonly kinds?: readonly string[];
  /** What the server is to leave out, in bytes; 0 = nothing. @default {0} */
  readonly maxMessageBytes?: number;
  /** What is accepted, in bytes, as it comes and decompressed. @default {33554432} */
  readonly maxFrameBytes?: number;
  /** Ask servers to compress (zstd). Where no dictionary is to be had, it is a warning, and goes without. @default {false} */
  readonly compress?: boolean;
  /** Contents of a zstd dictionary, for the wire that it suits. Default: from the folder, the server, the public repository. */
  readonly dictionary?: Uint8Array;
  /** Where dictionaries are kept for the next run. Default: nowhere. */
  readonly dictionaryFolder?: string;
  /** What dictionaries are fetched with. @default {fetch} */
  readonly fetch?: typeof fetch;
  /** Milliseconds without a sign of life; 0 = never. @default {30000} */
  readonly idleTimeoutMs?: number;
  /** How far a resume by time goes back, in milliseconds. @default {5000} */
  readonly overlapMs?: number;
  /** Where to begin: microseconds since 1970, or a sequence number of the one host that is given. */
  readonly cursor?: number;
  /** Where to begin, in microseconds since 1970. */
  readonly start?: number;
  /** Where to end, in microseconds since 1970: events of that time or later are not delivered. */
  readonly end?: number;
  /** Begin live although there is a saved position. @default {false} */
  readonly noRewind?: boolean;
  /** The furthest that a saved position may reach back, in minutes; 0 = any. @default {0} */
  readonly maxRewindMinutes?: number;
  /** Where a host has left out events, go on at the one of the list that begins earliest. @default {false} */
  readonly healGaps?: boolean;
  /** Under which the position is saved. @default {"jetstream"} */
  readonly key?: string;
  /** Stands for the (only) host in positions and events, for a server whose port changes. */
  readonly alias?: string;
  /** The local clock, in milliseconds. @default {Date.now} */
  readonly now?: () => number;
  /** Shown everything that comes, before it is decoded. */
  readonly tap?: (entry: TapEntry) => void;
  /** When to dial again. Default: full jitter, for ever. */
  readonly backoff?: Backoff;
}

/** Options that were checked. */
export interface Plan {
  readonly key: string;
  readonly endpoints: readonly Endpoint[];
  readonly wire: "auto" | Wire;
  readonly filter: Filter;
  readonly maxMessageBytes: number;
  readonly maxFrameBytes: number;
  readonly compress: boolean;
  /** The user's own. */
  readonly dictionary: Dictionary | undefined;
  /** The one that the URL names. */
  readonly dictionaryId: number | undefined;
  readonly idleTimeoutMs: number;
  readonly overlapUs: number;
  /** Where the user said to begin: a sequence number or microseconds. */
  readonly begin: number | undefined;
  readonly endUs: number | undefined;
  readonly noRewind: boolean;
  readonly maxRewindUs: number;
  readonly healGaps: boolean;
}

/**
 * Checks everything and puts it together.
 *
 * @throws {ConfigError} with every fault that was found.
 */
export function makePlan(options: JetstreamOptions): Plan {
  const faults: string[] = [];
  const query = queryOf(options, faults);
  const endpoints = endpointsOf(options, faults);
  const kinds = kindsOf(options.kinds ?? query?.kinds, faults);
  const named = options.collections ?? query?.collections;
  const collections = collectionsOf(named, kinds, faults, options.defaultCollections);
  const dids = unique(options.dids ?? query?.dids ?? []);
  faults.push(...didFaults(dids));
  if (dids.length > MOST_DIDS) faults.push(`Cannot use ${dids.length} DIDs: a server accepts at most ${MOST_DIDS}`);
  const wire = options.wire ?? "auto";
  checkHeads(collections, wire, endpoints, faults);
  const wires = endpoints.map((e) => wire !== "auto" ? wire : dids.length > MOST_DIDS_IN_URL ? "v1" : e.wire);
  const dictionary = dictionaryOf(options.dictionary, wires, faults);
  const begin = beginOf(options, query?.cursor, endpoints, faults);
  const maxMessageBytes = options.maxMessageBytes ?? query?.maxMessageBytes ?? 0;
  if (!Number.isInteger(maxMessageBytes) || maxMessageBytes < 0 || maxMessageBytes > MOST_MESSAGE_BYTES) {
    faults.push(
      `Cannot use a message limit of ${maxMessageBytes}: it must be an integer from 0 to ${MOST_MESSAGE_BYTES}`,
    );
  }
  if (wire === "v1" && kinds.has("sync")) log.warn("The v1 wire has no sync events: --kinds sync will match nothing");
  const [first, ...others] = faults;
  if (first !== undefined) throw new ConfigError([first, ...others]);
  return {
    key: options.key ?? "jetstream",
    endpoints,
    wire,
    filter: { kinds, collections, dids: dids.length > 0 ? dids : undefined },
    maxMessageBytes,
    maxFrameBytes: options.maxFrameBytes ?? 32 * 1024 * 1024,
    compress: options.compress ?? query?.compress ?? false,
    dictionary,
    dictionaryId: query?.dictionaryId,
    idleTimeoutMs: options.idleTimeoutMs ?? 30_000,
    overlapUs: (options.overlapMs ?? 5000) * 1000,
    begin,
    endUs: options.end,
    noRewind: options.noRewind ?? false,
    maxRewindUs: (options.maxRewindMinutes ?? 0) * 60_000_000,
    healGaps: options.healGaps ?? false,
  };
}

/** What the query of the URL asks for, where no option says otherwise. */
function queryOf(options: JetstreamOptions, faults: string[]): Query | undefined {
  if (options.url === undefined || !URL.canParse(options.url)) return undefined;
  const query = readQuery(options.url, faults);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && options[name as keyof JetstreamOptions] !== undefined) {
      log.warn("The URL's {name} is not used: an option says otherwise", { name });
    }
  }
  return query;
}

function endpointsOf(options: JetstreamOptions, faults: string[]): Endpoint[] {
  const { url, instances = [], alias } = options;
  if (url !== undefined && instances.length > 0) {
    faults.push("Cannot use a URL and instances together: one of them says where to read");
  }
  const named = url !== undefined ? [url] : instances.length > 0 ? unique(instances) : DEFAULT_INSTANCES;
  return named.flatMap((text) => {
    try {
      return [endpointOf(text, alias)];
    } catch (error) {
      const why = error instanceof TypeError && /begin with/.test(error.message)
        ? error.message
        : "it is no host or URL";
      faults.push(`Cannot use server "${text}": ${why}`);
      return [];
    }
  });
}

function kindsOf(list: readonly string[] | undefined, faults: string[]): ReadonlySet<Kind> {
  const kinds = unique(list ?? ["commit", "identity", "account"]);
  faults.push(...kindFaults(kinds));
  return new Set(KINDS.filter((kind) => kinds.includes(kind)));
}

function collectionsOf(
  list: readonly string[] | undefined,
  kinds: ReadonlySet<Kind>,
  faults: string[],
  fallback: readonly string[] = ["app.bsky.feed.like"],
): readonly string[] | undefined {
  if (!kinds.has("commit")) {
    if (list !== undefined) faults.push("Cannot filter by collection: the wanted kinds have no commit");
    return undefined;
  }
  const collections = unique(list ?? fallback);
  faults.push(...collectionFaults(collections));
  if (collections.includes("all")) return undefined;
  if (collections.length > MOST_COLLECTIONS) {
    faults.push(`Cannot use ${collections.length} collections: a server accepts at most ${MOST_COLLECTIONS}`);
  }
  return collections.length > 0 ? collections : undefined;
}

/** The v2 wire refuses wildcards whose head has one segment. */
function checkHeads(
  collections: readonly string[] | undefined,
  wire: "auto" | Wire,
  endpoints: readonly Endpoint[],
  faults: string[],
): void {
  if (endpoints.every((e) => (wire === "auto" ? e.wire : wire) === "v1")) return;
  for (const each of collections ?? []) {
    if (/^[^.]+\.\*$/.test(each)) {
      faults.push(`Cannot use collection "${each}": the v2 wire wants two segments or more before ".*"`);
    }
  }
}

/** @param wires Of each host, as far as they are known. */
function dictionaryOf(
  bytes: Uint8Array | undefined,
  wires: readonly (Wire | undefined)[],
  faults: string[],
): Dictionary | undefined {
  if (bytes === undefined) return undefined;
  const id = idOfDictionary(bytes);
  if (id === undefined) {
    faults.push("Cannot use the zstd dictionary: it is none, as it does not begin with 37 A4 30 EC");
    return undefined;
  }
  if (wires.length > 0 && wires.every((wire) => wire !== undefined && !suits(id, wire))) {
    faults.push(`Cannot use the zstd dictionary ${id}: it does not suit the ${wires[0]} wire`);
  }
  return { id, bytes };
}

function beginOf(
  { cursor, start, end, now = Date.now }: JetstreamOptions,
  fromUrl: number | undefined,
  endpoints: readonly Endpoint[],
  faults: string[],
): number | undefined {
  const given = cursor ?? fromUrl;
  if (given !== undefined && (!Number.isSafeInteger(given) || given < 0)) {
    faults.push(`Cannot use cursor ${given}: it must be an integer from 0 on`);
  }
  if (given !== undefined && given > 0 && given < MICROSECONDS_FROM && endpoints.length > 1) {
    faults.push(`Cannot use cursor ${given} with several hosts: a sequence number belongs to one host`);
  }
  if (given !== undefined && start !== undefined) {
    faults.push("Cannot use a cursor and a start time together: one of them says where to begin");
  }
  if (start !== undefined && start > now() * 1000 + 60_000_000) {
    faults.push(`Cannot start at ${textOfTime(start)}: it lies in the future`);
  }
  if (start !== undefined && end !== undefined && end <= start) {
    faults.push(`Cannot end at ${textOfTime(end)}: it must come after the start`);
  }
  // Times below that would be taken for sequence numbers; the network is younger, so they mean the oldest event.
  return given ?? (start !== undefined && start < MICROSECONDS_FROM ? 0 : start);
}

function textOfTime(us: number): string {
  try {
    return new Date(us / 1000).toISOString();
  } catch (error) {
    return messageOf(error);
  }
}
