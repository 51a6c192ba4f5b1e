/**
 * What the options of `redis` come to.
 *
 * @module
 */
import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { RedisLinkOptions, RedisSinkOptions } from "../../lib/sinks/redis.ts";
import type { RedisSourceOptions } from "../../lib/sources/redis.ts";
import { fileError } from "../../lib/state/files.ts";
import type { Values } from "../kit/declaration.ts";
import type { Target } from "./target.ts";
import type { consumeOptions, redisConnectionOptions, redisOptions } from "../options/redis.ts";

const log = getLogger(["bskyingest", "redis"]);

/** What the sink needs of the run besides its options. */
export type RedisFacts = Pick<RedisSinkOptions, "lockFolder" | "recordGaps" | "stop" | "host" | "givenOnce"> & {
  /** The stream, whether it was named or follows from the command. */
  readonly stream: string;
};

/** Of a run; undefined: another sink is the one. */
export function redisFacts(
  { stream, gaps }: Target,
  stop: AbortSignal,
  facts: Pick<RedisFacts, "recordGaps" | "host" | "givenOnce"> = {},
): RedisFacts | undefined {
  return stream === undefined ? undefined : { stream, stop, lockFolder: dirname(gaps), ...facts };
}

/**
 * The options of the sink.
 *
 * @throws {ConfigError} If a certificate or key cannot be read.
 */
export function redisOf(
  values: Values<typeof redisOptions>,
  facts: RedisFacts,
): RedisSinkOptions {
  return {
    connection: redisConnectionOf(values),
    format: values.format,
    partitions: values.partitions,
    highWaterMark: values.highWaterMark,
    backpressure: values.backpressure,
    backpressureMs: values.backpressureInterval,
    maxLength: values.redisMaxlen,
    leastAgeMs: values.redisMinidAge,
    maxEntryBytes: values.redisMaxEntry,
    waitReplicas: values.redisWait,
    ...facts,
  };
}

/**
 * How to reach the server.
 *
 * @throws {ConfigError} If a certificate or key cannot be read.
 */
export function redisConnectionOf(values: Values<typeof redisConnectionOptions>): RedisLinkOptions {
  const { redisCert, redisKey, redisSkipTlsVerify: skipTlsVerify } = values;
  if ((redisCert === undefined) !== (redisKey === undefined)) {
    throw new ConfigError("Cannot use --redis-cert and --redis-key alone: each needs the other");
  }
  if (skipTlsVerify) log.warn("The certificate of Redis is not verified: --redis-skip-tls-verify is set");
  return {
    url: values.redisUrl,
    password: values.redisPassword,
    caCert: read(values.redisCaCert),
    cert: read(redisCert),
    key: read(redisKey),
    skipTlsVerify,
  };
}

/**
 * The options of the source.
 *
 * @throws {ConfigError} If a certificate or key cannot be read, or a partition is no number.
 */
export function consumeOf(
  values: Values<typeof redisConnectionOptions & typeof consumeOptions>,
  consumer: string,
): RedisSourceOptions {
  const connection = redisConnectionOf(values);
  return {
    connection: { ...connection, url: values.fromRedisUrl ?? connection.url },
    streams: values.fromStream,
    partitions: values.partition.length === 0 ? undefined : values.partition.map(partitionNumber),
    group: values.group,
    consumer: values.consumer ?? consumer,
    from: values.from,
    ...(values.count !== undefined && { count: values.count }),
    blockMs: values.block,
    claimIdleMs: values.claimIdle,
    claimMs: values.claimInterval,
    maxDeliveries: values.maxDeliveries,
    deadStream: values.deadStream,
    raw: values.raw,
    afterAck: values.afterAck,
  };
}

function partitionNumber(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new ConfigError(`Cannot use --partition "${text}": it must be a number from 0 on`);
}

function read(file: string | undefined): string | undefined {
  try {
    return file === undefined ? undefined : Deno.readTextFileSync(file);
  } catch (error) {
    throw fileError("read", file!, error);
  }
}
