/**
 * `dead-letter list`, `show`, `retry`, `purge`: events that could not be read or written.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { type CommandContext, type CommandGroup, defineSubcommand } from "../kit/command.ts";
import { duration, integer, toggle } from "../kit/option.ts";
import { deadStreamOptions, entryOptions, retryOptions, whichOptions } from "../options/dead_letter.ts";

const list = defineSubcommand({
  brief: "Open entries, oldest first",
  examples: [
    { run: "bskyingest dead-letter list", does: "of the only dead letter there is" },
    { run: "bskyingest dead-letter list --state-key jetstream --reason not_json", does: "of one run, one kind" },
    { run: "bskyingest dead-letter list --stream firehose_live", does: "what consume gave up on" },
  ],
  options: {
    ...whichOptions,
    ...deadStreamOptions,
    ...entryOptions,
    limit: integer("limit", { help: "At most so many", min: 1, common: true }, 100),
    all: toggle("all", { help: "Retried ones too", common: true }),
  },
  async run(context) {
    const { values, globals } = context;
    const stream = streamOf(context);
    if (stream !== undefined) {
      const { listDeadStream } = await import("../ingest/dead_stream.ts");
      await listDeadStream(context, { ...values, stream }, values.limit);
      return 0;
    }
    const { listDeadLetter } = await import("../../lib/state/dead_letter_reader.ts");
    const { lineOf } = await import("../dead_letter_text.ts");
    const { reason, stage, since, limit, all } = values;
    const onUnreadable = (lines: number) => {
      if (lines > 0) context.stderr(`${lines} lines cannot be read`);
    };
    let shown = 0;
    for await (
      const { entry, state } of listDeadLetter(await find(context), { reason, stage, since, limit, all, onUnreadable })
    ) {
      shown++;
      await context.stdout(globals.json ? JSON.stringify({ ...entry, state }) : lineOf(entry, state));
    }
    if (shown === 0) context.stderr("No dead letters");
    return 0;
  },
});

const show = defineSubcommand({
  brief: "Whole entries",
  examples: [
    { run: "bskyingest dead-letter show 01J...", does: "what died, and why" },
    { run: "bskyingest dead-letter show 1783175892000-0 --stream firehose_live", does: "what consume gave up on" },
  ],
  positionals: [{ name: "ID", help: "As dead-letter list shows it", required: true, repeatable: true }],
  options: {
    ...whichOptions,
    ...deadStreamOptions,
    raw: toggle("raw", { help: "Only the original bytes; of a stream's entries the values", common: true }),
  },
  async run(context) {
    const { values, positionals: ids } = context;
    const stream = streamOf(context);
    if (stream !== undefined) {
      const { showDeadStream } = await import("../ingest/dead_stream.ts");
      await showDeadStream(context, { ...values, stream }, { ids, raw: values.raw });
      return 0;
    }
    const { showDeadLetter } = await import("../../lib/state/dead_letter_reader.ts");
    const { originalBytes } = await import("../../lib/state/dead_letter.ts");
    const { wholeText } = await import("../dead_letter_text.ts");
    for (const { entry, state } of await showDeadLetter(await find(context), ids)) {
      if (values.raw) await writeBytes(originalBytes(entry));
      else if (context.globals.json) await context.stdout(JSON.stringify({ ...entry, state }));
      else await context.stdout(wholeText({ ...entry, state }));
    }
    return 0;
  },
});

const retry = defineSubcommand({
  brief: "Bring entries to their sink again, once what was wrong is mended",
  description:
    "Reads broken messages again and writes refused events again, the oldest first, with the filters that are given. " +
    "An entry goes to the sink that refused it, one of a source or filter to where new events would go; --sink names another " +
    "one for all. What is done is marked, what fails again gets a new entry in place of the old one. A message of which only a " +
    "part was kept stays. Exit status 0 when all are gone, else 3. --stream without --dead-letter and --state-key: what consume gave " +
    "up on of that stream of Redis is put back into it, for every group.",
  examples: [
    { run: "bskyingest dead-letter retry --dry-run", does: "what would become of them" },
    { run: "bskyingest dead-letter retry --reason too_large", does: "all of one kind" },
    {
      run: "bskyingest dead-letter retry --stage source -c app.bsky.feed.like",
      does: "broken messages, if they are likes",
    },
  ],
  options: retryOptions,
  async run(context) {
    const { values } = context;
    const stream = streamOf(context);
    if (stream !== undefined) {
      const { retryDeadStream } = await import("../ingest/dead_stream.ts");
      return await retryDeadStream(context, { ...values, stream, ids: values.id });
    }
    const { runRetry } = await import("../ingest/retry.ts");
    return await runRetry(context, await find(context));
  },
});

const purge = defineSubcommand({
  brief: "Remove entries",
  examples: [
    { run: "bskyingest dead-letter purge --retried", does: "those that were dealt with" },
    { run: "bskyingest dead-letter purge --older-than 30d", does: "old ones" },
  ],
  options: {
    ...whichOptions,
    ...deadStreamOptions,
    ...entryOptions,
    olderThan: duration("older-than", { help: "Only those older than that", common: true }),
    retried: toggle("retried", { help: "Only those that were retried", common: true }),
    all: toggle("all", { help: "Every entry", common: true }),
  },
  async run(context) {
    const { reason, stage, since, olderThan, retried, all } = context.values;
    const before = olderThan === undefined ? undefined : Date.now() - olderThan;
    const stream = streamOf(context);
    if (stream !== undefined) {
      const { purgeDeadStream } = await import("../ingest/dead_stream.ts");
      await purgeDeadStream(context, { ...context.values, stream, before });
      return 0;
    }
    const { purgeDeadLetter } = await import("../../lib/state/dead_letter_reader.ts");
    const result = await purgeDeadLetter(await find(context), { reason, stage, since, before, retried, all });
    context.stderr(`Removed ${result.removed} entries, kept ${result.kept}`);
    if (result.unreadable > 0) context.stderr(`Kept ${result.unreadable} lines that cannot be read`);
    return 0;
  },
});

/** The `dead-letter` command. */
export const command: CommandGroup = {
  examples: [list, show, retry, purge].flatMap(({ examples }) => examples.slice(0, 1)),
  subcommands: { list, show, retry, purge },
};

type Where = Pick<CommandContext<typeof whichOptions & typeof deadStreamOptions>, "values" | "origins" | "env">;

/**
 * The stream whose dead entries are meant. Beside a file `--stream` is where `retry` writes to, and where a setting names a stream, it is
 * for runs.
 *
 * @throws {ConfigError} Where only its dead stream is named.
 */
function streamOf(
  { values: { deadLetter, stateKey, stream, deadStream }, origins }: Pick<Where, "values" | "origins">,
): string | undefined {
  const named = origins.stream.source === "flag" ? stream : undefined;
  if (named !== undefined && deadLetter === undefined && stateKey === undefined) return named;
  if (named === undefined && origins.deadStream.source === "flag") {
    throw new ConfigError(`Cannot use --dead-stream ${deadStream}: --stream must say whose it is`);
  }
  return undefined;
}

/** `--dead-letter`, else that of `--state-key`, else the only one there is. */
async function find({ values, env }: Pick<Where, "values" | "env">): Promise<string> {
  if (values.deadLetter !== undefined) return values.deadLetter;
  const { checkStateKey, deadLetterFile, stateFolder } = await import("../../lib/state/paths.ts");
  const folder = stateFolder(env);
  if (values.stateKey !== undefined) return deadLetterFile(folder, checkStateKey(values.stateKey));
  const { onlyDeadLetter } = await import("../../lib/state/dead_letter_reader.ts");
  return await onlyDeadLetter(folder);
}

async function writeBytes(bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await Deno.stdout.write(bytes.subarray(done));
}
