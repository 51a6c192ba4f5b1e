/**
 * `queue list`, `stats`, `take`, `ack`, `requeue`, `purge`: working with the rows of a queue.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { type CommandGroup, defineSubcommand } from "../kit/command.ts";
import {
  queueAckOptions,
  queueDirOption,
  queueListOptions,
  queuePurgeOptions,
  queueRequeueOptions,
  queueTakeOptions,
} from "../options/queue.ts";

const name = { name: "NAME", help: "Which queue", required: true } as const;
const receipts = { name: "RECEIPT", help: "As take printed it; - = from stdin", repeatable: true } as const;

const list = defineSubcommand({
  brief: "The queues of a folder, or the rows of one, oldest first",
  examples: [
    { run: "bskyingest queue list", does: "which queues there are" },
    { run: "bskyingest queue list jetstream_sync --status failed --json", does: "a JSON object a row" },
  ],
  positionals: [{ ...name, required: false }],
  options: queueListOptions,
  async run(context) {
    const { values: { queueDir, status, limit, after }, globals, positionals, stdout } = context;
    const { rowsTable, table } = await import("../queue/text.ts");
    const print = async (rows: readonly object[], lines: readonly string[]) => {
      for (const line of globals.json ? rows.map((row) => JSON.stringify(row)) : lines) await stdout(line);
    };
    if (positionals.length === 0) {
      const { queuesIn } = await import("../../lib/sinks/queue.ts");
      const queues = await queuesIn(queueDir);
      const rows = queues.map(({ queue, rows, bytes, file }) => [queue, rows, bytes, file]);
      await print(queues, table(["queue", "rows", "bytes", "file"], rows));
      return 0;
    }
    const { openNamed } = await import("../queue/open.ts");
    await using queue = await openNamed(context);
    const rows = await queue.list({ status, limit, after });
    await print(rows, rowsTable(rows));
    return 0;
  },
});

const stats = defineSubcommand({
  brief: "Counts and ages; reads the whole file",
  examples: [{ run: "bskyingest queue stats jetstream_sync --json", does: "how much is waiting, since when" }],
  positionals: [name],
  options: queueDirOption,
  async run(context) {
    const { globals, positionals, stdout } = context;
    const { openNamed } = await import("../queue/open.ts");
    const { statsText } = await import("../queue/text.ts");
    await using queue = await openNamed(context);
    const figures = { queue: positionals[0]!, ...await queue.stats() };
    if (globals.json) await stdout(JSON.stringify(figures));
    else await stdout(statsText(figures).join("\n"));
    return 0;
  },
});

const take = defineSubcommand({
  brief: "Lease the oldest rows and print them, a JSON object a line",
  description:
    "Nothing to take: no output, exit status 0. A row that is neither acknowledged nor given back before its " +
    "lease ends can be taken again; its receipt, <id>.<takes>, counts until that happens.",
  examples: [
    { run: "bskyingest queue take jetstream_sync --lease 60s", does: "one row, for a minute" },
    { run: "bskyingest queue take jetstream_sync -n 10 --records --wait 30s", does: "the records of ten rows" },
    { run: "bskyingest queue take jetstream_sync --extend 17.1 --lease 10m", does: "row 17 for longer" },
  ],
  positionals: [name, receipts],
  options: queueTakeOptions,
  run: async (context) => await (await import("../queue/take.ts")).takeRows(context),
});

const ack = defineSubcommand({
  brief: "Rows are done; exit status 1 if a receipt is stale",
  examples: [
    { run: "bskyingest queue ack jetstream_sync 17.1", does: "row 17 is completed" },
    {
      run: "jq -r .receipt taken.ndjson | bskyingest queue ack jetstream_sync - --delete",
      does: "many at once, deleted",
    },
  ],
  positionals: [name, receipts],
  options: queueAckOptions,
  async run(context) {
    const { openNamed } = await import("../queue/open.ts");
    const { receiptsOf, tellOutcome } = await import("../queue/receipts.ts");
    const given = await receiptsOf(context.positionals.slice(1));
    await using queue = await openNamed(context);
    return await tellOutcome(context, await queue.ack(given, { remove: context.values.delete }));
  },
});

const requeue = defineSubcommand({
  brief: "Give rows back, or move all of a status to pending; exit status 1 if a receipt is stale",
  examples: [
    { run: "bskyingest queue requeue jetstream_sync 17.1 --delay 5m --error timeout", does: "try row 17 again later" },
    { run: "bskyingest queue requeue jetstream_sync --status failed", does: "a fresh start for all that failed" },
  ],
  positionals: [name, receipts],
  options: queueRequeueOptions,
  run: async (context) => await (await import("../queue/requeue.ts")).requeueRows(context),
});

const purge = defineSubcommand({
  brief: "Delete rows",
  examples: [
    { run: "bskyingest queue purge jetstream_sync --status completed --older-than 1d", does: "what was done before" },
    { run: "bskyingest queue purge jetstream_sync --status completed,failed --vacuum", does: "and a smaller file" },
  ],
  positionals: [name],
  options: queuePurgeOptions,
  async run(context) {
    const { values: { status: statuses, olderThan, keep, vacuum, force }, globals, stdout } = context;
    if (statuses.length === 0) throw new ConfigError("Cannot purge: --status is not set");
    const undone = statuses.find((status) => status === "pending" || status === "processing");
    if (undone !== undefined && !force) {
      throw new ConfigError(`Cannot purge ${undone} rows without --force: nobody has worked on them`);
    }
    const { openNamed } = await import("../queue/open.ts");
    await using queue = await openNamed(context);
    const removed = await queue.purge({ statuses, olderThanMs: olderThan, keep });
    if (vacuum) await queue.vacuum();
    await stdout(globals.json ? JSON.stringify({ removed }) : `Removed ${removed} rows`);
    return 0;
  },
});

/** The `queue` command. */
export const command: CommandGroup = {
  description:
    "Queues are SQLite files that bskyingest connector, or any command with --sink queue, fills. Many consumers " +
    "can take rows at once, also while the writer runs.",
  examples: [list, take, ack].flatMap(({ examples }) => examples.slice(0, 1)),
  subcommands: { list, stats, take, ack, requeue, purge },
};
