/**
 * Taking away everything that an account has written.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { PoisonError, TransientError } from "../../pipeline/errors.ts";
import { timeText } from "../../transforms/elasticsearch/created_at.ts";
import type { Kind } from "../../transforms/elasticsearch/kinds.ts";
import type { Purge, Write } from "../../transforms/elasticsearch/writes.ts";
import type { Line } from "./body.ts";
import type { BulkSender } from "./bulk.ts";
import { memberOf } from "./classify.ts";
import { type Hit, hitsOf } from "./lookup.ts";
import type { Requester } from "./requests.ts";

const log = getLogger(["bskyingest", "elasticsearch"]);

/** What is searched for documents of an account: posts leave tombstones, and have their own search for that. */
const GROUPS: readonly (readonly [Kind, ...Kind[]])[] = [
  ["posts"],
  ["likes", "reposts", "follows", "blocks", "records", "accounts", "identities"],
];
/** Documents of one page. */
const PAGE = 1000;
/** How often documents are deleted before it is given up. */
const MOST_ROUNDS = 3;
const KEEP_ALIVE = "1m";

/** What {@link purger} works with. */
export interface PurgeOptions {
  readonly requests: Requester;
  readonly send: BulkSender;
  /** The alias of a kind. */
  readonly indexOf: (kind: Kind) => string;
  /** The clock, in milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Purges an account: resolves when a search finds nothing of it any more that is older than the purge. What the account wrote later,
 * when it was there again, stays.
 *
 * @throws {PoisonError} `purge_incomplete` where something remains after three rounds.
 * @throws {TransientError} Where the server could not do all of it: purge again.
 */
export type Purger = (purge: Purge, signal: AbortSignal) => Promise<void>;

/** Makes a purger for every alias of the layout, whether the run writes to it or not. */
export function purger({ requests, send, indexOf, now }: PurgeOptions): Purger {
  /** Deletes what `hits` are; of posts first writes the tombstones. */
  async function remove(kind: Kind, hits: readonly Hit[], purge: Purge, signal: AbortSignal): Promise<void> {
    const lines = (write: (hit: Hit) => Write, place?: Hit["place"]) =>
      hits.map((hit): Line => ({ write: write(hit), ...(place ?? hit.place), item: 0 }));
    if (kind === "posts") {
      const place = { index: indexOf("post_tombstones") };
      const [unmarked] = await send(lines((hit) => tombstone(hit, purge, now()), place), signal);
      if (unmarked) throw unmarked.error;
    }
    const { version } = purge;
    const kept = await send(lines(({ id }) => ({ kind, action: "delete", id, uri: id, version })), signal);
    for (const { error } of kept) if (error instanceof TransientError) throw error;
  }

  /** Hands on what a search finds of the account, and answers how much that was. */
  async function sweep(purge: Purge, signal: AbortSignal, found: (kind: Kind, hits: readonly Hit[]) => Promise<void>) {
    let count = 0;
    for (const group of GROUPS) {
      const names = group.map((kind) => encodeURIComponent(indexOf(kind))).join(",");
      for await (const hits of documentsOf(purge, names, requests, signal)) {
        count += hits.length;
        await found(group[0], hits);
      }
    }
    return count;
  }

  return async (purge, signal) => {
    const deleted: Record<string, number> = {};
    const removing = async (kind: Kind, hits: readonly Hit[]) => {
      await remove(kind, hits, purge, signal);
      for (const { place } of hits) deleted[place.index] = (deleted[place.index] ?? 0) + 1;
    };
    // A round that finds nothing is the proof; the last one only looks.
    let remaining = -1;
    for (let round = 0; remaining !== 0 && round < MOST_ROUNDS; round++) {
      remaining = await sweep(purge, signal, removing);
    }
    if (remaining !== 0) remaining = await sweep(purge, signal, () => Promise.resolve());
    const { did, status } = purge;
    log.info("Account {did} ({status}) purged: {deleted}, {remaining} remain", { did, status, deleted, remaining });
    if (remaining > 0) {
      throw new PoisonError("purge_incomplete", `Cannot purge ${did}: ${remaining} documents remain`);
    }
  };
}

/** Pages of the account's documents that are older than the purge. Aliases that are not there have none. */
async function* documentsOf(
  { did, version }: Purge,
  names: string,
  requests: Requester,
  signal: AbortSignal,
): AsyncGenerator<readonly Hit[], void> {
  const about = { what: `Cannot purge account ${did}`, privilege: "read, write and maintenance", signal };
  const absent = { ignore_unavailable: "true" };
  await requests.ask({ ...about, path: `/${names}/_refresh`, querystring: absent });
  const opened = await requests.ask({
    ...about,
    path: `/${names}/_pit`,
    querystring: { ...absent, keep_alive: KEEP_ALIVE },
  });
  let id = memberOf(opened, "id"), after: unknown;
  try {
    for (let count = PAGE; count === PAGE;) {
      const answer = await requests.ask({ ...about, path: "/_search", json: pageOf(did, id, after) });
      id = memberOf(answer, "pit_id") ?? id;
      const hits = hitsOf(answer);
      count = hits.length;
      after = memberOf(hits.at(-1)?.raw, "sort");
      const older = hits.filter((hit) => hit.version < Number(version));
      if (older.length > 0) yield older;
    }
  } finally {
    // Where that fails, it goes away by itself in a minute.
    await requests.send({ method: "DELETE", path: "/_pit", body: JSON.stringify({ id }), signal }).catch(() => {});
  }
}

/** Ask for one page, from a point in time, so that what is written meanwhile shifts nothing. */
function pageOf(did: string, id: unknown, after: unknown): unknown {
  return {
    size: PAGE,
    pit: { id, keep_alive: KEEP_ALIVE },
    query: { bool: { should: [{ term: { author_did: did } }, { term: { did } }] } },
    sort: [{ _shard_doc: "asc" }],
    ...(after !== undefined && { search_after: after }),
    version: true,
    _source: ["at_uri"],
    track_total_hits: false,
  };
}

/** A deleted post's tombstone, as its own delete would have written it. */
function tombstone({ id, raw }: Hit, { did, version, time_us }: Purge, now: number): Write {
  const uri = String(memberOf(memberOf(raw, "_source"), "at_uri") ?? id);
  const body = JSON.stringify({
    at_uri: uri,
    author_did: did,
    deleted_at: timeText(time_us),
    indexed_at: timeText(now * 1000),
  });
  return { kind: "post_tombstones", action: "index", id, uri, version, body };
}
