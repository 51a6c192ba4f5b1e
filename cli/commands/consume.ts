/**
 * `consume`: Redis streams, as a consumer group, or a queue, into any sink.
 *
 * @module
 */
import type { IngestOptions } from "../ingest/transfer.ts";
import { type CommandContext, defineCommand } from "../kit/command.ts";
import { deliveryOptions, sinkOptions } from "../options/delivery.ts";
import { filterOptions } from "../options/filters.ts";
import { fromQueueOptions } from "../options/queue.ts";
import { consumeOptions } from "../options/redis.ts";

/** Whoever shares work knows where it goes. */
const sink = { ...deliveryOptions.sink, defaultText: "it must be named" };

/** The `consume` command. */
export const command = defineCommand({
  description:
    "Reads streams that --sink redis, or one of the older ingesters, fills. Run it as often and on as many machines as needed: " +
    "the processes of one group share the entries. An entry is acknowledged once its events are safe; what a process that was " +
    "killed had not acknowledged, another one takes over. An entry that cannot be read, or that the sink refuses for good, goes to " +
    "the dead stream beside its own. With --from-queue it reads a queue instead, in the same way: a row is acknowledged once its events " +
    "are safe, and records that cannot be read go to the dead letter.",
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
    { run: "bskyingest consume --from-queue jetstream_sync --once --sink sqlite", does: "what is in a queue now" },
    { run: "bskyingest consume --sink stdout --dry-run", does: "see whether it could, and change nothing" },
  ],
  options: { ...consumeOptions, ...fromQueueOptions, ...filterOptions, ...deliveryOptions, sink, ...sinkOptions },
  async run(context) {
    const { runIngest } = await import("../ingest/run.ts");
    const { CONSUME_QUEUE_STATE, CONSUME_STATE } = await import("../ingest/target.ts");
    const isQueue = context.values.fromQueue !== undefined;
    const makeReading = isQueue
      ? (await import("../ingest/consume_queue.ts")).queueReading
      : (await import("../ingest/consume.ts")).consumeReading;
    await using resources = new AsyncDisposableStack();
    return await runIngest({
      context: context as unknown as CommandContext<IngestOptions>,
      state: isQueue ? CONSUME_QUEUE_STATE : CONSUME_STATE,
      makeReading: (target) => makeReading(context as never, target, resources),
      endOfSource: "source",
      live: true,
      limit: 0,
      maxTimeMs: 0,
    });
  },
});
