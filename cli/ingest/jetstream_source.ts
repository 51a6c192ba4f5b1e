/**
 * From options of the command line to a Jetstream source: for `jetstream`, `connector` and `record jetstream`.
 *
 * @module
 */
import type { SimulateServer } from "../../lib/simulate/server.ts";
import type { JetstreamSource } from "../../lib/sources/jetstream/jetstream.ts";
import type { JetstreamOptions } from "../../lib/sources/jetstream/options.ts";
import type { CommandContext } from "../kit/command.ts";
import type { deliveryOptions } from "../options/delivery.ts";
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
    [given("wantedCollections") ? "collections" : "defaultCollections"]: values.wantedCollections,
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

/** What a run reads. */
export interface JetstreamRun extends AsyncDisposable {
  /** Whether it is made up. */
  readonly simulated: boolean;
  /**
   * Resolves the handles, and makes the source that keeps its position under `key`.
   *
   * @throws {ConfigError} for the faults of the options, told before anybody is asked for handles, and what {@link resolveWantedHandles} throws.
   */
  makeSource(key: string): Promise<JetstreamSource>;
}

/**
 * Prepares to read one host at a time, all at once, or a server inside this process, which runs until it is disposed of.
 *
 * @throws {ConfigError} for a zstd dictionary that cannot be read or is none.
 */
export async function jetstreamRun(
  context: Pick<
    CommandContext<typeof jetstreamOptions & Pick<typeof deliveryOptions, "onGap">>,
    "values" | "given" | "env" | "began"
  >,
): Promise<JetstreamRun> {
  const { values } = context;
  const asked = sourceOptions(context);
  const { jetstream } = await import("../../lib/sources/jetstream/jetstream.ts");
  const { jetstreamRace } = await import("../../lib/sources/jetstream/race.ts");
  const { resolveWantedHandles } = await import("./handles.ts");
  const make = values.race ? jetstreamRace : jetstream;
  const simulation = values.simulate ? await simulate(values) : undefined;
  const settings: JetstreamOptions = {
    ...asked,
    noRewind: values.noRewind,
    maxRewindMinutes: values.maxRewind / 60_000,
    healGaps: values.onGap === "heal",
    ...simulation?.options,
  };
  return {
    simulated: simulation !== undefined,
    async makeSource(key) {
      make(settings);
      const dids = await resolveWantedHandles(context, simulation?.server.url);
      return make({ ...settings, ...(dids.length > 0 && { dids }), key });
    },
    [Symbol.asyncDispose]: async () => await simulation?.server[Symbol.asyncDispose](),
  };
}
