/**
 * `jetstream`: events of chosen collections from Jetstream.
 *
 * @module
 */
import { type CommandContext, defineCommand } from "../kit/command.ts";
import type { Values } from "../kit/declaration.ts";
import { deliveryOptions, sinkOptions } from "../options/delivery.ts";
import { jetstreamOptions } from "../options/jetstream.ts";

const options = { ...jetstreamOptions, ...deliveryOptions, ...sinkOptions };

/** Events a second of `--simulate` without a count: about what the network sends. */
const NETWORK_RATE = 2000;

/** The `jetstream` command. */
export const command = defineCommand({
  description:
    "Without options: likes from the public servers into ./bskyingest.db, resuming where the last run ended.",
  examples: [
    {
      run: "bskyingest jetstream --simulate -n 10000",
      does: "10,000 made-up events into ./bskyingest.db, without a network",
    },
    { run: "bskyingest jetstream -c app.bsky.feed.post", does: "all new posts, live, until Ctrl-C" },
    { run: "bskyingest jetstream -c all --sink stdout | jq .did", does: "everything, one JSON text a line" },
  ],
  options,
  async run(context) {
    const { values } = context;
    const simulation = values.simulate ? await simulate(values) : undefined;
    await using _server = simulation?.server;
    const { jetstream } = await import("../../lib/sources/jetstream/jetstream.ts");
    const { runIngest } = await import("../ingest/run.ts");
    const settings = { ...sourceOptions(context), ...simulation?.options };
    return await runIngest({
      context: context as unknown as CommandContext<typeof deliveryOptions & typeof sinkOptions>,
      defaultKey: simulation ? "jetstream-simulate" : "jetstream",
      makeSource(key) {
        const source = jetstream({ ...settings, key });
        return { source, name: source.hosts.join(",") };
      },
      stateFormat: "jetstream",
      endOfSource: "end",
      live: true,
      limit: values.numRecords,
      maxTimeMs: values.maxTime,
    });
  },
});

/** The source's options, of those that were given: what the URL says must not be hidden by a default. */
function sourceOptions({ values, given }: CommandContext<typeof options>) {
  return {
    ...(values.url !== undefined && { url: values.url }),
    ...(values.instance.length > 0 && { instances: values.instance }),
    wire: values.wire,
    ...(given("wantedCollections") && { collections: values.wantedCollections }),
    ...(given("wantedDids") && { dids: values.wantedDids }),
    ...(given("kinds") && { kinds: values.kinds }),
    ...(given("maxMessageBytes") && { maxMessageBytes: values.maxMessageBytes }),
    maxFrameBytes: values.maxFrameBytes,
    idleTimeoutMs: values.idleTimeout,
    overlapMs: values.overlap,
    ...(values.cursor !== undefined && { cursor: values.cursor }),
    ...(values.startTimestamp !== undefined && { start: values.startTimestamp }),
    ...(values.endTimestamp !== undefined && { end: values.endTimestamp }),
    noRewind: values.noRewind,
    maxRewindMinutes: values.maxRewind / 60_000,
  };
}

/** A server inside this process. Its port changes, so positions and events name it `simulate`. */
async function simulate(values: Values<typeof options>) {
  const { startSimulate } = await import("../../lib/simulate/server.ts");
  const server = await startSimulate({
    port: 0,
    rate: values.numRecords > 0 ? 0 : NETWORK_RATE,
    collections: values.wantedCollections.filter((c) => c !== "all"),
  });
  return { server, options: { url: server.jetstream, alias: "simulate" } };
}
