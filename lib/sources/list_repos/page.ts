/**
 * Pages of `com.atproto.sync.listRepos` (https://docs.bsky.app/docs/api/com-atproto-sync-list-repos).
 *
 * @module
 */
import type { Origin, RepoEvent } from "../../atproto/event.ts";
import { isDid } from "../../atproto/syntax.ts";
import type { Poison } from "../../pipeline/batch.ts";
import { PoisonError, TransientError } from "../../pipeline/errors.ts";

/** Why an entry of a list is dead. */
export const BAD_DID = "list-did";

/** What a page holds. */
export interface Page {
  readonly events: readonly RepoEvent[];
  /** Entries that say of no account what they say. */
  readonly poison: readonly Poison[];
  /** Entries of any kind. */
  readonly entries: number;
  /** Of the next page; undefined: there is none. */
  readonly next: string | undefined;
}

/**
 * Reads a page.
 *
 * @param position The cursor that it was asked for with: for the dead letter.
 * @param nowUs The local clock, in microseconds since 1970.
 * @throws {TransientError} where it is no page: a proxy's words, perhaps.
 */
export function readPage(body: string, origin: Origin, position: string | undefined, nowUs: number): Page {
  const { repos, cursor } = parse(body);
  if (!Array.isArray(repos)) throw new TransientError("The answer has no repos");
  const events: RepoEvent[] = [], poison: Poison[] = [];
  for (const entry of repos as readonly unknown[]) {
    try {
      events.push(repoEvent(entry, origin, nowUs));
    } catch (error) {
      if (!(error instanceof PoisonError)) throw error;
      poison.push(poisonOf(entry, error, origin, position));
    }
  }
  const next = typeof cursor === "string" && cursor !== "" ? cursor : undefined;
  return { events, poison, entries: repos.length, next };
}

/**
 * The event of one entry.
 *
 * @throws {PoisonError} `list-did` where it has no valid DID.
 */
export function repoEvent(entry: unknown, origin: Origin, nowUs: number): RepoEvent {
  const { did, head, rev, active, status } = (isObject(entry) ? entry : {}) as Record<string, unknown>;
  if (typeof did !== "string" || !isDid(did)) throw new PoisonError(BAD_DID, "Cannot use entry: it has no valid DID");
  const repo = { did, ...textOf({ head, rev, status }), ...(typeof active === "boolean" && { active }) };
  return { kind: "repo", did, time_us: nowUs, origin, repo };
}

function parse(body: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new TransientError("The answer is no JSON", { cause });
  }
  return isObject(value) ? value : {};
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Those that are texts, however odd. */
function textOf(members: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(members).filter((member): member is [string, string] => typeof member[1] === "string"),
  );
}

function poisonOf(
  entry: unknown,
  error: PoisonError,
  { host, wire }: Origin,
  position: string | undefined,
): Poison {
  return {
    error,
    raw: JSON.stringify(entry),
    detail: { host, wire, position: position ?? null },
  };
}
