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
 * @throws {ConfigError} Where a key is no stream, or has another number of partitions.
 */
export async function start(link: RedisLink, stream: string, partitions: number | undefined): Promise<StreamKeys> {
  const keys = streamKeys(stream, { partitions, cluster: await link.isCluster() });
  await checkPartitions(link, keys, stream, partitions);
  for (const each of keys.streams) {
    const type = await link.send(each, ["TYPE", each]);
    if (type !== "stream" && type !== "none") {
      throw new ConfigError(`Cannot write to stream ${each}: the key holds a ${type}`, {
        hint: "Use --stream to write to another one",
      });
    }
  }
  await warnOfForgetfulness(link, keys.streams[0]!);
  return keys;
}

/** The number is written once: with another one, entries of one DID would be in two streams. */
async function checkPartitions(link: RedisLink, keys: StreamKeys, stream: string, wanted: number | undefined) {
  if (wanted !== undefined) await link.send(keys.partitions, ["SET", keys.partitions, String(wanted), "NX"]);
  const stored = await link.send(keys.partitions, ["GET", keys.partitions]);
  if (stored === null || Number(stored) === wanted) return;
  throw new ConfigError(
    wanted === undefined
      ? `Cannot write to stream ${stream} without partitions: it has ${stored}`
      : `Cannot write to stream ${stream} with ${wanted} partitions: it has ${stored}`,
    { hint: `Use --partitions ${stored}, or drain the stream and delete ${keys.partitions}` },
  );
}

/** Says what could make entries or positions vanish; whoever may not ask is not told. */
async function warnOfForgetfulness(link: RedisLink, key: string): Promise<void> {
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
    log.warn("Redis may throw streams and positions away when its memory is full: maxmemory-policy is {policy}", {
      policy,
    });
  }
  const [append, save] = [await read("appendonly"), await read("save")];
  if (append === "no" && save === "") {
    log.warn("Redis forgets everything when it stops: neither appendonly nor save is on");
  }
}
