/**
 * `consume`: Redis streams, as a consumer group, into any sink.
 *
 * @module
 */
import type { IngestOptions } from "../ingest/transfer.ts";
import { type CommandContext, defineCommand } from "../kit/command.ts";
import { deliveryOptions, sinkOptions } from "../options/delivery.ts";
import { filterOptions } from "../options/filters.ts";
import { listenOptions } from "../options/listen.ts";
import { consumeOptions } from "../options/redis.ts";

/** Whoever shares work knows where it goes. */
const sink = { ...deliveryOptions.sink, defaultText: "it must be named" };

/** The `consume` command. */
export const command = defineCommand({
  description:
    "Reads streams that --sink redis, or one of the older ingesters, fills. Run it as often and on as many machines as needed: " +
    "the processes of one group share the entries. An entry is acknowledged once its events are safe; what a process that was " +
    "killed had not acknowledged, another one takes over. An entry that cannot be read, or that the sink refuses for good, goes to " +
    "the dead stream beside its own.",
  examples: [
    {
      run: "bskyingest consume --sink sqlite",
      does: "the stream firehose_live of the server here into ./bskyingest.db",
    },
    {
      run: "bskyingest consume --from-stream jetstream_live --group search --sink elasticsearch",
      does: "another stream, as one of the group search",
    },
    { run: "bskyingest consume --from-stream jobs --sink stdout --raw", does: "entries of any stream, one on a line" },
    { run: "bskyingest consume --sink stdout --dry-run", does: "see whether it could, and change nothing" },
  ],
  options: { ...consumeOptions, ...filterOptions, ...deliveryOptions, sink, ...sinkOptions, ...listenOptions },
  async run(context) {
    const { consumeReading } = await import("../ingest/consume.ts");
    const { runIngest } = await import("../ingest/run.ts");
    const { CONSUME_STATE } = await import("../ingest/target.ts");
    await using resources = new AsyncDisposableStack();
    return await runIngest({
      context: context as unknown as CommandContext<IngestOptions>,
      state: CONSUME_STATE,
      makeReading: (target) => consumeReading(context as never, target, resources),
      endOfSource: "source",
      live: true,
      limit: 0,
      maxTimeMs: 0,
    });
  },
});
