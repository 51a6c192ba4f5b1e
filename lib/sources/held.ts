/**
 * What the sink holds already of what is delivered once more.
 *
 * @module
 */
import { type AnyEvent, dedupeKey } from "../atproto/event.ts";
import type { Recall } from "../pipeline/sink.ts";

/** The most events that a sink is asked for. */
const MOST = 1_000_000;

/** Leaves out events that the sink holds: it was ended between its write and the acknowledgement. Asks as seldom as it can. */
export function unlessHeld(recall: Recall<AnyEvent> | undefined): (events: AnyEvent[]) => Promise<AnyEvent[]> {
  let held = new Set<string>();
  let since = Infinity;
  return async (events) => {
    if (!recall || events.length === 0) return events;
    const oldest = events.reduce((least, event) => Math.min(least, event.time_us), Infinity);
    if (oldest < since) {
      held = new Set((await recall(oldest, MOST)).items.map(dedupeKey));
      since = oldest;
    }
    return events.filter((event) => !held.has(dedupeKey(event)));
  };
}
