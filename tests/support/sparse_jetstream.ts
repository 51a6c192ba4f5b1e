/**
 * A Jetstream with few events that are far apart, so that no tolerance hides that some of them are missing.
 *
 * @module
 */
import { range, T0, v1Line, v2Frame } from "./jetstream_run.ts";
import { type Dial, type ScriptedJetstream, startScripted } from "./scripted_jetstream.ts";

/** A second in microseconds. */
export const SECOND_US = 1e6;

/** The number of the last event. */
export const NEWEST = 40;

/** The time of the i-th event: they are 10 s apart. */
export const sparseTime = (i: number): number => T0 + i * 10 * SECOND_US;

/** What is particular about a server. */
export interface SparseOptions {
  readonly wire?: "v1" | "v2";
  /** The last event that is sent at the time of the handshake. @default {NEWEST} */
  readonly newest?: () => number;
  /** Answers a handshake with 503. */
  readonly refuse?: (dial: Dial) => boolean;
}

/** Serves the events from the oldest one that it has at the time of the handshake to the newest one, and stays. */
export function sparseJetstream(oldest: () => number, options: SparseOptions = {}): Promise<ScriptedJetstream> {
  const { wire = "v1", newest = () => NEWEST, refuse = () => false } = options;
  const line = (i: number) => wire === "v1" ? v1Line(i, { time: sparseTime(i) }) : v2Frame(i, { time: sparseTime(i) });
  return startScripted({
    onDial(dial) {
      if (refuse(dial)) return dial.refuse(503);
      const { cursor = sparseTime(NEWEST + 1) } = dial;
      const isSeq = cursor < 1e15;
      if (isSeq && cursor < oldest()) {
        return dial.refuse(400, JSON.stringify({ error: "CursorTooOld", message: `lookback floor ${oldest()}` }));
      }
      const did = dial.url.searchParams.get("wantedDids");
      const wanted = (i: number) => did === null || Number(did.slice(8)) === i;
      const events = range(oldest(), newest()).filter((i) => (isSeq ? i : sparseTime(i)) >= cursor && wanted(i));
      dial.accept(...events.map(line));
    },
  });
}
