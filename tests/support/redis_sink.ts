/**
 * What tests of the sink `redis` share.
 *
 * @module
 */
import type { AnyEvent, CommitEvent } from "../../lib/atproto/event.ts";
import type { Sink, SinkBatch, WriteResult } from "../../lib/pipeline/sink.ts";
import type { RedisClient } from "./redis.ts";
import { commitEvent, put } from "./sqlite.ts";

/** The key of the source that feeds it. */
export const KEY = "firehose_live:cursor:bsky.network";

/** Where the sink keeps that source's position, and who writes. */
export const CURSOR = KEY, WRITER = "firehose_live:writer:bsky.network";

/** Commits with the numbers `from`, `from + 1`, ... as a relay would give them. */
export function numbered(count: number, from = 1): CommitEvent[] {
  return Array.from({ length: count }, (_, i) => ({ ...commitEvent(from + i), seq: from + i }));
}

/** Writes the events `from` to `to` with the position `to`. */
export function putNumbers(
  sink: Sink<AnyEvent>,
  from: number,
  to: number,
  batch: Partial<SinkBatch<AnyEvent>> = {},
): Promise<WriteResult> {
  return put(sink, numbered(to - from + 1, from), { key: KEY, cursor: String(to), ...batch });
}

/** The numbers of the events in a stream, in its order. */
export async function numbersIn(redis: RedisClient, stream = "firehose_live"): Promise<number[]> {
  return (await redis.entries(stream)).map(({ value }) => JSON.parse(value).seq);
}

/**
 * Makes a server what a replica would be that lacks the newest entries of a stream: it has the first `kept` ones, and the position
 * behind them.
 */
export async function loseNewest(
  redis: RedisClient,
  keys: { readonly stream: string; readonly cursor: string; readonly writer: string },
  kept: number,
  position: string,
): Promise<void> {
  await redis.command("EVAL", LOSE, "3", keys.stream, keys.cursor, keys.writer, String(kept), position);
}

const LOSE = `
local old = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[1])
redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)
for _, entry in ipairs(old) do redis.call('XADD', KEYS[1], '*', unpack(entry[2])) end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('HINCRBY', KEYS[3], 'n', -3)`;

/** `from` to `to`. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** Waits until something is so, up to half a minute: a busy machine takes its time. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const last = Date.now() + 30_000; Date.now() < last;) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("Nothing of what was waited for happened within 30 s");
}
