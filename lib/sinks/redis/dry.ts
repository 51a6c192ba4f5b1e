/**
 * What the sink `redis` would do, without a server.
 *
 * @module
 */
import type { AnyEvent } from "../../atproto/event.ts";
import type { Sink } from "../../pipeline/sink.ts";
import { streamEntries } from "../../transforms/stream_events.ts";
import type { RedisSinkOptions } from "../redis.ts";
import { refusalsOf } from "./entry_size.ts";

/** A sink that makes entries and forgets them. */
export interface DryRedisSink extends Sink<AnyEvent> {
  /** What would have been written. */
  figures(): { readonly entries: number };
}

/** Makes the sink. It refuses what cannot become entries. */
export function dryRedisSink({ format, host = false, maxEntryBytes }: RedisSinkOptions): DryRedisSink {
  const entriesOf = streamEntries({ ...(format && { format }), host });
  let count = 0;
  return {
    name: "redis",
    figures: () => ({ entries: count }),
    write({ items }) {
      const entries = entriesOf(items);
      const rejected = refusalsOf(entries, maxEntryBytes);
      count += entries.length - rejected.length;
      return Promise.resolve({ rejected });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
