/**
 * Jetstream's subscribe URLs.
 *
 * @module
 */
import { KINDS } from "../../atproto/event.ts";
import type { Filter } from "./filter.ts";

/** The two wires of Jetstream. */
export type Wire = "v1" | "v2";

/** The path of the v2 wire below a host. */
export const V2_PATH = "/xrpc/network.bsky.jetstream.subscribeEvents";
const DICTIONARY_METHOD = "network.bsky.jetstream.getZstdDictionary";

/** From here on an integer cursor means microseconds; below, a sequence number. */
export const MICROSECONDS_FROM = 1e15;

/** DIDs that fit into a URL; more go into an `options_update`. */
export const MOST_DIDS_IN_URL = 100;

/** A server to subscribe to. */
export interface Endpoint {
  /** Names the host in positions, events and messages: host, with its port if that is unusual. */
  readonly host: string;
  readonly v1: string;
  readonly v2: string;
  /** Parameters that are passed through as given. */
  readonly extra: readonly (readonly [string, string])[];
  /** The wire that the path or the host's name tells; else the server is asked. */
  readonly wire: Wire | undefined;
}

/** The public servers, and the best wire of each. */
const PUBLIC: Readonly<Record<string, Wire>> = {
  "jetstream.us-west.bsky.network": "v2",
  "jetstream.us-east.bsky.network": "v2",
  "jetstream1.us-west.bsky.network": "v1",
  "jetstream2.us-west.bsky.network": "v1",
  "jetstream1.us-east.bsky.network": "v1",
  "jetstream2.us-east.bsky.network": "v1",
};

/** Where to go when nothing was named, in this order. */
export const DEFAULT_INSTANCES: readonly string[] = [
  "jetstream2.us-east.bsky.network",
  "jetstream1.us-west.bsky.network",
  "jetstream.us-east.bsky.network",
  "jetstream.us-west.bsky.network",
];

/** Parameters of a `--url` that count as options; unknown ones pass through. */
const OWN_PARAMETERS = new Set([
  ...["wantedCollections", "collections", "wantedDids", "dids", "kinds", "maxMessageSizeBytes", "cursor"],
  ...["requireHello", "compress", "zstdDictionary"],
]);

/**
 * The endpoint of a host (`h`, `h:1234`, `ws://h:1234`) or of a whole subscribe URL.
 *
 * @throws {TypeError} where the text is neither.
 */
export function endpointOf(text: string, alias?: string): Endpoint {
  const url = new URL(/^[a-z]+:\/\//i.test(text) ? text : `wss://${text}`);
  if (url.protocol !== "ws:" && url.protocol !== "wss:") throw new TypeError("it must begin with ws:// or wss://");
  const credentials = url.username ? `${url.username}${url.password && `:${url.password}`}@` : "";
  const base = `${url.protocol}//${credentials}${url.host}`;
  const path = url.pathname.replace(/\/+$/, "");
  const prefix = path.replace(/\/(subscribe|xrpc\/network\.bsky\.jetstream\.subscribeEvents)$/, "");
  const isV2 = path.endsWith("subscribeEvents"), isV1 = path.endsWith("/subscribe");
  const other = path !== "" && !isV1 && !isV2;
  return {
    host: alias ?? url.host,
    v1: `${base}${other ? path : `${prefix}/subscribe`}`,
    v2: `${base}${isV2 ? path : `${other ? "" : prefix}${V2_PATH}`}`,
    extra: [...url.searchParams].filter(([name]) => !OWN_PARAMETERS.has(name)),
    wire: isV1 || other ? "v1" : isV2 ? "v2" : PUBLIC[url.host],
  };
}

/** Where a server hands out the dictionary of an id, or the one that it uses now. */
export function dictionaryUrl({ v2 }: Endpoint, id?: number): string {
  const url = new URL(v2.replace(/^ws/, "http"));
  url.pathname = url.pathname.replace(/[^/]*$/, DICTIONARY_METHOD);
  if (id !== undefined) url.searchParams.set("id", String(id));
  return url.href;
}

/** What one connection asks for. */
export interface Request {
  readonly wire: Wire;
  readonly filter: Filter;
  /** A sequence number, or microseconds; undefined: live. */
  readonly cursor: number | undefined;
  /** 0 = no limit. */
  readonly maxMessageBytes: number;
  /** The id of the dictionary to compress with; undefined: uncompressed. */
  readonly zstdDictionary?: number | undefined;
}

/** Whether the filter is too long for a v1 URL and must follow in an `options_update`. */
export function needsHello({ wire, filter }: Request): boolean {
  return wire === "v1" && (filter.dids?.length ?? 0) > MOST_DIDS_IN_URL;
}

/** The URL of a request, everything percent-encoded. */
export function buildUrl(endpoint: Endpoint, request: Request): string {
  const url = new URL(endpoint[request.wire]);
  const { filter, cursor, maxMessageBytes, zstdDictionary } = request;
  const add = (name: string, values: readonly (string | number)[] = []) => {
    for (const value of values) url.searchParams.append(name, String(value));
  };
  const v1 = request.wire === "v1", hello = needsHello(request);
  if (!v1 && KINDS.some((kind) => !filter.kinds.has(kind))) add("kinds", [...filter.kinds]);
  if (!hello && filter.kinds.has("commit")) add(v1 ? "wantedCollections" : "collections", filter.collections);
  if (cursor !== undefined) add("cursor", [cursor]);
  if (!hello) add(v1 ? "wantedDids" : "dids", filter.dids);
  if (maxMessageBytes > 0) add("maxMessageSizeBytes", [maxMessageBytes]);
  if (zstdDictionary !== undefined) add(v1 ? "compress" : "zstdDictionary", [v1 ? "true" : zstdDictionary]);
  if (hello) add("requireHello", ["true"]);
  for (const [name, value] of endpoint.extra) url.searchParams.append(name, value);
  return url.href;
}

/** The message that carries a filter which does not fit into the URL. */
export function optionsUpdate({ filter, maxMessageBytes }: Request): string {
  return JSON.stringify({
    type: "options_update",
    payload: {
      wantedCollections: filter.collections ?? [],
      wantedDids: filter.dids ?? [],
      maxMessageSizeBytes: maxMessageBytes,
    },
  });
}
