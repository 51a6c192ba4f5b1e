/**
 * Events that a server sent again behind a reconnect.
 *
 * @module
 */
import type { AtEvent } from "../../atproto/event.ts";
import { Memory } from "../jetstream/memory.ts";
import { advance } from "../jetstream/position.ts";
import { MICROSECONDS_FROM } from "../jetstream/url.ts";

/** Copies come at most so far behind the newest event, in microseconds: the default of `--overlap`. */
const OVERLAP_US = 5_000_000;

/** Recognises copies from each opened connection until the stream is past what was there before. */
export interface Copies {
  /** A connection was opened. */
  opened(connection: { readonly url: string; readonly host: string }): void;
  /** Whether the event was handed on before. To be asked once for every event, in order. */
  isCopy(event: AtEvent): boolean;
  /** Remembers events that are handed on. */
  handedOn(events: readonly AtEvent[]): void;
}

/** Knows nothing yet. */
export function createCopies(now: () => number = Date.now): Copies {
  const memory = new Memory(0);
  /** The newest event time so far. */
  let time: number | undefined;
  let host: string | undefined;
  let test: ((event: AtEvent) => boolean) | undefined;
  return {
    opened(connection) {
      const moved = host !== undefined && host !== connection.host;
      host = connection.host;
      if (time === undefined) return;
      const until = time + OVERLAP_US;
      // Another host that was asked by time may have begun much earlier: what is older was never asked for.
      const dropBefore = moved ? askedTime(connection.url) : 0;
      const known = memory.recognizer();
      test = (event) => {
        if (event.time_us <= until) return event.time_us < dropBefore || known(event);
        test = undefined;
        return false;
      };
    },
    isCopy(event) {
      const copy = test?.(event) ?? false;
      time = advance(time, event.time_us, now() * 1000);
      return copy;
    },
    handedOn(events) {
      if (events.length > 0 && time !== undefined) memory.add(events, time, time - OVERLAP_US - 1e6, undefined);
    },
  };
}

/** The time that a subscribe URL asks for, in microseconds; 0 where it asks for none. */
function askedTime(url: string): number {
  const cursor = Number(new URL(url).searchParams.get("cursor"));
  return cursor >= MICROSECONDS_FROM ? cursor : 0;
}
