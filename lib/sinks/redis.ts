/**
 * The sink `redis`: events as entries of streams, each there once, and the position in the same step as the entries.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { AnyEvent } from "../atproto/event.ts";
import { inTime } from "../net/redis/in_time.ts";
import { redisLink, type RedisLinkOptions } from "../net/redis/link.ts";
import type { Gap } from "../pipeline/batch.ts";
import { ConfigError, TransientError } from "../pipeline/errors.ts";
import type { CheckpointStore, Sink } from "../pipeline/sink.ts";
import { isStreamed, type StreamFormat } from "../transforms/stream_events.ts";
import { owners } from "./redis/owner.ts";
import { start } from "./redis/start.ts";
import { batchWriter, type RedisFigures } from "./redis/writer.ts";

export type { RedisLinkOptions } from "../net/redis/link.ts";
export type { StreamFormat } from "../transforms/stream_events.ts";
export { type DryRedisSink, dryRedisSink } from "./redis/dry.ts";
export { isDone } from "./redis/done.ts";
export { lookAtRedis, type RedisLook } from "./redis/look.ts";
export {
  type RedisPosition,
  type RedisPositions,
  redisPositions,
  type RedisPositionsOptions,
} from "./redis/positions.ts";
export type { RedisFigures } from "./redis/writer.ts";

const log = getLogger(["bskyingest", "redis"]);

/** Options of {@link redisSink}. */
export interface RedisSinkOptions {
  /** The server. */
  readonly connection: RedisLinkOptions;
  /** The stream; default `firehose_live`. */
  readonly stream?: string;
  /** What entries look like; default `bsky`. */
  readonly format?: StreamFormat;
  /** Whether events say by which host they came; default: no. For format `bsky`. */
  readonly host?: boolean;
  /** Entries are spread by DID over so many streams, 1 to 1024; default: one stream of the plain name. */
  readonly partitions?: number | undefined;
  /** So many entries in the stream, and nothing is added; 0 = no limit. Default 100,000, or none where `maxLength` is not above it. */
  readonly highWaterMark?: number | undefined;
  /** What is measured against the mark: the stream's length, or what the slowest group has yet to acknowledge. Default `length`. */
  readonly backpressure?: "length" | "lag";
  /** How long to wait at the mark before looking again, in milliseconds; default 5,000. */
  readonly backpressureMs?: number;
  /** Older entries are trimmed beyond about so many, read or not; default: none. */
  readonly maxLength?: number | undefined;
  /** Entries that are older are trimmed, in milliseconds, read or not; default: none. */
  readonly leastAgeMs?: number | undefined;
  /** The largest entry, in bytes; default 8 MiB. Larger ones are dead. */
  readonly maxEntryBytes?: number;
  /** Replicas that must have confirmed a write; default 0. */
  readonly waitReplicas?: number;
  /** Where lock files are kept, so that a restart need not wait for the writer key of its predecessor on this machine. */
  readonly lockFolder?: string | undefined;
  /** How long the writer key lasts that nobody renews, in milliseconds; default 15,000. */
  readonly ownerTtlMs?: number;
  /**
   * Whether the source gives nothing again that was safe once, as a consumer group does: what the server loses may be missing then, and
   * positions only count. Default: no.
   */
  readonly givenOnce?: boolean;
  /** Makes gaps durable before the position passes them: streams have no place for them. */
  readonly recordGaps?: (key: string, gaps: readonly Gap[]) => Promise<unknown>;
  /** Aborting gives up waiting for a position, because the server is away or another writer's key has not expired. */
  readonly stop?: AbortSignal | undefined;
  /** The clock, in milliseconds since 1970. */
  readonly now?: () => number;
}

/** The sink, and what a user wants to read of it. */
export interface RedisSink extends Sink<AnyEvent> {
  /** Keys beside the stream, one for each host. Waits for a server that is away. */
  readonly checkpoints: CheckpointStore;
  /** For the start line: `redis localhost:6379 firehose_live`. */
  readonly describe: string;
  /** What was counted so far. */
  figures(): RedisFigures;
}

/** Whether an event leads to an entry under these options: a stage before the sink leaves out those that do not. */
export function acceptsEvent({ format }: Pick<RedisSinkOptions, "format">): (event: AnyEvent) => boolean {
  return (event) => isStreamed(event, format);
}

const MARK = 100_000;

/**
 * Opens a stream as a sink. One batch is one script, which is all or nothing and is never carried out twice.
 *
 * A server that is away does not matter here: the position waits for it, and a write fails as transient. Where the server has lost
 * what it had confirmed, a write throws `RewoundError`: the run is to begin again, from the position that `checkpoints` then gives.
 *
 * @throws {ConfigError} For options that cannot be, credentials that are refused, and keys that hold something else.
 */
export async function redisSink(options: RedisSinkOptions): Promise<RedisSink> {
  const { stream = "firehose_live", partitions, ownerTtlMs = 15_000, lockFolder } = options;
  checkOptions(options);
  warnOfTrimming(options);
  const link = redisLink(options.connection);
  let starting: ReturnType<typeof start> | undefined;
  const keys = () =>
    starting ??= start(link, stream, partitions).catch((error) => {
      starting = undefined;
      throw error;
    });
  const owned = owners({ link, ttlMs: ownerTtlMs, lockFolder });
  const writer = batchWriter({ ...options, link, stream, keys, owned, mark: markOf(options) });
  const dispose = async () => {
    await owned[Symbol.asyncDispose]();
    await link[Symbol.asyncDispose]();
  };
  try {
    await inTime(keys(), Infinity, options.stop);
  } catch (error) {
    if (!(error instanceof TransientError)) {
      await dispose();
      throw error;
    }
  }
  return {
    name: "redis",
    describe: `redis ${link.describe} ${stream}`,
    write: (batch, { signal }) => writer.write(batch, signal),
    checkpoints: { load: writer.load, ended: writer.ended, save: writer.save, forget: writer.forget },
    figures: writer.figures,
    [Symbol.asyncDispose]: dispose,
  };
}

function checkOptions({ partitions, highWaterMark, maxLength, stream }: RedisSinkOptions): void {
  if (partitions !== undefined && !(Number.isInteger(partitions) && partitions >= 1 && partitions <= 1024)) {
    throw new ConfigError(`Cannot use --partitions ${partitions}: it must be from 1 to 1024`);
  }
  if (stream !== undefined && /[{}]|^$/.test(stream)) {
    throw new ConfigError(`Cannot use --stream "${stream}": it must be a name without braces`);
  }
  if (highWaterMark && maxLength !== undefined && highWaterMark >= maxLength) {
    throw new ConfigError(
      `Cannot use --high-water-mark ${highWaterMark} with --redis-maxlen ${maxLength}: it would never be reached`,
    );
  }
}

function warnOfTrimming(options: RedisSinkOptions): void {
  const { maxLength, leastAgeMs } = options;
  if (maxLength === undefined && leastAgeMs === undefined) return;
  const limits = [
    ...maxLength === undefined ? [] : [`${maxLength} entries`],
    ...leastAgeMs === undefined ? [] : [`${leastAgeMs / 1000} s`],
  ].join(" and ");
  const mark = markOf(options) || "none";
  log.warn("Entries beyond {limits} are trimmed, read or not; the high-water mark is {mark}", { limits, mark });
}

/** A mark that nobody asked for steps back behind a length that somebody did ask for. */
function markOf({ highWaterMark, maxLength }: RedisSinkOptions): number {
  if (highWaterMark !== undefined) return highWaterMark;
  return maxLength !== undefined && maxLength <= MARK ? 0 : MARK;
}
