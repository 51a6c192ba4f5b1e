/**
 * `labeler`: labels from labelers.
 *
 * @module
 */
import type { IngestOptions } from "../ingest/transfer.ts";
import { type CommandContext, defineCommand } from "../kit/command.ts";
import { labelerOptions } from "../options/firehose.ts";

/** The `labeler` command. */
export const command = defineCommand({
  description:
    "Without options: every label that mod.bsky.app has set or taken back, from its first one on, into ./bskyingest.db, and then live.",
  examples: [
    { run: "bskyingest labeler", does: "Bluesky's own labels" },
    { run: "bskyingest labeler --labeler-hosts a.example,b.example --cursor live", does: "new labels of two labelers" },
  ],
  options: labelerOptions,
  async run(context) {
    const { values } = context;
    const { liveOf, prefixOf, stateOf } = await import("../ingest/live_sources.ts");
    const { simulateRelay } = await import("../ingest/simulate_relay.ts");
    const simulation = values.simulate ? await simulateRelay(values.numRecords, []) : undefined;
    await using _server = simulation?.server;
    const { labels } = await import("../../lib/sources/labels.ts");
    const { readSource } = await import("../ingest/reading.ts");
    const { runIngest } = await import("../ingest/run.ts");
    return await runIngest({
      context: context as unknown as CommandContext<IngestOptions>,
      state: stateOf("labeler", values.simulate),
      // deno-lint-ignore require-await -- faults of the options must come by the promise
      async makeReading({ key, sink }) {
        const place = simulation?.place ?? { hosts: values.labelerHosts };
        const source = labels(liveOf(values, place, prefixOf(context, key, sink, values.simulate)));
        return readSource(source, { name: source.hosts.join(",") });
      },
      endOfSource: "until",
      live: true,
      limit: values.numRecords,
      maxTimeMs: values.maxTime,
    });
  },
});
