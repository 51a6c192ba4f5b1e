/**
 * `record jetstream`, `firehose`, `labeler`: what a source sends, byte for byte, for `replay`.
 *
 * @module
 */
import { type CommandGroup, defineSubcommand } from "../kit/command.ts";
import { recordFirehoseOptions, recordJetstreamOptions, recordLabelerOptions } from "../options/record.ts";

const KEEPS = "keeps no position. -n counts messages. Killed at any moment, the file lacks the last second at most.";
const FRAMES =
  `Begins live, or where --cursor says, and ${KEEPS} Frames are binary, so that --format ndjson has no place ` +
  "for them. One recording has one host.";

const jetstream = defineSubcommand({
  brief: "Save what Jetstream sends, byte for byte, for replay",
  description: `Begins live, or where --cursor or --start-timestamp say, and ${KEEPS}`,
  examples: [
    { run: "bskyingest record jetstream -t 60", does: "a minute of likes into jetstream-<time>.rec.zst" },
    { run: "bskyingest record jetstream -c all -n 1000 --format ndjson --out events.jsonl", does: "1,000 messages" },
  ],
  options: recordJetstreamOptions,
  async run(context) {
    const { recordJetstream } = await import("../ingest/record_sources.ts");
    return await recordJetstream(context);
  },
});

const firehose = defineSubcommand({
  brief: "Save the frames of a relay or PDS, byte for byte, for replay",
  description: FRAMES,
  examples: [
    { run: "bskyingest record firehose -t 60", does: "a minute of bsky.network into firehose-<time>.rec.zst" },
    { run: "bskyingest record firehose -n 1000 --format frames --out frames.bin.zst", does: "frames and no times" },
  ],
  options: recordFirehoseOptions,
  async run(context) {
    const { recordFirehose } = await import("../ingest/record_sources.ts");
    return await recordFirehose(context);
  },
});

const labeler = defineSubcommand({
  brief: "Save the frames of a labeler, byte for byte, for replay",
  description: FRAMES,
  examples: [
    { run: "bskyingest record labeler --cursor oldest -n 10000", does: "the first 10,000 frames of mod.bsky.app" },
  ],
  options: recordLabelerOptions,
  async run(context) {
    const { recordLabeler } = await import("../ingest/record_sources.ts");
    return await recordLabeler(context);
  },
});

/** The `record` command. */
export const command: CommandGroup = {
  examples: [jetstream, firehose, labeler].flatMap(({ examples }) => examples.slice(0, 1)),
  subcommands: { jetstream, firehose, labeler },
};
