/**
 * From the sinks' options of the command line to what opens a sink.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { queueFile } from "../../lib/sinks/queue/names.ts";
import type { QueueSinkOptions } from "../../lib/sinks/queue.ts";
import type { SinkName, SinkSettings } from "../../lib/sinks/registry.ts";
import type { Values } from "../kit/declaration.ts";
import type { deliveryOptions, sinkOptions } from "../options/delivery.ts";
import { elasticsearchOf } from "./elasticsearch.ts";
import { type RedisFacts, redisOf } from "./redis.ts";

/** What is known of the events that will come. */
export interface ReadingFacts {
  /** Writes side by side. */
  readonly concurrency: number;
  /** What is read; default: anything. */
  readonly collections?: readonly string[] | undefined;
  /** Whether a create may come after its delete, as it does from files. */
  readonly late?: boolean;
  /** What the sink redis needs of the run, where it is the one. */
  readonly redis?: RedisFacts | undefined;
  /** Makes gaps durable, for sinks that keep the position but not the gaps. */
  readonly recordGaps?: QueueSinkOptions["recordGaps"];
}

/** The options that sinks read. */
type SinkValues = Values<typeof sinkOptions> & Pick<Values<typeof deliveryOptions>, "batchSize">;

/**
 * What the sink is opened with.
 *
 * @throws {ConfigError} for options that cannot go together, or a file that cannot be read.
 */
export function sinkSettings(
  values: SinkValues,
  sink: SinkName,
  facts: ReadingFacts,
): SinkSettings {
  const { db, table, indexes, retention, out } = values;
  if (indexes.includes("none") && indexes.length > 1) {
    throw new ConfigError('Cannot use --indexes: "none" stands alone');
  }
  return {
    db,
    table,
    indexes: indexes.filter((index) => index !== "none"),
    retentionMs: retention,
    out,
    ...(sink === "elasticsearch" && { elasticsearch: elasticsearchOf(values, facts) }),
    ...(facts.redis && { redis: redisOf(values, facts.redis) }),
    ...(sink === "queue" && { queue: queueSettings(values, facts) }),
  };
}

/** Of the sink `queue`. */
function queueSettings(values: SinkValues, { recordGaps }: ReadingFacts): QueueSinkOptions {
  const { queueDir, queueName, queueMaxBytes, batchSize } = values;
  return {
    file: queueFile(queueDir, queueName),
    maxBytes: queueMaxBytes,
    ...(batchSize !== undefined && { batchSize }),
    recordGaps,
  };
}
