/**
 * The kinds of documents that layout `classic` has. A kind is also the name of its alias.
 *
 * @module
 */

/** A kind of documents. */
export type Kind =
  | "likes"
  | "posts"
  | "post_tombstones"
  | "reposts"
  | "follows"
  | "blocks"
  | "records"
  | "accounts"
  | "identities"
  | "labels"
  | "repos";

/** All kinds, in the order in which they are listed to users. */
export const KINDS: readonly Kind[] = [
  "likes",
  "posts",
  "post_tombstones",
  "reposts",
  "follows",
  "blocks",
  "records",
  "accounts",
  "identities",
  "labels",
  "repos",
];

/**
 * Kinds that are written only where they are named: Jetstream v1 sends everybody's account and identity events, whatever
 * was asked for.
 */
export const ASKED_FOR_ONLY: readonly Kind[] = ["accounts", "identities"];

/** Collections with documents of their own; every other one goes to `records`. */
const COLLECTIONS: ReadonlyMap<string, Kind> = new Map([
  ["app.bsky.feed.like", "likes"],
  ["app.bsky.feed.post", "posts"],
  ["app.bsky.feed.repost", "reposts"],
  ["app.bsky.graph.follow", "follows"],
  ["app.bsky.graph.block", "blocks"],
]);

/** The kind that records of a collection (an NSID) become. */
export function kindOfCollection(collection: string): Kind {
  return COLLECTIONS.get(collection) ?? "records";
}

/**
 * Whether documents of a kind are wanted.
 *
 * @param documents What `--documents` names; undefined: all but {@link ASKED_FOR_ONLY}. `posts` brings the tombstones along,
 * because a deleted post that left none could come back.
 */
export function isWanted(kind: Kind, documents: readonly Kind[] | undefined): boolean {
  if (documents === undefined) return !ASKED_FOR_ONLY.includes(kind);
  return documents.includes(kind) || (kind === "post_tombstones" && documents.includes("posts"));
}

/**
 * The kinds that events of these collections become, `posts` with its tombstones, and those of accounts and identities where
 * they are asked for: `records` stands for every collection without a kind of its own.
 *
 * @param patterns NSIDs, `x.y.*`, or `all` alone.
 */
export function kindsOfCollections(patterns: readonly string[]): readonly Kind[] {
  const all = patterns.includes("all");
  const matches = (pattern: string, collection: string) =>
    pattern === collection || (pattern.endsWith(".*") && collection.startsWith(pattern.slice(0, -1)));
  const kinds = new Set<Kind>();
  for (const [collection, kind] of COLLECTIONS) {
    if (all || patterns.some((pattern) => matches(pattern, collection))) kinds.add(kind);
  }
  if (all || patterns.some((pattern) => !COLLECTIONS.has(pattern))) kinds.add("records");
  if (kinds.has("posts")) kinds.add("post_tombstones");
  return KINDS.filter((kind) => kinds.has(kind));
}
