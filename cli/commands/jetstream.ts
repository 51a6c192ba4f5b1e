/**
 * `jetstream`: events of chosen collections from Jetstream.
 *
 * @module
 */
import type { IngestOptions } from "../ingest/transfer.ts";
import { type CommandContext, defineCommand } from "../kit/command.ts";
import { deliveryOptions, sinkOptions } from "../options/delivery.ts";
import { filterOptions } from "../options/filters.ts";
import { jetstreamOptions } from "../options/jetstream.ts";

const options = { ...jetstreamOptions, ...filterOptions, ...deliveryOptions, ...sinkOptions };

/** The `jetstream` command. */
export const command = defineCommand({
  description:
    "Without options: likes from the public servers into ./bskyingest.db, resuming where the last run ended.",
  examples: [
    {
      run: "bskyingest jetstream --simulate -n 10000",
      does: "10,000 made-up events into ./bskyingest.db, without a network",
    },
    { run: "bskyingest jetstream -c app.bsky.feed.post", does: "all new posts, live, until Ctrl-C" },
    { run: "bskyingest jetstream -c all --sink stdout | jq .did", does: "everything, one JSON text a line" },
  ],
  options,
  async run(context) {
    const { values } = context;
    const { jetstreamRun } = await import("../ingest/jetstream_source.ts");
    await using jetstream = await jetstreamRun(context);
    const { runIngest } = await import("../ingest/run.ts");
    const { readSource } = await import("../ingest/reading.ts");
    const { JETSTREAM_STATE } = await import("../ingest/target.ts");
    return await runIngest({
      context: context as unknown as CommandContext<IngestOptions>,
      state: jetstream.simulated ? { ...JETSTREAM_STATE, defaultKey: "jetstream-simulate" } : JETSTREAM_STATE,
      async makeReading({ key }) {
        const source = await jetstream.makeSource(key);
        return readSource(source, { name: source.hosts.join(","), collections: source.collections });
      },
      endOfSource: "end",
      live: true,
      limit: values.numRecords,
      maxTimeMs: values.maxTime,
    });
  },
});
