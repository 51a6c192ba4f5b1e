/**
 * What relays and PDSs answer over HTTP: `listRepos`, `listHosts`, `getRepo` (https://docs.bsky.app/docs/api).
 *
 * @module
 */
import { type Answer, xrpcAnswer } from "../http.ts";
import type { Network } from "./network.ts";

/** One host of `listHosts`. */
export interface ListedHost {
  /** Without a scheme. */
  readonly hostname: string;
  readonly seq?: number;
  readonly accountCount?: number;
  readonly status?: string;
}

/** Options of {@link createLists}. */
export interface ListOptions {
  /** Entries of `listRepos`, whatever they hold, in place of the generated accounts. */
  readonly repos?: readonly Readonly<Record<string, unknown>>[];
  /**
   * Whose `listRepos` it is: a relay's (the default: active accounts only, numbers as cursors, none on the last page) or a PDS's
   * (all accounts, `<ms>::<did>`, a cursor until a page is empty).
   */
  readonly listing?: "relay" | "pds";
  /** Entries of `listHosts`. Default: this server. */
  readonly hosts?: readonly ListedHost[];
}

const PREFIX = "/xrpc/com.atproto.sync.";
const MOST = 1000, DEFAULT_REPOS = 500, DEFAULT_HOSTS = 200;
/** When the first account of a PDS was made, milliseconds since 1970. */
const FIRST_ACCOUNT_MS = 1_730_000_000_000;

/** Answers requests for lists and repos; `undefined`: the path is none of them. */
export function createLists(options: ListOptions, network: () => Network): (url: URL) => Answer | undefined {
  return (url) => {
    if (!url.pathname.startsWith(PREFIX)) return undefined;
    const query = url.searchParams;
    switch (url.pathname.slice(PREFIX.length)) {
      case "listRepos":
        return paged(
          query,
          DEFAULT_REPOS,
          (limit, cursor) =>
            options.listing === "pds"
              ? pdsPage(entriesOf(options, network), limit, cursor)
              : relayPage(entriesOf(options, network), limit, cursor),
        );
      case "listHosts":
        return paged(query, DEFAULT_HOSTS, (limit, cursor) => hostPage(hostsOf(options, network, url), limit, cursor));
      case "getRepo":
        return repoAnswer(query.get("did"), network());
    }
    return undefined;
  };
}

/** A list that need not be made as a whole. */
interface Entries {
  readonly length: number;
  at(index: number): Readonly<Record<string, unknown>>;
  /** The index of a DID's entry, -1 where it has none. */
  indexOf(did: string): number;
}

function entriesOf({ repos }: ListOptions, network: () => Network): Entries {
  if (repos !== undefined) {
    return {
      length: repos.length,
      at: (index) => repos[index]!,
      indexOf: (did) => repos.findIndex((repo) => repo.did === did),
    };
  }
  const known = network();
  return {
    length: known.accounts,
    at(account) {
      const { did, head, rev } = known.repo(account), status = known.status(account);
      return { did, head, rev, active: status === undefined, ...(status !== undefined && { status }) };
    },
    indexOf: (did) => known.accountOf(did) ?? -1,
  };
}

function hostsOf({ hosts }: ListOptions, network: () => Network, url: URL): readonly ListedHost[] {
  if (hosts !== undefined) return hosts;
  const { frames, accounts } = network();
  return [{ hostname: url.host, seq: frames.newestSent(), accountCount: accounts, status: "active" }];
}

/** A page; `undefined`: the cursor is none of this server's. */
type Page = (limit: number, cursor: string | null) => Record<string, unknown> | undefined;

function paged(query: URLSearchParams, defaultLimit: number, page: Page): Answer {
  const text = query.get("limit") ?? String(defaultLimit), limit = Number(text);
  if (!/^\d+$/.test(text) || limit < 1 || limit > MOST) {
    return xrpcAnswer(400, "InvalidRequest", `Error: limit must be an integer from 1 to ${MOST}`);
  }
  const body = page(limit, query.get("cursor") || null);
  if (body === undefined) return xrpcAnswer(400, "InvalidRequest", "Malformed cursor");
  return { status: 200, type: "application/json", body: JSON.stringify(body) };
}

function relayPage(entries: Entries, limit: number, cursor: string | null): Record<string, unknown> | undefined {
  if (cursor !== null && !/^\d{1,15}$/.test(cursor)) return undefined;
  const repos = [];
  let next = Number(cursor ?? 0);
  for (; next < entries.length && repos.length < limit; next++) {
    const entry = entries.at(next);
    if (entry.active !== false) repos.push(entry);
  }
  return next < entries.length ? { repos, cursor: String(next) } : { repos };
}

function pdsPage(entries: Entries, limit: number, cursor: string | null): Record<string, unknown> | undefined {
  const [, did] = /^\d+::(did:.+)$/.exec(cursor ?? "") ?? [];
  const last = did === undefined ? -1 : entries.indexOf(did);
  if (cursor !== null && last < 0) return undefined;
  const end = Math.min(entries.length, last + 1 + limit);
  const repos = [];
  for (let next = last + 1; next < end; next++) repos.push(entries.at(next));
  return repos.length === 0 ? { repos } : { repos, cursor: `${FIRST_ACCOUNT_MS + end}::${repos.at(-1)!.did}` };
}

function hostPage(
  all: readonly ListedHost[],
  limit: number,
  cursor: string | null,
): Record<string, unknown> | undefined {
  if (cursor !== null && !/^\d{1,15}$/.test(cursor)) return undefined;
  const start = Number(cursor ?? 0), end = start + limit;
  const hosts = all.slice(start, end);
  return end < all.length ? { cursor: String(end), hosts } : { hosts };
}

/** The errors of accounts that are not active. */
const GONE: Readonly<Record<string, string>> = {
  takendown: "RepoTakendown",
  suspended: "RepoSuspended",
  deactivated: "RepoDeactivated",
};

function repoAnswer(did: string | null, network: Network): Answer {
  if (did === null) return xrpcAnswer(400, "InvalidRequest", 'Error: Params must have the property "did"');
  const account = network.accountOf(did);
  if (account === undefined) return xrpcAnswer(400, "RepoNotFound", `Could not find repo for DID: ${did}`);
  const status = network.status(account);
  if (status !== undefined) return xrpcAnswer(400, GONE[status] ?? "RepoNotFound", `Repo is not available: ${status}`);
  return { status: 200, type: "application/vnd.ipld.car", body: network.repo(account).car() };
}
