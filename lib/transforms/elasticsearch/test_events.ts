/**
 * Synthetic events for the tests beside this file.
 *
 * @module
 */
import type { Commit, CommitEvent, Origin } from "../../atproto/event.ts";

export const A = "did:plc:aaaa2222bbbb3333cccc4444";
export const B = "did:plc:bbbb2222cccc3333dddd4444";
/** A post of B. */
export const S = `at://${B}/app.bsky.feed.post/3m4fxx2flkc2p`;
export const LIKE = "app.bsky.feed.like", POST = "app.bsky.feed.post";
export const RKEY = "3m4fxx2ps6222";
/** 2025-11-26T19:04:43.593160Z. */
export const TIME_US = 1764183883593160;
export const ORIGIN: Origin = { source: "jetstream", wire: "v1", host: "h" };
/** The injected clock. */
export const NOW = Date.parse("2026-01-02T03:04:05.678Z");
export const NOW_TEXT = "2026-01-02T03:04:05.678Z";

/** A commit by A; like all records of these tests it was witnessed at `TIME_US`. */
export function commit(changes: Partial<Commit> & { did?: string; time_us?: number }): CommitEvent {
  const { did = A, time_us = TIME_US, ...rest } = changes;
  const body: Commit = { operation: "create", collection: LIKE, rkey: RKEY, ...rest };
  return { did, time_us, kind: "commit", commit: body, origin: ORIGIN };
}
