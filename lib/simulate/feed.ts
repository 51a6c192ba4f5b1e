/**
 * The messages of one connection, in order.
 *
 * @module
 */
import { addDamaged, type Faults } from "./faults.ts";
import type { Filter } from "./filter.ts";
import { type FrameBuffer, OPCODE } from "./frames.ts";
import type { EncodedAhead } from "./ahead.ts";
import type { Encoding } from "./encoding.ts";
import type { EventStore, Wire } from "./store.ts";

/** Positions that are looked at before others get their turn. */
const BATCH_POSITIONS = 20_000;

/** What a connection still has to send. */
export interface Feed {
  /** Events sent. */
  readonly sent: number;
  /** Those among them that are not sent again. */
  readonly fresh: number;
  /** The sequence number of the last event. */
  readonly lastSeq: number;
  /** Nothing will ever follow. */
  readonly ended: boolean;
  /** Adds messages, at most `most`; returns how many. */
  fill(buffer: FrameBuffer, most: number): number;
}

/** Where a feed begins, and how it is written. */
export interface FeedStart {
  /** The first position. */
  readonly start: number;
  /** Events up to this position are sent again. */
  readonly sentBefore: number;
  readonly encoding: Encoding;
}

/** Events of a store from a position on, or the messages that a fault puts in their place; the filter may change meanwhile. */
export function createFeed(
  store: EventStore,
  wire: Wire,
  from: FeedStart,
  filter: () => Filter,
  faults: Faults,
  ahead: EncodedAhead | undefined,
): Feed {
  if (faults.raw !== undefined) return rawFeed(faults.raw);
  const fits = ahead?.wire === wire && ahead.encoding === from.encoding;
  return storeFeed(store, wire, from, filter, faults.damage ?? 0, fits ? ahead : undefined);
}

function storeFeed(
  store: EventStore,
  wire: Wire,
  { start, sentBefore, encoding }: FeedStart,
  currentFilter: () => Filter,
  damage: number,
  ahead: EncodedAhead | undefined,
): Feed {
  let position = start, sent = 0, fresh = 0, lastSeq = 0;
  /** Whether the event at `position` was added. */
  const add = (buffer: FrameBuffer, filter: Filter) => {
    const message = store.read(position, wire, filter.wants);
    if (message === undefined) return false;
    if (damage === 0 || (sent + 1) % damage !== 0) {
      return encoding.add(buffer, message, filter.maxBytes) > 0;
    }
    addDamaged(buffer, encoding, (sent + 1) / damage - 1, message, wire);
    return true;
  };
  return {
    get sent() {
      return sent;
    },
    get fresh() {
      return fresh;
    },
    get lastSeq() {
      return lastSeq;
    },
    get ended() {
      return position > store.last;
    },
    fill(buffer, most) {
      const filter = currentFilter();
      const before = sent;
      const end = Math.min(store.last + 1, position + BATCH_POSITIONS);
      for (; position < end && sent - before < most && buffer.size < encoding.batchBytes; position++) {
        const ready = filter.wants || filter.maxBytes || damage ? undefined : ahead?.frame(position);
        if (ready) buffer.append(ready);
        else if (!add(buffer, filter)) continue;
        lastSeq = store.seqOf(position);
        sent++;
        if (position > sentBefore) fresh++;
      }
      store.sent(position - 1);
      return sent - before;
    },
  };
}

/** The messages of the fault `raw`. */
export function rawFeed(raw: readonly (string | Uint8Array)[]): Feed {
  let sent = 0;
  return {
    get sent() {
      return sent;
    },
    get fresh() {
      return sent;
    },
    lastSeq: 0,
    get ended() {
      return sent >= raw.length;
    },
    fill(buffer, most) {
      const messages = raw.slice(sent, sent + most);
      for (const message of messages) {
        if (typeof message === "string") buffer.text(message);
        else buffer.add(OPCODE.binary, message);
      }
      sent += messages.length;
      return messages.length;
    },
  };
}

/** Says how many events may be sent now, so that there are `rate` a second; what was missed is made up for one second. */
export interface Pace {
  /** Events that are due; 0 with the milliseconds to wait in `wait`. */
  due(): { readonly events: number; readonly wait: number };
  count(events: number): void;
}

/** Looking at the clock more often than every 10 ms costs more than it smooths. */
const TICK_MS = 10;

/** @param rate Events a second; 0: no limit. */
export function createPace(rate: number, now: () => number = () => performance.now()): Pace {
  let since = now(), counted = 0;
  return {
    due() {
      if (rate === 0) return { events: Infinity, wait: 0 };
      const elapsed = (now() - since) / 1000;
      const events = Math.floor(elapsed * rate) - counted;
      if (events <= 0) return { events: 0, wait: Math.max(TICK_MS, ((counted + 1) / rate - elapsed) * 1000) };
      if (events > Math.max(1, rate)) [since, counted] = [now() - 1000, 0];
      return { events: Math.min(events, Math.max(1, Math.floor(rate))), wait: 0 };
    },
    count: (events) => counted += events,
  };
}
