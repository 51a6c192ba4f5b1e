/**
 * What a subscriber asked for: checked and worded as the servers do it (golden answers of the 2026 server; the 2024 server's
 * from its code).
 *
 * @module
 */
import type { Wants, Wire } from "./store.ts";

/** A subscriber's filter. */
export interface Filter {
  /** `undefined`: everything. */
  readonly wants: Wants | undefined;
  /** Bytes of a whole message, before compression on new servers, as it is sent by legacy ones; 0: no limit. */
  readonly maxBytes: number;
}

/** A filter that the server refuses. */
export class FilterError extends Error {
  override readonly name = "FilterError";
}

/** A v1 filter as it comes from a query, or from an `options_update`. */
export interface V1Filter {
  readonly collections: readonly string[];
  readonly dids: readonly string[];
  readonly maxBytes: number;
}

const MAX_COLLECTIONS = 100, MAX_DIDS = 10_000, MAX_UINT32 = 4_294_967_295;
const INVALID = "subscribe: invalid options";
const KINDS = ["commit", "identity", "account", "sync"];
/** https://atproto.com/specs/nsid, https://atproto.com/specs/did */
const NSID =
  /^[a-zA-Z]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)+\.[a-zA-Z][a-zA-Z0-9]{0,62}$/;
const DID = /^did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]$/;

const isNsid = (text: string) => text.length <= 317 && NSID.test(text);
const isDid = (text: string) => text.length <= 2048 && DID.test(text);

/** The filter of a v1 subscriber. A new server counts what is left without duplicates, a legacy one what was sent. */
export function v1Filter(filter: V1Filter, wire: Wire): Filter {
  const { collections, dids, maxBytes } = filter;
  const fresh = wire !== "legacy";
  const fail = (why: string) => new FilterError(`${fresh ? INVALID : "invalid subscriber options"}${why}`);
  const wrong = collections.find((c) => !c.endsWith(".*") && !isNsid(c));
  if (wrong !== undefined) throw fail(`: invalid collection: ${wrong}`);
  const count = fresh ? new Set(collections).size : collections.length;
  if (count > MAX_COLLECTIONS) throw fail(`: too many wanted collections${fresh ? `: > ${MAX_COLLECTIONS}` : ""}`);
  const wrongDid = dids.find((did) => !isDid(did));
  if (wrongDid !== undefined) throw fail(fresh ? `: invalid DID: ${wrongDid}` : "");
  const didCount = fresh ? new Set(dids).size : dids.length;
  if (didCount > MAX_DIDS) throw fail(`: too many wanted DIDs${fresh ? `: ${didCount} > ${MAX_DIDS}` : ""}`);
  return { wants: toWants([], dids, collections), maxBytes };
}

/** A v1 size limit: whatever cannot be one is none. */
export function v1Limit(text: string): number {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : 0;
  return value > 0 && value <= MAX_UINT32 ? value : 0;
}

/** The filter of a v2 subscriber: everything is counted as sent, and nothing is overlooked. */
export function v2Filter(query: URLSearchParams): Filter {
  const fail = (why: string) => new FilterError(`${INVALID}: ${why}`);
  for (const [old, now] of [["wantedDids", "dids"], ["wantedCollections", "collections"]] as const) {
    if (query.has(old)) throw fail(`${old} is the legacy /subscribe parameter; use ${now}`);
  }
  if (query.has("requireHello")) {
    throw fail(
      "requireHello is not supported on this endpoint; it is server-push only (subscriber-sourced messages were removed)",
    );
  }
  const kinds = query.getAll("kinds"), dids = query.getAll("dids"), collections = query.getAll("collections");
  for (
    const [name, list, most] of [["kinds", kinds, 4], ["dids", dids, MAX_DIDS], [
      "collections",
      collections,
      MAX_COLLECTIONS,
    ]] as const
  ) {
    if (list.length > most) throw fail(`too many ${name} values: ${list.length} > ${most}`);
  }
  const kind = kinds.find((k) => !KINDS.includes(k));
  if (kind !== undefined) throw fail(`unknown kind ${JSON.stringify(kind)} (valid: ${KINDS.join(", ")})`);
  const did = dids.find((d) => !isDid(d));
  if (did !== undefined) throw fail(`invalid DID: ${did}`);
  const wildcard = collections.find((c) => c.endsWith(".*") && !isNsid(`${c.slice(0, -2)}.x`));
  if (wildcard !== undefined) throw fail(`invalid collection wildcard: ${wildcard}`);
  const collection = collections.find((c) => !c.endsWith(".*") && !isNsid(c));
  if (collection !== undefined) throw fail(`invalid collection: ${collection}`);
  if (collections.length > 0 && kinds.length > 0 && !kinds.includes("commit")) {
    throw fail("collections filter can never apply: kinds excludes commit");
  }
  return { wants: toWants(kinds, dids, collections), maxBytes: v2Limit(query.getAll("maxMessageSizeBytes"), fail) };
}

function v2Limit(values: readonly string[], fail: (why: string) => FilterError): number {
  const [value] = values;
  if (value === undefined) return 0;
  if (values.length > 1 || value === "") throw fail("maxMessageSizeBytes must be one unsigned 32-bit integer");
  if (!/^\d+$/.test(value) || Number(value) > MAX_UINT32) {
    throw fail(`invalid maxMessageSizeBytes ${JSON.stringify(value)}`);
  }
  return Number(value);
}

/** An empty list is no restriction; collections restrict commits only; `x.y.*` keeps its last dot. */
function toWants(kinds: readonly string[], dids: readonly string[], collections: readonly string[]): Wants | undefined {
  if (kinds.length + dids.length + collections.length === 0) return undefined;
  const wantedDids = new Set(dids), exact = new Set(collections);
  const heads = collections.filter((c) => c.endsWith(".*")).map((c) => c.slice(0, -1));
  return (kind, did, collection) => {
    if (kinds.length > 0 && !kinds.includes(kind)) return false;
    if (wantedDids.size > 0 && !wantedDids.has(did)) return false;
    return exact.size === 0 || kind !== "commit" || exact.has(collection) ||
      heads.some((h) => collection.startsWith(h));
  };
}
