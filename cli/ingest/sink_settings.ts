/**
 * From the sinks' options of the command line to what opens a sink.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { SinkName, SinkSettings } from "../../lib/sinks/registry.ts";
import type { Values } from "../kit/declaration.ts";
import type { sinkOptions } from "../options/delivery.ts";
import { elasticsearchOf } from "./elasticsearch.ts";

/** What is known of the events that will come. */
export interface ReadingFacts {
  /** Writes side by side. */
  readonly concurrency: number;
  /** What is read; default: anything. */
  readonly collections?: readonly string[] | undefined;
  /** Whether a create may come after its delete, as it does from files. */
  readonly late?: boolean;
}

/**
 * What the sink is opened with.
 *
 * @throws {ConfigError} for options that cannot go together, or a file that cannot be read.
 */
export function sinkSettings(
  values: Values<typeof sinkOptions>,
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
  };
}
