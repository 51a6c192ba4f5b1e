/**
 * What a Jetstream subscription asks for.
 *
 * @module
 */
import type { AtEvent, Kind } from "../../atproto/event.ts";

/** Absent members match everything. */
export interface Filter {
  readonly kinds: ReadonlySet<Kind>;
  /** NSIDs, and wildcards such as `app.bsky.feed.*`; restricts commits only. */
  readonly collections: readonly string[] | undefined;
  /** Restricts every kind. */
  readonly dids: readonly string[] | undefined;
}

/**
 * The same filter as the server's, for what it cannot filter (v1 has no kinds, and after `options_update` events of the old
 * filter may follow), so that every wire yields the same events.
 */
export function matcher({ kinds, collections, dids }: Filter): (event: AtEvent) => boolean {
  const accounts = dids && new Set(dids);
  const inCollections = collections && collectionMatcher(collections);
  return (event) => {
    if (!kinds.has(event.kind)) return false;
    if (accounts && !accounts.has(event.did)) return false;
    return event.kind !== "commit" || inCollections === undefined || inCollections(event.commit.collection);
  };
}

/** `x.y.*` keeps its last dot: `app.bsky.feed.*` matches `app.bsky.feed.post`, not `app.bsky.feedx.y`. */
export function collectionMatcher(patterns: readonly string[]): (collection: string) => boolean {
  const exact = new Set(patterns.filter((p) => !p.endsWith(".*")));
  const heads = patterns.filter((p) => p.endsWith(".*")).map((p) => p.slice(0, -1));
  return (collection) => exact.has(collection) || heads.some((head) => collection.startsWith(head));
}

/** Whether events must come all the time, because everybody's identity or account events do. */
export function isBusy({ kinds, dids }: Filter, wire: "v1" | "v2"): boolean {
  return dids === undefined && (wire === "v1" || kinds.has("identity") || kinds.has("account"));
}
