/**
 * Events and evaluations for the tests of `--where`.
 *
 * @module
 */
import type { AnyEvent } from "../../atproto/event.ts";
import { createWhere, type WhereOptions } from "../where.ts";

export const origin = { source: "test", wire: "v1", host: "h" } as const;

/** A post of any content. */
export function withRecord(record: unknown): AnyEvent {
  const commit = { rev: "3k", operation: "create", collection: "app.bsky.feed.post", rkey: "r", record, cid: "bafy" };
  return { did: "did:plc:abc", time_us: 1783175888085434, seq: 7, kind: "commit", commit, origin } as AnyEvent;
}

/** A post with something of every kind. */
export const EVENT = withRecord({
  $type: "app.bsky.feed.post",
  text: "Guten Morgen 😼",
  langs: ["de", "ja"],
  createdAt: "2026-07-04T14:38:08.999Z",
  reply: null,
  n: [1, 2.5, -3],
  tags: [{ name: "a" }, { name: "b", weight: 2 }],
});

/** `failed`: it counts as a failure. */
export function evaluate(expression: string, event = EVENT, options: WhereOptions = {}): boolean | "failed" {
  const where = createWhere(expression, options);
  const result = where.matches(event);
  return where.failures > 0 ? "failed" : result;
}
