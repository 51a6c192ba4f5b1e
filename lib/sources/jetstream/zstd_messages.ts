/**
 * Messages that are compressed one by one, each a zstd frame: of connections, recordings and frame files.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { Frames } from "../../net/websocket.ts";
import type { Decompressor } from "../../net/zstd/decompressor.ts";
import { isZstdFrame, readFrameHeader } from "../../net/zstd/header.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import type { Dictionary } from "./dictionary_cache.ts";

/** A damaged message may name any dictionary: after so many that are not to be had, no more are looked for. */
const MOST_SEARCHES = 3;

/** Options of {@link ZstdMessages}. */
export interface ZstdMessagesOptions {
  /** The most bytes of a decompressed message. */
  readonly maxBytes: number;
  /** One that is at hand. */
  readonly dictionary: Dictionary | undefined;
  /** Finds the dictionary that a connection's messages turn out to need; undefined: they cannot be read. */
  readonly find: (id: number) => Promise<Dictionary | undefined>;
}

/**
 * Decompresses messages at once, one after the other, as the way of every event must not wait; what it takes to do so is
 * loaded before, when the first such message of a connection comes.
 */
export class ZstdMessages implements Disposable {
  readonly #options: ZstdMessagesOptions;
  readonly #dictionaries = new Map<number, Uint8Array>();
  #decompressor: Decompressor | undefined;
  /** Dictionaries that may be looked for until the one of this connection is known; 0: it is, or is not to be had. */
  #searches = MOST_SEARCHES;

  constructor(options: ZstdMessagesOptions) {
    this.#options = options;
    if (options.dictionary) this.#add(options.dictionary);
  }

  /** A connection begins, for which `dictionary` was asked for. Its messages may still name another one. */
  begin(dictionary?: Dictionary): void {
    this.#searches = MOST_SEARCHES;
    if (dictionary) this.#add(dictionary);
  }

  /** Whether nothing is left to be prepared for this connection. */
  get ready(): boolean {
    return this.#searches === 0 && this.#decompressor !== undefined;
  }

  /**
   * Finds out whether the dictionary that is at hand is a good one.
   *
   * @throws {ConfigError} where it is not.
   */
  async check(): Promise<void> {
    if (this.#options.dictionary) this.#decompressor ??= await this.#load();
  }

  /** Loads what these messages need. To be awaited, unless {@link ready}, before they are decompressed. */
  async prepare({ data, binary }: Frames): Promise<void> {
    for (let i = 0; i < data.length && !this.ready; i++) {
      if (!binary[i] || !isZstdFrame(data[i]!)) continue;
      const id = dictionaryIdOf(data[i]!);
      if (id !== 0 && this.#searches > 0) await this.#search(id);
      this.#decompressor ??= await this.#load();
    }
  }

  /**
   * The plain message, until the next call.
   *
   * @throws {PoisonError} for a frame that cannot be read: it alone is lost.
   */
  decompress(frame: Uint8Array): Buffer {
    return this.#decompressor!.decompress(frame);
  }

  [Symbol.dispose](): void {
    this.#decompressor?.[Symbol.dispose]();
    this.#decompressor = undefined;
  }

  async #load(): Promise<Decompressor> {
    const { openDecompressor } = await import("../../net/zstd/decompressor.ts");
    const dictionaries = [...this.#dictionaries.values()];
    return await openDecompressor({ dictionaries, maxBytes: this.#options.maxBytes });
  }

  async #search(id: number): Promise<void> {
    if (!this.#dictionaries.has(id)) {
      const dictionary = await this.#options.find(id);
      if (!dictionary) {
        this.#searches--;
        return;
      }
      this.#add(dictionary);
    }
    this.#searches = 0;
  }

  #add({ id, bytes }: Dictionary): void {
    if (this.#dictionaries.has(id)) return;
    this.#dictionaries.set(id, bytes);
    this[Symbol.dispose](); // opened again with all of them
  }
}

/** The dictionary that a zstd frame names; 0: none, or its header cannot be read. */
export function dictionaryIdOf(frame: Uint8Array): number {
  try {
    return readFrameHeader(frame).dictionaryId;
  } catch (error) {
    if (!(error instanceof PoisonError)) throw error;
    return 0; // it will be met again when the frame is decompressed
  }
}
