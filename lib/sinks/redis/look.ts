/**
 * What can be told of a server and a stream without writing.
 *
 * @module
 */
import { replyCode } from "../../net/redis/errors.ts";
import { redisLink, type RedisLinkOptions } from "../../net/redis/link.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { mostMissed } from "./pressure.ts";
import { forgetfulness, keysInUse, start } from "./start.ts";

/** What was found. */
export interface RedisLook {
  /** Server and stream, for people. */
  readonly describe: string;
  /** As `7.0.15`; undefined: it may not be asked for. */
  readonly version: string | undefined;
  /** Entries in the stream, those of all partitions. */
  readonly length: number;
  /** Groups that read it. */
  readonly groups: number;
  /** Entries that were removed although a group had not read them; of the group that missed most. */
  readonly missed: number;
  /** What could make entries or positions vanish. */
  readonly dangers: readonly string[];
}

/**
 * Looks at a server as a run that wants to write to `stream` would.
 *
 * @throws {ConfigError} With what keeps such a run from writing.
 * @throws {TransientError} Where there is no answer.
 */
export async function lookAtRedis(
  connection: RedisLinkOptions,
  stream: string,
  partitions: number | undefined,
  signal: AbortSignal,
): Promise<RedisLook> {
  await using link = redisLink(connection);
  const send = (args: readonly string[], key = stream) => link.send(key, args, { signal });
  const [, version] = /^redis_version:(\S+)/m.exec(await unlessRefused(send(["INFO", "server"])) ?? "") ?? [];
  if (version !== undefined && isOlder(version)) {
    throw new ConfigError(
      `Cannot use Redis at ${link.describe}: it is version ${version}, 6.2 is the first that will do`,
    );
  }
  const keys = await start(link, stream, partitions, { dry: true });
  // Neither adds anything where there is no such key, and yet whoever may not write is told so.
  const probe = keys.cursor(`doctor-${crypto.randomUUID()}`);
  await send(["XADD", probe, "NOMKSTREAM", "*", "event", "{}"], probe);
  await send(["SET", probe, "", "XX"], probe);
  await send(["EVAL", "return 1", "1", probe], probe);
  let length = 0, groups = 0;
  for (const each of await keysInUse(link, keys)) {
    length += await send(["XLEN", each], each);
    groups = Math.max(groups, (await send(["XINFO", "GROUPS", each], each)).length);
  }
  const missed = await mostMissed(link, await keysInUse(link, keys), signal);
  return {
    describe: `${link.describe} ${stream}`,
    version,
    length,
    groups,
    missed,
    dangers: await forgetfulness(link, keys.streams[0]!),
  };
}

/** Undefined where the user has no right to ask. */
async function unlessRefused(reply: Promise<string>): Promise<string | undefined> {
  try {
    return await reply;
  } catch (error) {
    if (replyCode(error) === "NOPERM") return undefined;
    throw error;
  }
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major < 6 || (major === 6 && minor < 2);
}
