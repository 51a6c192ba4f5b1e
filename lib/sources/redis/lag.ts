/**
 * How far a group is behind.
 *
 * @module
 */
import type { RedisLink, SendOptions } from "../../net/redis/link.ts";

/** Of one stream. */
export interface ConsumeLag {
  /** Its name. */
  readonly stream: string;
  /** Entries that were not delivered yet; undefined where the server cannot tell. */
  readonly entries: number | undefined;
  /** Between the newest entry and the last one that was delivered. */
  readonly seconds: number;
  /** Delivered and not acknowledged. */
  readonly pending: number;
  /** Since the oldest of those was added. */
  readonly oldestPendingSeconds: number;
}

/** Measures it. */
export async function measureLag(
  link: RedisLink,
  stream: string,
  group: string,
  options: SendOptions = {},
): Promise<ConsumeLag> {
  const info = toMap(await link.send(stream, ["XINFO", "STREAM", stream], options));
  const groups: unknown[][] = await link.send(stream, ["XINFO", "GROUPS", stream], options);
  const own = groups.map(toMap).find((each) => each.get("name") === group);
  const [pending, oldest] = await link.send(stream, ["XPENDING", stream, group], options);
  const newest = millisOf(info.get("last-generated-id"));
  const lag = own?.get("lag");
  return {
    stream,
    entries: typeof lag === "number" ? lag : undefined,
    seconds: Math.max(0, newest - millisOf(own?.get("last-delivered-id"))) / 1000,
    pending,
    oldestPendingSeconds: oldest === null ? 0 : Math.max(0, Date.now() - millisOf(oldest)) / 1000,
  };
}

function toMap(flat: readonly unknown[]): Map<unknown, unknown> {
  return new Map(Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]));
}

function millisOf(id: unknown): number {
  return Number(String(id).split("-")[0]);
}
