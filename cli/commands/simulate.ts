/**
 * `simulate`: a local Jetstream server from recorded or made-up events.
 *
 * @module
 */
import { defineCommand } from "../kit/command.ts";
import { simulateOptions } from "../options/simulate.ts";

/** The `simulate` command. */
export const command = defineCommand({
  description:
    "Serves Jetstream v1 (/subscribe) and v2 (subscribeEvents), a relay (subscribeRepos, listRepos, getRepo), a labeler and DID " +
    "documents on one port until a signal. When it listens, it prints a JSON line with its URLs.",
  examples: [
    { run: "bskyingest simulate", does: "made-up events on port 6008, as fast as they are read" },
    { run: "bskyingest simulate events.jsonl --kind legacy", does: "serve the events of a file" },
    { run: "bskyingest simulate --close-after 10", does: "cut each connection after ten events" },
  ],
  positionals: [{
    name: "FILE",
    help: "Jetstream lines of either wire, or a relay's frames (plain, gzip, zstd), instead of made-up events",
    repeatable: true,
    file: true,
  }],
  options: simulateOptions,
  async run(context) {
    const { serveUntilSignal } = await import("../ingest/serve.ts");
    return await serveUntilSignal(context);
  },
});
