/**
 * `record jetstream`: what a source sends, byte for byte, for `replay`.
 *
 * @module
 */
import { type CommandGroup, defineSubcommand } from "../kit/command.ts";
import { choice, integer, path, toggle } from "../kit/option.ts";
import { jetstreamOptions } from "../options/jetstream.ts";

const { noRewind: _noRewind, maxRewind: _maxRewind, race: _race, ...readingOptions } = jetstreamOptions;
const group = "Recording";

/** The options of `record jetstream`: those of `jetstream` that are not about saved positions, and where to record to. */
export const recordJetstreamOptions = {
  ...readingOptions,
  numRecords: integer("num-records", {
    help: "End after so many messages; 0 = never",
    group: jetstreamOptions.numRecords.group,
    short: "n",
    common: true,
  }, 0),
  out: path("out", {
    help: "The new file; - = stdout; .zst and .gz compress",
    group,
    common: true,
    defaultText: "jetstream-<time>.rec.zst",
  }),
  format: choice(
    "format",
    { help: "recording keeps times and connections; ndjson: a line a message; frames: length and message", group },
    ["recording", "ndjson", "frames"],
    "recording",
  ),
  dryRun: toggle("dry-run", { help: "Do everything but write", group }),
};

const jetstream = defineSubcommand({
  brief: "Save what Jetstream sends, byte for byte, for replay",
  description:
    "Begins live, or where --cursor or --start-timestamp say, and keeps no position. -n counts messages. Killed at any " +
    "moment, the file lacks the last second at most.",
  examples: [
    { run: "bskyingest record jetstream -t 60", does: "a minute of likes into jetstream-<time>.rec.zst" },
    { run: "bskyingest record jetstream -c all -n 1000 --format ndjson --out events.jsonl", does: "1,000 messages" },
  ],
  options: recordJetstreamOptions,
  async run(context) {
    const { recordJetstream } = await import("../ingest/record.ts");
    return await recordJetstream(context);
  },
});

/** The `record` command. */
export const command: CommandGroup = {
  examples: jetstream.examples,
  subcommands: { jetstream },
};
