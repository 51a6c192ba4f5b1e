/**
 * Decodes zstd frames, each of which is one message.
 *
 * The decoder is our own since it was measured to be the fastest: on 152 real frames of Jetstream's v1 wire (272
 * bytes, 552 decoded; Deno 2.9.6) it takes 4.0 to 4.5 us a frame. `zstd-codec` 0.1.5 takes 9.0 us, and 4.7 us without
 * its convenience and without copying the content out; `@bokuweb/zstd-wasm` 0.0.27 takes 17.5 us, and 13.5 us with
 * memory that is kept, since it reads the dictionary anew for each frame.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { PoisonError } from "../../pipeline/errors.ts";
import { readDictionary } from "./dictionary.ts";
import { type FrameDecoder, newFrameDecoder, oversize } from "./frame_decoder.ts";
import { readFrameHeader } from "./header.ts";
import { chooseZlib, newZlibDecoder, type ZlibDecompress } from "./node_zlib.ts";

/** What {@link openDecompressor} takes. */
export interface DecompressorOptions {
  /** Frames name the one that they were made with. Default: none. */
  readonly dictionaries?: readonly Uint8Array[];
  /** The most bytes that a decoded frame may have. */
  readonly maxBytes: number;
  /** Decodes small frames instead of our decoder. Default: what `node:zlib` has, where {@link chooseZlib} takes it. */
  readonly zlib?: ZlibDecompress;
}

/** Decodes frames, one at a time. */
export interface Decompressor extends Disposable {
  /** The dictionaries' ids. */
  readonly ids: readonly number[];
  /**
   * Decodes one whole frame. The result is a view that the next call overwrites: copy what must last.
   *
   * @throws {PoisonError} `unknown_dictionary`; `bad_frame`: damaged, cut off, or something follows it; `bad_checksum`;
   * `oversize`. None of them affects the next frame.
   */
  decompress(frame: Uint8Array): Buffer;
}

/**
 * Prepares the dictionaries.
 *
 * @throws {ConfigError} One of them is none, or damaged.
 */
export async function openDecompressor(options: DecompressorOptions): Promise<Decompressor> {
  const { dictionaries = [], maxBytes } = options;
  const zlib = options.zlib ?? chooseZlib((await import("node:zlib")).zstdDecompressSync as ZlibDecompress);
  const open = (bytes?: Uint8Array): FrameDecoder => {
    const own = newFrameDecoder(bytes && readDictionary(bytes), maxBytes);
    return zlib ? newZlibDecoder(zlib, bytes, own, maxBytes) : own;
  };
  const decoders = new Map(dictionaries.map((bytes) => [readDictionary(bytes).id, open(bytes)]));
  const ids = [...decoders.keys()];
  if (!decoders.has(0)) decoders.set(0, open());
  return {
    ids,
    decompress: (frame) => {
      const header = readFrameHeader(frame);
      const { dictionaryId, contentSize = 0 } = header;
      if (contentSize > maxBytes) throw oversize(String(contentSize), maxBytes);
      const decode = decoders.get(dictionaryId);
      if (decode === undefined) throw unknownDictionary(dictionaryId, ids);
      return decode(frame, header);
    },
    [Symbol.dispose]: () => decoders.clear(),
  };
}

function unknownDictionary(id: number, known: readonly number[]): PoisonError {
  const state = known.length === 0 ? "there is none" : `there is ${known.join(" and ")}`;
  return new PoisonError("unknown_dictionary", `Cannot decode zstd frame: it needs dictionary ${id}, ${state}`);
}
