/**
 * A relay, labeler and PDS inside this process, for `--simulate`.
 *
 * @module
 */
import type { SimulateOptions, SimulateServer } from "../../lib/simulate/server.ts";
import type { Place } from "./live_sources.ts";

/** Frames a second without a count: about what the network sends. */
const NETWORK_RATE = 400;

/**
 * For whoever only lists repos: so many that the list ends after some seconds, although each entry takes a whole repo to make, and
 * without signatures, which take most of that time and are in no entry.
 */
export const SHORT_LIST = { accounts: 10_000, sign: false } as const;

/**
 * Starts the server. Its port changes, so positions and events name it `simulate`.
 *
 * @param count Events that are wanted; 0: any number.
 */
export async function simulateRelay(
  count: number,
  collections: readonly string[],
  network: Pick<SimulateOptions, "accounts" | "sign"> = {},
): Promise<{ readonly server: SimulateServer; readonly place: Place }> {
  const { startSimulate } = await import("../../lib/simulate/server.ts");
  const server = await startSimulate({
    ...network,
    port: 0,
    rate: count > 0 ? 0 : NETWORK_RATE,
    collections: collections.filter((each) => each !== "all"),
  });
  return { server, place: { hosts: [server.relay], alias: "simulate" } };
}
