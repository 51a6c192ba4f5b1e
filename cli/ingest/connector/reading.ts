/**
 * A capture of Jetstream as what a run reads: which events count, where it begins, and that it came to its end.
 *
 * @module
 */
import type { Counters } from "../../../lib/pipeline/counters.ts";
import type { Cursor } from "../../../lib/pipeline/batch.ts";
import type { CheckpointStore } from "../../../lib/pipeline/sink.ts";
import type { JetstreamSource } from "../../../lib/sources/jetstream/jetstream.ts";
import type { Values } from "../../kit/declaration.ts";
import type { connectorOptions } from "../../options/connector.ts";
import { type Reading, readSource } from "../reading.ts";
import { beginningLive, startOf } from "./start.ts";
import { captureSummary } from "./summary.ts";

/** Prepares to read. */
export function captureReading(source: JetstreamSource, values: Values<typeof connectorOptions>): Reading {
  let counters: Counters | undefined;
  return {
    ...readSource(source, { name: source.hosts.join(","), collections: source.collections }),
    counts: values.count === "commits" ? ({ kind }) => kind === "commit" : undefined,
    async run(delivery) {
      counters = delivery.counters;
      const { positions } = delivery;
      const cursor = await positions?.load(source.key);
      const ended = await positions?.ended?.(source.key) ?? false;
      const { live, text } = startOf({ cursor, ended }, values);
      delivery.announce(text);
      const { endedBy } = await delivery.pipe(live ? beginningLive(source) : source);
      // A run that never was connected changes nothing: a killed one may still be continued.
      if (positions && source.stats.connections > 0) {
        await saveEnd(positions, source, delivery.counters.cursors.get(source.key), cursor);
      }
      return endedBy;
    },
    report: (figures, ending) =>
      captureSummary({
        ...ending,
        counters,
        ignored: source.stats.ignored,
        queueLength: (figures as { readonly length?: number } | undefined)?.length,
        dryRun: values.dryRun,
        limit: values.numRecords,
        hasEnd: values.endTimestamp !== undefined,
      }),
  };
}

/** Marks the position as one where a run came to its end: the one that this run reached, or else the one that it found. */
async function saveEnd(
  positions: CheckpointStore,
  { key, seal }: JetstreamSource,
  reached: Cursor | undefined,
  found: Cursor | undefined,
): Promise<void> {
  const cursor = reached === undefined ? found : seal?.(reached, key) ?? reached;
  if (cursor !== undefined) await positions.save(key, cursor, true);
}
