/**
 * `megastream`: enriched posts from `.db.zip` files.
 *
 * @module
 */
import type { IngestOptions } from "../ingest/transfer.ts";
import { type CommandContext, defineCommand } from "../kit/command.ts";
import { megastreamOptions } from "../options/megastream.ts";

/** The `megastream` command. */
export const command = defineCommand({
  description:
    "Reads every file once, row by row, in the order of their times, and goes on inside a file where the last run ended. A file that " +
    "cannot be read is told and left; others go on. Exit status of --mode once: 0 all done, 3 bad files or dead letters, 1 the sink " +
    "gave up, 75 another run is at it.",
  examples: [
    {
      run: "bskyingest megastream --path /data/mega",
      does: "what is there and was not read yet, into ./bskyingest.db",
    },
    {
      run: "bskyingest megastream --source s3 --s3-bucket NAME --mode spool --elasticsearch-url URL",
      does: "a bucket, for ever, into Elasticsearch",
    },
    {
      run: "bskyingest megastream --path /data/mega --dry-run",
      does: "what is in the files, and what would be written",
    },
  ],
  options: megastreamOptions,
  async run(context) {
    const { makeReading } = await import("../ingest/megastream/reading.ts");
    const { runIngest } = await import("../ingest/run.ts");
    const { MEGASTREAM_STATE } = await import("../ingest/target.ts");
    return await runIngest({
      context: context as unknown as CommandContext<IngestOptions>,
      state: MEGASTREAM_STATE,
      makeReading: (target) => makeReading(context, target),
      endOfSource: "source",
      live: false,
      limit: 0,
      maxTimeMs: 0,
    });
  },
});
