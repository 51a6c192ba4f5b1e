/**
 * A relay, labeler and PDS inside this process, for `--simulate`.
 *
 * @module
 */
import type { SimulateServer } from "../../lib/simulate/server.ts";
import type { Place } from "./live_sources.ts";

/** Frames a second without a count: about what the network sends. */
const NETWORK_RATE = 400;

/**
 * Starts the server. Its port changes, so positions and events name it `simulate`.
 *
 * @param count Events that are wanted; 0: any number.
 */
export async function simulateRelay(
  count: number,
  collections: readonly string[],
): Promise<{ readonly server: SimulateServer; readonly place: Place }> {
  const { startSimulate } = await import("../../lib/simulate/server.ts");
  const server = await startSimulate({
    port: 0,
    rate: count > 0 ? 0 : NETWORK_RATE,
    collections: collections.filter((each) => each !== "all"),
  });
  return { server, place: { hosts: [server.relay], alias: "simulate" } };
}
