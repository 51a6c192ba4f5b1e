/**
 * A consumer group of one stream or of its partitions, and this consumer's part in it.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { replyCode } from "../../net/redis/errors.ts";
import type { RedisLink } from "../../net/redis/link.ts";
import { partitionsKey, partitionStream } from "../../net/redis/stream_keys.ts";
import { ConfigError, messageOf } from "../../pipeline/errors.ts";

const log = getLogger(["bskyingest", "consume"]);

/** Who reads what. */
export interface GroupOptions {
  readonly streams: readonly string[];
  /** Of streams that have partitions, these; undefined: all. */
  readonly partitions?: readonly number[] | undefined;
  readonly group: string;
  readonly consumer: string;
  /** Where a group begins that is made now: `oldest`, `new`, or after this id. */
  readonly from: string;
  /** Where entries go that nobody can take; undefined: a stream beside each stream. */
  readonly deadStream?: string | undefined;
  /** Whether entries are deleted once they are acknowledged: then no other group may be there. */
  readonly deletes: boolean;
}

/** A stream that is read. */
export interface GroupStream {
  readonly name: string;
  readonly dead: string;
}

/**
 * Finds the streams and makes the group where it is missing.
 *
 * @throws {ConfigError} For partitions that are not there, a key that is no stream, and another group where entries are deleted.
 */
export async function joinGroup(link: RedisLink, options: GroupOptions): Promise<GroupStream[]> {
  const streams: GroupStream[] = [];
  for (const stream of options.streams) streams.push(...await findStreams(link, stream, options));
  for (const { name } of streams) {
    if (await link.send(name, ["EXISTS", name]) === 0) {
      log.warn("There is no stream {name} yet: waiting for its first entry", { name });
    }
    await createGroup(link, name, options.group, startOf(options.from));
    if (options.deletes) await checkAlone(link, name, options.group);
  }
  return streams;
}

/**
 * A stream, or those of its partitions that are asked for.
 *
 * @throws {ConfigError} For partitions that are not there.
 */
export async function findStreams(
  link: RedisLink,
  stream: string,
  { partitions, deadStream }: Pick<GroupOptions, "partitions" | "deadStream">,
): Promise<GroupStream[]> {
  const key = partitionsKey(stream);
  const stored = await link.send(key, ["GET", key]);
  const beside = stored !== null || await link.isCluster() ? `{${stream}}_dlq` : `${stream}_dlq`;
  const dead = deadStream ?? beside;
  if (stored === null) {
    if (partitions === undefined) return [{ name: stream, dead }];
    throw new ConfigError(`Cannot read partitions of ${stream}: it has none`);
  }
  const count = Number(stored);
  const missing = partitions?.find((i) => i >= count);
  if (missing !== undefined) {
    throw new ConfigError(`Cannot read partition ${missing} of ${stream}: it has ${count}, from 0 on`);
  }
  const wanted = partitions ?? Array.from({ length: count }, (_, i) => i);
  return wanted.map((i) => ({ name: partitionStream(stream, i), dead }));
}

function startOf(from: string): string {
  return from === "oldest" ? "0" : from === "new" ? "$" : from;
}

/** Whether somebody has deleted the group, or its stream: it does not come back by waiting. */
export function isGroupGone(error: unknown): boolean {
  return replyCode(error) === "NOGROUP";
}

/** Makes a group and its stream unless they are there. */
async function createGroup(link: RedisLink, stream: string, group: string, id: string): Promise<void> {
  try {
    await link.send(stream, ["XGROUP", "CREATE", stream, group, id, "MKSTREAM"]);
  } catch (error) {
    if (replyCode(error) === "BUSYGROUP") return;
    throw replyCode(error) === "WRONGTYPE" || replyCode(error) === "ERR"
      ? new ConfigError(messageOf(error), { cause: error })
      : error;
  }
}

async function checkAlone(link: RedisLink, stream: string, group: string): Promise<void> {
  const groups: string[][] = await link.send(stream, ["XINFO", "GROUPS", stream]);
  const other = groups.map((flat) => flat[1]!).find((name) => name !== group);
  if (other === undefined) return;
  throw new ConfigError(`Cannot use --after-ack delete: group ${other} reads ${stream}, too`);
}
