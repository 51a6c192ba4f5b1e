/**
 * What becomes of a gap whose events are read again.
 *
 * @module
 */
import type { GapRow } from "../../../lib/state/gaps.ts";
import type { Delivery } from "../reading.ts";

/** How one gap was left. */
export type Verdict =
  | { readonly state: "healed" }
  /** `to`: the last position that is still missing, where that is earlier than it was. */
  | { readonly state: "open"; readonly why: string; readonly to?: number }
  /** The run was stopped before it was known. */
  | { readonly state: "stopped" };

/** Reads the events of one gap again, into the sink. */
export type Healer = (row: GapRow, delivery: Delivery) => Promise<Verdict>;

/** The gap stays open. */
export function open(why: string, to?: number): Verdict {
  return { state: "open", why, ...(to !== undefined && { to }) };
}

/** Nothing is missing any more. */
export const HEALED: Verdict = { state: "healed" };

/** Nobody knows yet. */
export const STOPPED: Verdict = { state: "stopped" };

/** The position is before the gap, as `--on-gap fail` leaves it. */
export const NOT_PASSED = "the run goes on before it, and reads what is there by itself";

/** The ends of a gap. */
export type Bounds = GapRow & { readonly from: number; readonly to: number };

/** Why a gap cannot be healed by anybody; undefined: it is worth a try. */
export function hopeless(row: GapRow): string | undefined {
  const { reason, unit, from, to } = row;
  if (reason === "desync") return "it takes the whole repo, and repos are not downloaded yet (--verify full)";
  if (unit === "file") return undefined;
  if (from === null) return "it is not known where it begins";
  return to === null ? "it is not known where it ends" : undefined;
}
