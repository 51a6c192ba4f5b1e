/**
 * Whether `--compress` would find the dictionary that it needs.
 *
 * @module
 */
import { V1_DICTIONARY_ID } from "../../lib/net/zstd/ids.ts";
import { Dictionaries } from "../../lib/sources/jetstream/dictionaries.ts";
import { type Dictionary, newestCached, readCached, suits } from "../../lib/sources/jetstream/dictionary_cache.ts";
import type { Plan } from "../../lib/sources/jetstream/options.ts";
import type { Endpoint, Wire } from "../../lib/sources/jetstream/url.ts";
import { CHECK_MS, type Finding, ok, skip, warn } from "./check.ts";
import type { Host } from "./hosts.ts";

/** How long is looked for one. */
const SEARCH_MS = CHECK_MS - 1000;

/** Looks for the dictionary of the first server that works; one that has to be fetched is not kept. */
export async function checkDictionary(plan: Plan, hosts: readonly Host[], cache: string): Promise<Finding> {
  if (!plan.compress) return skip("compression is not asked for");
  const signal = AbortSignal.timeout(SEARCH_MS);
  for (const { endpoint, handshake } of hosts) {
    const { opened, wire } = await handshake;
    if (!opened) continue;
    const where = `the ${wire} wire of ${endpoint.host}`;
    const found = await findDictionary(plan, endpoint, wire, { cache, signal });
    if (found) return ok(`${found.id} for ${where}`);
    return warn(`none to be had for ${where}: a run would go on uncompressed`, "Name a file: --zstd-dictionary FILE");
  }
  return skip("no server works");
}

/** The user's own, what an earlier run kept, or what is handed out. */
async function findDictionary(
  { dictionary }: Plan,
  endpoint: Endpoint,
  wire: Wire,
  { cache, signal }: { readonly cache: string; readonly signal: AbortSignal },
): Promise<Dictionary | undefined> {
  if (dictionary && suits(dictionary.id, wire)) return dictionary;
  const dictionaries = new Dictionaries({ given: undefined, folder: undefined, fetch, now: Date.now });
  const search = { signal, otherwise: "Looking in the cache folder" };
  if (wire === "v2") return await dictionaries.current(endpoint, search) ?? await newestCached(cache);
  return await readCached(cache, V1_DICTIONARY_ID) ??
    await dictionaries.ofV1({ signal, otherwise: "A run would read uncompressed" });
}
