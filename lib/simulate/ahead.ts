/**
 * Frames that were made before anybody asked for them, for load tests: a generator that shares the machine with the client
 * would take time from it.
 *
 * @module
 */
import { type Encoding, plainEncoding } from "./encoding.ts";
import { createFrameBuffer } from "./frames.ts";
import type { EventStore, Wire } from "./store.ts";

/** The first events of a store as frames of one wire. */
export interface EncodedAhead {
  readonly wire: Wire;
  readonly encoding: Encoding;
  /** The frame of the event at a position, `undefined` where there is none. */
  frame(position: number): Uint8Array | undefined;
}

/** Events that share a block of memory. */
const BLOCK = 4096;

/** Encodes the events at the positions 1 to `events`. */
export function encodeAhead(
  store: EventStore,
  wire: Wire,
  events: number,
  encoding: Encoding = plainEncoding,
): EncodedAhead {
  const blocks: { readonly bytes: Uint8Array; readonly ends: Uint32Array }[] = [];
  const last = Math.min(events, store.last);
  const buffer = createFrameBuffer();
  for (let first = 1; first <= last; first += BLOCK) {
    const ends = new Uint32Array(Math.min(BLOCK, last - first + 1) + 1);
    for (let n = 1; n < ends.length; n++) {
      const message = store.read(first + n - 1, wire, undefined);
      if (message !== undefined) encoding.add(buffer, message);
      ends[n] = buffer.size;
    }
    blocks.push({ bytes: buffer.take().slice(), ends });
  }
  return {
    wire,
    encoding,
    frame(position) {
      const block = blocks[Math.floor((position - 1) / BLOCK)];
      const n = (position - 1) % BLOCK;
      const end = block?.ends[n + 1];
      return block === undefined || end === undefined || end === block.ends[n]
        ? undefined
        : block.bytes.subarray(block.ends[n], end);
    },
  };
}
