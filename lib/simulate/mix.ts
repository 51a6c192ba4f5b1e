/**
 * What happens how often in a simulated network.
 *
 * @module
 */
import { mix } from "./ids.ts";
import type { Records } from "./records.ts";

/** Shares of the events in 1/10,000, the rest are creates. Measured on real streams. */
const SHARES = { delete: 320, update: 130, identity: 70, account: 70 };
/** The usual collections, and how often each of them is created. */
const USUAL = [
  ["app.bsky.feed.like", 6900],
  ["app.bsky.feed.post", 1200],
  ["app.bsky.feed.repost", 1000],
  ["app.bsky.graph.follow", 600],
  ["app.bsky.graph.block", 30],
] as const;
/** The collection of what is updated. */
export const PROFILE = "app.bsky.actor.profile";
/** What happens in event i: the index of a created collection (0: a like), or one of these. */
export const LIKE = 0, DELETE = -1, UPDATE = -2, IDENTITY = -3, ACCOUNT = -4;

/** Which collections are created, and how often, as upper bounds of 32-bit numbers. */
export function createMix(collections: readonly string[]) {
  const usual = USUAL.map(([name]) => name as string);
  const named = collections.map((c) => c.endsWith(".*") ? `${c.slice(0, -1)}thing` : c);
  const extra = [...new Set(named)].filter((c) => !usual.includes(c) && c !== PROFILE);
  const special = [SHARES.delete, SHARES.update, SHARES.identity, SHARES.account];
  const each = Math.min(200, 5000 / Math.max(1, extra.length));
  const left = 10_000 - special.reduce((a, b) => a + b) - each * extra.length;
  const whole = USUAL.reduce((sum, [, share]) => sum + share, 0);
  const shares = [...USUAL.map(([, share]) => left * share / whole), ...extra.map(() => each), ...special];
  let sum = 0;
  const bounds = shares.map((share) => Math.min(2 ** 32, Math.ceil((sum += share) / 10_000 * 2 ** 32)));
  bounds[bounds.length - 1] = 2 ** 32;
  return { names: [...usual, ...extra], bounds };
}

/** Draws the slot of event i. */
export function createDraw(seed: number, names: readonly string[], bounds: readonly number[]): (i: number) => number {
  return (i) => {
    const bits = mix(i, seed);
    let slot = 0;
    while (bits >= bounds[slot]!) slot++;
    return slot < names.length ? slot : names.length - 1 - slot;
  };
}

/** The record number `i` of a collection, as JSON. */
export function recordOf(records: Records, collection: string, i: number, createdAt: string): string {
  switch (collection) {
    case "app.bsky.feed.like":
      return records.like(i, createdAt);
    case "app.bsky.feed.post":
      return records.post(i, createdAt);
    case "app.bsky.feed.repost":
      return records.repost(i, createdAt);
    case "app.bsky.graph.follow":
    case "app.bsky.graph.block":
      return records.towards(collection, i, createdAt);
    case PROFILE:
      return records.profile(i, createdAt);
    default:
      return records.thing(collection, i, createdAt);
  }
}
