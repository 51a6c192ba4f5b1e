/**
 * What is looked at before the first write.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { replyCode } from "../../net/redis/errors.ts";
import type { RedisLink } from "../../net/redis/link.ts";
import { type StreamKeys, streamKeys } from "../../net/redis/stream_keys.ts";
import { ConfigError } from "../../pipeline/errors.ts";

const log = getLogger(["bskyingest", "redis"]);

/**
 * Finds out where a stream's keys are, and whether the stream can be written to.
 *
 * @param options `dry`: only look, the number of partitions is not stored.
 * @throws {ConfigError} Where a key is no stream, or has another number of partitions.
 */
export async function start(
  link: RedisLink,
  stream: string,
  partitions: number | undefined,
  { dry = false }: { readonly dry?: boolean } = {},
): Promise<StreamKeys> {
  const keys = streamKeys(stream, { partitions, cluster: await link.isCluster() });
  if (partitions !== undefined && !dry) {
    await link.send(keys.partitions, ["SET", keys.partitions, String(partitions), "NX"]);
  }
  await checkPartitions(link, keys, stream, partitions);
  for (const each of keys.streams) {
    const type = await link.send(each, ["TYPE", each]);
    if (type !== "stream" && type !== "none") {
      throw new ConfigError(`Cannot write to stream ${each}: the key holds a ${type}`, {
        hint: "Use --stream to write to another one",
      });
    }
  }
  if (!dry) { for (const danger of await forgetfulness(link, keys.streams[0]!)) log.warn("{danger}", { danger }); }
  return keys;
}

/** Those of the streams that are there. */
export async function keysInUse(link: RedisLink, { streams }: StreamKeys): Promise<string[]> {
  const used: string[] = [];
  for (const each of streams) if (await link.send(each, ["EXISTS", each]) === 1) used.push(each);
  return used;
}

/** The number is written once: with another one, entries of one DID would be in two streams. */
async function checkPartitions(link: RedisLink, keys: StreamKeys, stream: string, wanted: number | undefined) {
  const stored = await link.send(keys.partitions, ["GET", keys.partitions]);
  if (stored === null || Number(stored) === wanted) return;
  throw new ConfigError(
    wanted === undefined
      ? `Cannot write to stream ${stream} without partitions: it has ${stored}`
      : `Cannot write to stream ${stream} with ${wanted} partitions: it has ${stored}`,
    { hint: `Use --partitions ${stored}, or drain the stream and delete ${keys.partitions}` },
  );
}

/** What could make entries or positions vanish; whoever may not ask is not told. */
export async function forgetfulness(link: RedisLink, key: string): Promise<string[]> {
  const dangers: string[] = [];
  const read = async (name: string): Promise<string> => {
    try {
      return (await link.send(key, ["CONFIG", "GET", name]))[1] ?? "";
    } catch (error) {
      if (error instanceof ConfigError || replyCode(error) !== undefined) return "?";
      throw error;
    }
  };
  const policy = await read("maxmemory-policy");
  if (policy.startsWith("allkeys-")) {
    dangers.push(`Redis may throw streams and positions away when its memory is full: maxmemory-policy is ${policy}`);
  }
  const [append, save] = [await read("appendonly"), await read("save")];
  if (append === "no" && save === "") {
    dangers.push("Redis forgets everything when it stops: neither appendonly nor save is on");
  }
  return dangers;
}
