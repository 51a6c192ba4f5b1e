/**
 * Makes zstd frames as a Jetstream server does: one for each message, with dictionary id and content checksum.
 *
 * @module
 */
import { ConfigError } from "../../pipeline/errors.ts";
import { idOfDictionary } from "./dictionary.ts";
import { loadLibrary } from "./library.ts";
import { xxh64Low } from "./xxh64.ts";

/** What {@link openCompressor} takes. */
export interface CompressorOptions {
  readonly dictionary: Uint8Array;
  /** 1 (fast) to 19 (small). @default {3} */
  readonly level?: number;
}

/** Makes frames, one at a time. */
export interface Compressor extends Disposable {
  /** Makes one complete frame of these bytes. */
  compress(bytes: Uint8Array): Uint8Array;
}

/**
 * Prepares the dictionary.
 *
 * @throws {ConfigError} It is none, or damaged.
 */
export async function openCompressor({ dictionary, level = 3 }: CompressorOptions): Promise<Compressor> {
  const id = idOfDictionary(dictionary);
  if (id === undefined) throw new ConfigError("Cannot use zstd dictionary: it does not begin with 37 A4 30 EC");
  const { createCCtx, freeCCtx, compressUsingDict } = await loadLibrary();
  const context = createCCtx();
  const compress = (bytes: Uint8Array) => addChecksum(compressUsingDict(context, bytes, dictionary, level), bytes);
  try {
    compress(new Uint8Array());
  } catch (error) {
    freeCCtx(context);
    throw new ConfigError(`Cannot use zstd dictionary ${id}: it is damaged`, { cause: error });
  }
  return { compress, [Symbol.dispose]: () => void freeCCtx(context) };
}

/** The library's function has no option for it: a bit in the header says that there is one, at the end. */
function addChecksum(frame: Uint8Array, content: Uint8Array): Uint8Array {
  const whole = new Uint8Array(frame.length + 4);
  whole.set(frame);
  whole[4]! |= 4;
  const checksum = xxh64Low(new DataView(content.buffer, content.byteOffset, content.length), 0, content.length);
  new DataView(whole.buffer).setUint32(frame.length, checksum, true);
  return whole;
}
