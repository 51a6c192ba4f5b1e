/**
 * `replay`: recordings, event lines and frame files through any pipeline.
 *
 * @module
 */
import { type CommandContext, defineCommand } from "../kit/command.ts";
import { deliveryOptions, sinkOptions } from "../options/delivery.ts";
import { replayOptions } from "../options/replay.ts";

/** The `replay` command. */
export const command = defineCommand({
  description:
    "Reads what record saved, Jetstream lines of either wire, and messages with their length (u32 LE) in front, plain or " +
    "compressed with gzip or zstd. A replay that was interrupted goes on there; one that came to its end begins anew.",
  examples: [
    { run: "bskyingest replay jetstream.rec.zst", does: "everything into ./bskyingest.db" },
    { run: "bskyingest replay a.jsonl b.jsonl.gz --sink stdout", does: "two files, one after the other" },
    { run: "bskyingest replay jetstream.rec.zst --speed 10 --sink null", does: "ten times as fast as it came" },
  ],
  positionals: [
    { name: "FILE", help: "What to read, in this order; - = stdin", required: true, repeatable: true, file: true },
  ],
  options: { ...replayOptions, ...deliveryOptions, ...sinkOptions },
  async run(context) {
    const { values, positionals: files, given } = context;
    const { replay } = await import("../../lib/sources/replay.ts");
    const { runIngest } = await import("../ingest/run.ts");
    const options = {
      files,
      ...(given("wantedCollections") && { collections: values.wantedCollections }),
      dids: values.wantedDids,
      kinds: values.kinds,
      speed: values.speed ?? 0,
      loop: values.loop,
      restart: values.restart,
    };
    await replay(options).check(); // before a sink is opened
    return await runIngest({
      context: context as unknown as CommandContext<typeof deliveryOptions & typeof sinkOptions>,
      defaultKey: "replay",
      makeSource: (key) => ({
        source: replay({ ...options, ...(given("stateKey") && { keyPrefix: key }) }),
        name: files.join(","),
      }),
      stateFormat: "cursors",
      endOfSource: "source",
      live: false,
      limit: 0,
      maxTimeMs: 0,
    });
  },
});
