/**
 * From options of the command line to a Jetstream source: for `jetstream` and `record jetstream`.
 *
 * @module
 */
import type { SimulateServer } from "../../lib/simulate/server.ts";
import type { JetstreamOptions } from "../../lib/sources/jetstream/options.ts";
import type { CommandContext } from "../kit/command.ts";
import type { jetstreamOptions } from "../options/jetstream.ts";
import { dictionarySettings } from "./dictionary.ts";

/** Events a second of `--simulate` without a count: about what the network sends. */
const NETWORK_RATE = 2000;

/** A context with the options that say what to read; those about saved positions are the command's own. */
export type ReadingContext = Pick<
  CommandContext<Omit<typeof jetstreamOptions, "noRewind" | "maxRewind" | "race">>,
  "values" | "given" | "env"
>;

/**
 * The source's options, of those that were given: what the URL says must not be hidden by a default.
 *
 * @throws {ConfigError} for a zstd dictionary that cannot be read or is none.
 */
export function sourceOptions({ values, given, env }: ReadingContext): JetstreamOptions {
  return {
    ...(values.url !== undefined && { url: values.url }),
    ...(values.instance.length > 0 && { instances: values.instance }),
    wire: values.wire,
    ...(given("wantedCollections") && { collections: values.wantedCollections }),
    ...(given("wantedDids") && { dids: values.wantedDids }),
    ...(given("kinds") && { kinds: values.kinds }),
    ...(given("maxMessageBytes") && { maxMessageBytes: values.maxMessageBytes }),
    maxFrameBytes: values.maxFrameBytes,
    ...(given("compress") && { compress: values.compress }),
    ...dictionarySettings(values.zstdDictionary, env),
    idleTimeoutMs: values.idleTimeout,
    overlapMs: values.overlap,
    ...(values.cursor !== undefined && { cursor: values.cursor }),
    ...(values.startTimestamp !== undefined && { start: values.startTimestamp }),
    ...(values.endTimestamp !== undefined && { end: values.endTimestamp }),
  };
}

/**
 * A server inside this process, for `--simulate`, and its zstd dictionary. Its port changes, so positions and events name it
 * `simulate`.
 */
export async function simulate(
  { numRecords, wantedCollections }: Pick<ReadingContext["values"], "numRecords" | "wantedCollections">,
): Promise<{ readonly server: SimulateServer; readonly options: JetstreamOptions }> {
  const { startSimulate } = await import("../../lib/simulate/server.ts");
  const { simulateDictionary } = await import("../../lib/simulate/dictionary.ts");
  const server = await startSimulate({
    port: 0,
    rate: numRecords > 0 ? 0 : NETWORK_RATE,
    collections: wantedCollections.filter((c) => c !== "all"),
  });
  return { server, options: { url: server.jetstream, alias: "simulate", dictionary: simulateDictionary() } };
}
