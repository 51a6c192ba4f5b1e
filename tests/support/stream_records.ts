/**
 * The real frames as events, made of what two other programs made of them.
 *
 * @module
 */
import type { AnyEvent, Origin } from "../../lib/atproto/event.ts";

const ORIGIN: Origin = Object.freeze({ source: "firehose", wire: "relay", host: "bsky.network" });

/**
 * The lines of the stream, and the events that they were made of: Jetstream's, with what only a relay's frame says.
 *
 * @param stream `stream_events_bsky.jsonl`
 * @param v1 `expected_v1.jsonl`, which has the same events in the same order.
 */
export function streamRecords(stream: string, v1: string): [lines: string[], events: AnyEvent[]] {
  const lines = readLines(stream);
  const events = readLines(v1).map((line, i) => {
    const { seq, time, commit } = JSON.parse(lines[i]!);
    return { ...JSON.parse(line), seq, origin: ORIGIN, relay: { time, ...(commit && { commit }) } };
  });
  return [lines, events];
}

function readLines(path: string): string[] {
  return Deno.readTextFileSync(path).trim().split("\n");
}
