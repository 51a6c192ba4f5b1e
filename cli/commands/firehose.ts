/**
 * `firehose`: every commit of every repo, from relays.
 *
 * @module
 */
import type { IngestOptions } from "../ingest/transfer.ts";
import { type CommandContext, defineCommand } from "../kit/command.ts";
import { firehoseOptions } from "../options/firehose.ts";

/** The `firehose` command. */
export const command = defineCommand({
  description:
    "Without options: everything that bsky.network relays, live, into ./bskyingest.db, resuming where the last run ended. Each " +
    "host has a position of its own; blocks are compared with their hashes.",
  examples: [
    { run: "bskyingest firehose --simulate -n 10000", does: "10,000 made-up events, without a network" },
    { run: "bskyingest firehose -c app.bsky.feed.post --sink ndjson", does: "all new posts into a file" },
    { run: "bskyingest firehose --sink redis", does: "the stream firehose_live, for consumers of older ingesters" },
  ],
  options: firehoseOptions,
  async run(context) {
    const { values } = context;
    const { firehoseOf, liveOf, prefixOf, stateOf } = await import("../ingest/live_sources.ts");
    const { simulateRelay } = await import("../ingest/simulate_relay.ts");
    const simulation = values.simulate ? await simulateRelay(values.numRecords, values.wantedCollections) : undefined;
    await using _server = simulation?.server;
    const { firehose } = await import("../../lib/sources/firehose.ts");
    const { readSource } = await import("../ingest/reading.ts");
    const { runIngest } = await import("../ingest/run.ts");
    return await runIngest({
      context: context as unknown as CommandContext<IngestOptions>,
      state: stateOf("firehose", values.simulate),
      // deno-lint-ignore require-await -- faults of the options must come by the promise
      async makeReading({ key, sink }) {
        const place = simulation?.place ?? { hosts: values.relayHosts };
        const live = liveOf(values, place, prefixOf(context, key, sink, values.simulate));
        const source = firehose(firehoseOf(context, live, sink === "redis" && values.format === "rsky"));
        return readSource(source, {
          name: source.hosts.join(","),
          collections: collectionsOf(values.wantedCollections),
          copies: source.hosts.length > 1 && !values.dedupe,
        });
      },
      endOfSource: "until",
      live: true,
      limit: values.numRecords,
      maxTimeMs: values.maxTime,
    });
  },
});

function collectionsOf(wanted: readonly string[]): readonly string[] | undefined {
  return wanted.includes("all") ? undefined : wanted;
}
