/**
 * Sends what a connection is to get, until a fault says otherwise, there is no more, or the connection ends.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { delay } from "../pipeline/retry.ts";
import type { Faults } from "./faults.ts";
import { createPace, type Feed } from "./feed.ts";
import { createFrameBuffer, type FrameBuffer } from "./frames.ts";
import type { Sender, SimulateCounters } from "./session.ts";

/** Rest after a look at many events of which the client wants none. */
const IDLE_MS = 50;
/** The longest time without a turn for others. */
const SLICE_MS = 5;

/** What is sent, and what may go wrong. */
export interface SendOptions {
  readonly feed: Feed;
  readonly faults: Faults;
  readonly counters: SimulateCounters;
  /** Adds what is to be said first. */
  opening?(buffer: FrameBuffer): void;
  /** Adds an error frame. */
  error(buffer: FrameBuffer, error: NonNullable<Faults["errorFrame"]>): void;
}

/** Sends a feed. */
export async function sendFeed(sender: Sender, { feed, faults, counters, opening, error }: SendOptions): Promise<void> {
  const { closeAfter = Infinity, stallAfter = Infinity, errorFrame } = faults;
  const pace = createPace(faults.rate ?? 0);
  const buffer = createFrameBuffer();
  const turns = createTurns();
  const limit = Math.min(closeAfter, stallAfter, errorFrame?.after ?? Infinity);
  opening?.(buffer);
  while (!sender.stopped() && feed.fresh < limit && !feed.ended) {
    const { events, wait } = pace.due();
    const added = feed.fill(buffer, Math.min(events, limit - feed.fresh));
    pace.count(added);
    const { size } = buffer;
    if (size > 0) await sender.link.write(buffer.take());
    counters.events += added;
    counters.bytes += size;
    if (wait > 0) await delay(wait, sender.signal);
    else if (added === 0) await delay(IDLE_MS, sender.signal);
    else await turns();
  }
  if (buffer.size > 0) await sender.link.write(buffer.take());
  if (sender.stopped()) return;
  if (errorFrame?.after === feed.fresh) {
    error(buffer, errorFrame);
    await sender.link.write(buffer.take());
    await sender.end(1006);
  }
  if (closeAfter === feed.fresh) await sender.end(faults.closeCode ?? 1006, faults.closeReason);
}

/** A socket that takes everything at once never gives others their turn by itself. */
function createTurns(): () => Promise<void> | undefined {
  let since = performance.now();
  return () => {
    if (performance.now() - since < SLICE_MS) return undefined;
    return new Promise((resolve) =>
      setImmediate(() => {
        since = performance.now();
        resolve();
      })
    );
  };
}
