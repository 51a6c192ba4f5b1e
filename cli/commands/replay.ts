/**
 * `replay`: recordings, event lines and frame files through any pipeline.
 *
 * @module
 */
import type { IngestOptions } from "../ingest/transfer.ts";
import { type CommandContext, defineCommand } from "../kit/command.ts";
import { deliveryOptions, sinkOptions } from "../options/delivery.ts";
import { filterOptions } from "../options/filters.ts";
import { replayOptions } from "../options/replay.ts";

/** The `replay` command. */
export const command = defineCommand({
  description:
    "Reads what record saved, Jetstream lines of either wire, and messages of Jetstream, frames of relays and of labelers with " +
    "their length (u32 LE) in front, plain or compressed with gzip or zstd, as a whole or (Jetstream, zstd) message by message. A " +
    "replay that was interrupted goes on there; one that came to its end begins anew.",
  examples: [
    { run: "bskyingest replay jetstream.rec.zst", does: "everything into ./bskyingest.db" },
    { run: "bskyingest replay a.jsonl b.jsonl.gz --sink stdout", does: "two files, one after the other" },
    { run: "bskyingest replay jetstream.rec.zst --speed 10 --sink null", does: "ten times as fast as it came" },
    {
      run: "bskyingest replay frames.bin.zst -c app.bsky.feed.post --sink ndjson",
      does: "the posts of a relay's frames",
    },
  ],
  positionals: [
    { name: "FILE", help: "What to read, in this order; - = stdin", required: true, repeatable: true, file: true },
  ],
  options: { ...replayOptions, ...filterOptions, ...deliveryOptions, ...sinkOptions },
  async run(context) {
    const { values, positionals: files, given, env } = context;
    const { replay } = await import("../../lib/sources/replay.ts");
    const { dictionarySettings } = await import("../ingest/dictionary.ts");
    const { runIngest } = await import("../ingest/run.ts");
    const { readSource } = await import("../ingest/reading.ts");
    const options = {
      files,
      ...dictionarySettings(values.zstdDictionary, env),
      ...(given("wantedCollections") && { collections: values.wantedCollections }),
      dids: values.wantedDids,
      kinds: values.kinds,
      ...(values.ops.length > 0 && { operations: values.ops }),
      verify: values.verify,
      handles: values.format === "rsky",
      speed: values.speed ?? 0,
      loop: values.loop,
      restart: values.restart,
    };
    return await runIngest({
      context: context as unknown as CommandContext<IngestOptions>,
      state: { defaultKey: "replay", format: "cursors", stream: "jetstream_live" },
      async makeReading({ key }) {
        const source = replay({ ...options, ...(given("stateKey") && { keyPrefix: key }) });
        await source.check(); // before a sink is opened
        return readSource(source, { name: files.join(","), collections: values.wantedCollections });
      },
      endOfSource: "source",
      live: false,
      limit: 0,
      maxTimeMs: 0,
    });
  },
});
