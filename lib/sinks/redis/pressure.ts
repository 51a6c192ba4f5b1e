/**
 * How far the groups of a stream are behind what is added to it, and what is removed.
 *
 * @module
 */
import type { RedisLink } from "../../net/redis/link.ts";
import { TransientError } from "../../pipeline/errors.ts";
import { replyCode } from "../../net/redis/errors.ts";

/**
 * The most entries that a group of the streams has yet to acknowledge; undefined where there is no group, or the server does not know.
 */
export async function mostUnread(
  link: RedisLink,
  streams: readonly string[],
  signal: AbortSignal,
): Promise<number | undefined> {
  let most: number | undefined;
  for (const stream of streams) {
    for (const group of await groupsOf(link, stream, signal)) {
      const { lag, pending } = group;
      if (lag === null || lag === undefined) return undefined;
      most = Math.max(most ?? 0, lag + pending);
    }
  }
  return most;
}

/** How many entries were removed that a group had not read; of the group that missed most. Unknown ones count as none. */
export async function mostMissed(link: RedisLink, streams: readonly string[], signal: AbortSignal): Promise<number> {
  let most = 0;
  for (const stream of streams) {
    const info = Object.fromEntries(pairs(await link.send(stream, ["XINFO", "STREAM", stream], { signal })));
    const removed = Number(info["entries-added"] ?? 0) - Number(info.length);
    for (const group of await groupsOf(link, stream, signal)) {
      const read = group["entries-read"];
      if (typeof read === "number") most = Math.max(most, removed - read);
    }
  }
  return most;
}

interface Group {
  readonly pending: number;
  /** Null where the server cannot count; absent before Redis 7. */
  readonly lag?: number | null;
  /** All that were ever delivered, likewise. */
  readonly "entries-read"?: number | null;
}

async function groupsOf(link: RedisLink, stream: string, signal: AbortSignal): Promise<Group[]> {
  try {
    const groups: unknown[][] = await link.send(stream, ["XINFO", "GROUPS", stream], { signal });
    return groups.map((flat) => Object.fromEntries(pairs(flat)) as unknown as Group);
  } catch (error) {
    if (error instanceof TransientError && replyCode(error) === "ERR") return []; // no such key
    throw error;
  }
}

function pairs(flat: readonly unknown[]): [string, unknown][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] as string, flat[2 * i + 1]]);
}
