/**
 * The contract's place in a Redis: a stream that no other test has, read as consumers read it.
 *
 * @module
 */
import type { RedisSinkOptions } from "../../lib/sinks/redis.ts";
import { SINKS, type SinkSettings } from "../../lib/sinks/registry.ts";
import { partitionOf, streamEntries } from "../../lib/transforms/stream_events.ts";
import { redisLink } from "../../lib/net/redis/link.ts";
import { partitionStream } from "../../lib/net/redis/stream_keys.ts";
import type { SinkFixture } from "./sink_contract.ts";

/** A stream, or the partitions of one, which are read one after the other. */
export function redisFixture(
  url: string,
  settings: SinkSettings,
  { partitions }: Pick<RedisSinkOptions, "partitions"> = {},
): SinkFixture {
  const stream = `contract-${crypto.randomUUID()}`;
  const redis: RedisSinkOptions = { connection: { url }, stream, partitions };
  const streams = partitions === undefined
    ? [stream]
    : Array.from({ length: partitions }, (_, i) => partitionStream(stream, i));
  return {
    open: () => SINKS.redis.open({ ...settings, redis }),
    async read() {
      await using link = redisLink({ url });
      const found: [string, [string, string]][][] = [];
      for (const each of streams) found.push(await link.send(each, ["XRANGE", each, "-", "+"]));
      return found.flat().map(([, [field, value]]) => `${field} ${value}`);
    },
    expected(events) {
      const entries = streamEntries()(events);
      const partition = ({ did }: { did: string }) => partitions === undefined ? 0 : partitionOf(did, partitions);
      return streams.flatMap((_, i) => entries.filter((each) => partition(each) === i))
        .map(({ field, value }) => `${field} ${value}`);
    },
  };
}
