/**
 * A sink that forgets: for trying out and for measuring.
 *
 * @module
 */
import type { AnyEvent } from "../atproto/event.ts";
import type { Sink } from "../pipeline/sink.ts";

/** Takes everything and keeps nothing. */
export function nullSink(): Sink<AnyEvent> {
  return {
    name: "null",
    write(_batch, { signal }) {
      return signal.aborted ? Promise.reject(signal.reason) : Promise.resolve({ rejected: [] });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
