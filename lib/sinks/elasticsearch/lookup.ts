/**
 * Questions that a batch asks before and after its bulks.
 *
 * @module
 */
import { TransientError } from "../../pipeline/errors.ts";
import type { Write } from "../../transforms/elasticsearch/writes.ts";
import type { Line } from "./body.ts";
import { describeError, errorOf, memberOf } from "./classify.ts";
import type { Requester } from "./requests.ts";
import type { ReadyTarget } from "./targets.ts";

/** Documents that one request may ask for. */
const MOST_IDS = 1000;
const READ = "read (--check-tombstones never does without, for streams whose deletes come after their creates)";

/**
 * Finds out which posts were deleted by something as new as they are or newer: their tombstones say so. Elasticsearch itself
 * remembers the version of a deleted document only for a while, and not over a restart.
 *
 * @param posts Lines that write posts.
 * @param tombstones Where the tombstones are. An alias of several indices cannot be asked for a document: each is.
 */
export async function findDeleted(
  posts: readonly Line[],
  tombstones: ReadyTarget,
  requests: Requester,
  signal: AbortSignal,
): Promise<ReadonlySet<Line>> {
  const what = `Cannot ask for tombstones in ${tombstones.alias}`;
  const deleted = new Set<Line>();
  const asked = posts.flatMap((line) => tombstones.members.map((index) => ({ line, index })));
  for (const some of chunks(asked)) {
    const answer = await requests.ask({
      path: "/_mget",
      querystring: { filter_path: "docs._id,docs.found,docs._version,docs.error.type,docs.error.reason" },
      json: { docs: some.map(({ line, index }) => ({ _index: index, _id: line.write.id, _source: false })) },
      what,
      privilege: READ,
      signal,
    });
    const docs = memberOf(answer, "docs");
    if (!Array.isArray(docs) || docs.length !== some.length) {
      throw new TransientError(`${what}: the answer makes no sense`);
    }
    some.forEach(({ line }, i) => {
      const error = errorOf(docs[i]);
      if (error.type !== "" && error.type !== "index_not_found_exception") {
        throw new TransientError(`${what}: ${describeError(error, 500)}`);
      }
      if (isAsNew(docs[i], line.write)) deleted.add(line);
    });
  }
  return deleted;
}

/** Versions come as JSON numbers, which are exact here: they are multiples of 256, below 2^61. */
function isAsNew(doc: unknown, { version }: Write): boolean {
  return memberOf(doc, "found") === true && Number(memberOf(doc, "_version")) >= Number(version);
}

/**
 * Finds copies of deleted documents in the other indices of their alias, which writes never name: somebody else made them, or an
 * earlier write index.
 *
 * @param deletes Lines that were deleted from the write index of `target`.
 */
export async function findCopies(
  deletes: readonly Line[],
  target: ReadyTarget,
  requests: Requester,
  signal: AbortSignal,
): Promise<Line[]> {
  const lines = new Map(deletes.map((line) => [line.write.id, line]));
  const copies: Line[] = [];
  for (const index of target.members.slice(1)) {
    for (const ids of chunks([...lines.keys()])) {
      const answer = await requests.ask({
        path: `/${encodeURIComponent(index)}/_search`,
        querystring: { filter_path: "hits.hits._index,hits.hits._id,hits.hits._routing" },
        json: { query: { ids: { values: ids } }, _source: false, size: ids.length, track_total_hits: false },
        what: `Cannot look for copies in ${index}`,
        privilege: "read",
        signal,
      });
      for (const hit of hitsOf(answer)) copies.push({ ...lines.get(hit.id)!, ...hit.place });
    }
  }
  return copies;
}

/** A document that a search found. */
export interface Hit {
  readonly id: string;
  readonly version: number;
  /** Where exactly it is. */
  readonly place: { readonly index: string; readonly routing?: string };
  /** The whole of it. */
  readonly raw: unknown;
}

/** The hits of a search; none where `filter_path` left nothing of the answer. */
export function hitsOf(answer: unknown): Hit[] {
  const hits = memberOf(memberOf(answer, "hits"), "hits") ?? [];
  return (hits as readonly unknown[]).map((raw) => {
    const routing = memberOf(raw, "_routing");
    return {
      id: String(memberOf(raw, "_id")),
      version: Number(memberOf(raw, "_version")),
      place: { index: String(memberOf(raw, "_index")), ...(routing !== undefined && { routing: String(routing) }) },
      raw,
    };
  });
}

function* chunks<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < all.length; from += MOST_IDS) yield all.slice(from, from + MOST_IDS);
}
