/**
 * `connector`: a bounded capture from Jetstream into a queue that other programs take batches from.
 *
 * @module
 */
import type { IngestOptions } from "../ingest/transfer.ts";
import { type CommandContext, defineCommand } from "../kit/command.ts";
import { connectorOptions } from "../options/connector.ts";

/** The `connector` command. */
export const command = defineCommand({
  description:
    "Stands in for the MET Jetstream connector: the same options, the same queue file, and the same members in the summary of " +
    "--json. Without options: 1,000 posts, live, or as many as come in five minutes, into ./queue/jetstream_sync.db. Times are UTC. A " +
    "run that was killed is continued by the next one; one that came to its end is not, unless --resume is given.",
  examples: [
    { run: "bskyingest connector", does: "1,000 posts, or five minutes of them" },
    {
      run: "bskyingest connector -c app.bsky.feed.like -c app.bsky.graph.follow -s 2024-01-01",
      does: "likes and follows, from the oldest that servers still have",
    },
    {
      run: "bskyingest connector --queue-name custom_queue --batch-size 50 -n 10000 --compress",
      does: "more of them into another queue, 50 in each row",
    },
    { run: "bskyingest connector -u alice.bsky.social,bob.bsky.social -c all -t 1h", does: "two accounts for an hour" },
  ],
  options: connectorOptions,
  async run(context) {
    const { values } = context;
    const { checkEnds } = await import("../ingest/connector/start.ts");
    checkEnds(values);
    const { jetstreamRun } = await import("../ingest/jetstream_source.ts");
    await using jetstream = await jetstreamRun(context as unknown as Parameters<typeof jetstreamRun>[0]);
    const { captureReading } = await import("../ingest/connector/reading.ts");
    const { runIngest } = await import("../ingest/run.ts");
    const { CONNECTOR_STATE } = await import("../ingest/target.ts");
    return await runIngest({
      context: context as unknown as CommandContext<IngestOptions>,
      state: jetstream.simulated ? { ...CONNECTOR_STATE, defaultKey: "connector-simulate" } : CONNECTOR_STATE,
      makeReading: async ({ key }) => captureReading(await jetstream.makeSource(key), values),
      endOfSource: "end",
      live: true,
      limit: values.numRecords,
      maxTimeMs: values.maxTime,
    });
  },
});
