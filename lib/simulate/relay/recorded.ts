/**
 * Frames that somebody recorded, served again.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { seqOf, splitFrame } from "../../atproto/frame.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { fileChunks } from "../../sources/replay/chunks.ts";
import { plainChunks } from "../../sources/replay/decompress.ts";
import { frameEntries } from "../../sources/replay/entries.ts";
import type { FrameStore } from "../store.ts";

/**
 * Reads a file of frames that each have their length in front (four bytes, little-endian), plain, gzip or zstd.
 *
 * @throws {ConfigError} where the file cannot be read, {@link PoisonError} where it is cut or damaged.
 */
export async function loadFrames(path: string): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  for await (const entries of frameEntries(await plainChunks(fileChunks(path)))) {
    for (const { data } of entries) frames.push(typeof data === "string" ? Buffer.from(data) : data);
  }
  return frames;
}

/** Serves frames in their order; one without a number has that of the frame before it. */
export function recordedFrames(frames: readonly Uint8Array[], count = 0): FrameStore {
  const last = count > 0 ? Math.min(count, frames.length) : frames.length;
  const seqs: number[] = [];
  for (const frame of frames) seqs.push(numberOf(frame) ?? seqs.at(-1) ?? 0);
  let sent = 0;
  return {
    last,
    live: () => 1, // a recording happens anew for everybody who comes without a position
    seqOf: (position) => seqs[position - 1]!,
    bySeq(seq) {
      const index = seqs.findIndex((number) => number >= seq);
      return index < 0 ? frames.length + 1 : index + 1;
    },
    sent: (position) => sent = Math.max(sent, position),
    newestSent: () => sent,
    read: (position) => frames[position - 1]!,
  };
}

/** The `seq` of a frame; `undefined` where it has none, or cannot be read. */
function numberOf(frame: Uint8Array): number | undefined {
  try {
    const split = splitFrame(frame);
    return split.kind === "message" ? seqOf(split.body) : undefined;
  } catch (error) {
    if (error instanceof PoisonError) return undefined;
    throw error;
  }
}
