/**
 * `backfill`: the list of all repos.
 *
 * @module
 */
import type { IngestOptions } from "../ingest/transfer.ts";
import { type CommandContext, defineCommand } from "../kit/command.ts";
import { backfillOptions } from "../options/firehose.ts";

/** How often a list that was read to its end is looked at again where the run does not end with it, in milliseconds. */
const RECHECK_MS = 300_000;

/** The `backfill` command. */
export const command = defineCommand({
  description:
    "Reads the list of repos of relays or PDSs, page by page, to its end. A run that was interrupted goes on with the page behind " +
    "the last one that is safe; a list that was read to its end is not read again without --restart.",
  examples: [
    { run: "bskyingest backfill", does: "every repo that bsky.network knows, into ./bskyingest.db" },
    { run: "bskyingest backfill --sink redis", does: "the stream repo_backfill, for workers that fetch repos" },
  ],
  options: backfillOptions,
  async run(context) {
    const { values } = context;
    const { prefixOf, stateOf } = await import("../ingest/live_sources.ts");
    const { SHORT_LIST, simulateRelay } = await import("../ingest/simulate_relay.ts");
    const simulation = values.simulate ? await simulateRelay(values.numRecords, [], SHORT_LIST) : undefined;
    await using _server = simulation?.server;
    const { listRepos } = await import("../../lib/sources/list_repos.ts");
    const { readSource } = await import("../ingest/reading.ts");
    const { runIngest } = await import("../ingest/run.ts");
    return await runIngest({
      context: context as unknown as CommandContext<IngestOptions>,
      state: stateOf("backfill", values.simulate),
      // deno-lint-ignore require-await -- faults of the options must come by the promise
      async makeReading({ key, sink }) {
        const place = simulation?.place ?? { hosts: values.relayHosts };
        const { numRecords, restart, skipBadPages } = values;
        // A page is never cut.
        const pageSize = numRecords > 0 ? Math.min(values.pageSize, numRecords) : values.pageSize;
        const keyPrefix = prefixOf(context, key, sink, values.simulate);
        const source = listRepos({
          ...place,
          pageSize,
          restart,
          skipBadPages,
          keyPrefix,
          ...(context.inPlace && { recheckMs: RECHECK_MS }),
        });
        return readSource(source, { name: source.hosts.join(",") });
      },
      endOfSource: "source",
      live: false,
      limit: values.numRecords,
      maxTimeMs: values.maxTime,
    });
  },
});
