/**
 * What a sink must offer to be soaked.
 *
 * @module
 */
import type { EventStore } from "../../lib/simulate/store.ts";
import type { Tally } from "./tally.ts";

/** A sink under a run of `jetstream`. */
export interface Lane extends AsyncDisposable {
  readonly name: string;
  /** The wire that its run reads. */
  readonly wire: "v1" | "v2";
  /** The working directory and home of its run. */
  readonly folder: string;
  /** Options of its run. */
  readonly args: readonly string[];
  readonly tally: Tally;
  /** Compares what has come with what was sent, and takes it out, so that the sink does not grow. */
  check(): Promise<void>;
  /** The sink takes nothing for so long. */
  pause(ms: number): Promise<void>;
  /** The sequence number that the sink keeps as the position. */
  position(): Promise<number>;
}

/** What the source sends as event `seq`, as text of the v1 wire. */
export function sentBy(store: EventStore): (seq: number) => string {
  return (seq) => store.read(seq, "v1", undefined)!;
}
