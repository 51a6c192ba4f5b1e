/**
 * Entries of a dead letter as events, read by today's program.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { AnyEvent, Origin } from "../../atproto/event.ts";
import { idOfDictionary } from "../../net/zstd/dictionary.ts";
import { isZstdFrame } from "../../net/zstd/header.ts";
import { textOf } from "../../net/text.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { readCached } from "../jetstream/dictionary_cache.ts";
import { parseV1, parseV2 } from "../jetstream/parse.ts";
import { ZstdMessages } from "../jetstream/zstd_messages.ts";
import { megastreamTime } from "../megastream/name.ts";
import { bytesShown } from "../megastream/row_detail.ts";
import { readRow } from "../megastream/rows.ts";
import { parseEventText } from "./event_text.ts";

/** An entry, as far as it is looked at. */
export interface DeadEntry {
  /** Names the entry. */
  readonly id: string;
  /** The command that wrote it. */
  readonly command: string;
  /** Its state key. */
  readonly key: string;
  /** `source`, `filter`, or the sink's name. */
  readonly stage: string;
  /** A message of the source (`text` or `base64`, `wire`, `host`), or an event (`event`). */
  readonly [member: string]: unknown;
}

/** How entries are decoded. */
export interface DecodeOptions {
  /** Contents of a zstd dictionary. */
  readonly dictionary?: Uint8Array;
  /** Where dictionaries are kept. Default: nowhere. */
  readonly dictionaryFolder?: string;
  /** The most bytes of a message that is decompressed. @default {33554432} */
  readonly maxFrameBytes?: number;
}

const WIRES: ReadonlySet<unknown> = new Set(["v1", "v2", "row"]);
/** Of events whose entry does not say it. */
const UNKNOWN_HOST = "unknown";
const MOST_BYTES = 32 * 1024 * 1024;

/** Why nothing can be made of an entry, whatever has been mended; `undefined`: it can be tried. */
export function whyItStays(entry: DeadEntry): string | undefined {
  if (entry.truncated === true) return "only a part of the message was kept";
  if (entry.stage !== "source") return typeof entry.event === "string" ? undefined : "the event is missing";
  if (!entry.text && !entry.base64) return "nothing of the message was kept";
  if (entry.wire === "row" && typeof entry.raw_post !== "string") return "the row had no text";
  return WIRES.has(entry.wire) ? undefined : "this version does not read its wire";
}

/** Decodes entries, one after the other. */
export class Decoder implements Disposable {
  readonly #messages: ZstdMessages;
  #origin: Origin | undefined;

  constructor({ dictionary, dictionaryFolder: folder, maxFrameBytes = MOST_BYTES }: DecodeOptions) {
    const id = dictionary && idOfDictionary(dictionary);
    this.#messages = new ZstdMessages({
      maxBytes: maxFrameBytes,
      dictionary: id === undefined ? undefined : { id, bytes: dictionary! },
      find: (id) => folder === undefined ? Promise.resolve(undefined) : readCached(folder, id),
    });
  }

  /**
   * The event of an entry that {@link whyItStays} has nothing against; `undefined`: today's program takes it for a message that
   * is no event.
   *
   * @throws {PoisonError} where it cannot be read, still.
   */
  async decode(entry: DeadEntry): Promise<AnyEvent | undefined> {
    const origin = this.#originOf(entry);
    if (entry.stage !== "source") return parseEventText(String(entry.event), origin);
    if (entry.wire === "row") return decodeRow(entry, origin);
    const text = typeof entry.base64 === "string" ? await this.#plain(entry.base64) : String(entry.text);
    const message = origin.wire === "v2" ? parseV2(text, origin) : parseV1(text, origin);
    return "notice" in message ? undefined : message;
  }

  [Symbol.dispose](): void {
    this.#messages[Symbol.dispose]();
  }

  async #plain(base64: string): Promise<string> {
    const data = Buffer.from(base64, "base64");
    const frame = isZstdFrame(data);
    if (frame) {
      this.#messages.begin(); // entries that follow each other may be of different connections
      await this.#messages.prepare({ data: [data], binary: [true] });
    }
    const plain = frame ? this.#messages.decompress(data) : data;
    try {
      return textOf(plain);
    } catch (cause) {
      throw new PoisonError("not_utf8", "Cannot read event: it is not UTF-8", { cause });
    }
  }

  /** One object for all entries of a connection that follow each other. */
  #originOf({ command: source, wire = "v1", host = UNKNOWN_HOST }: DeadEntry): Origin {
    const last = this.#origin;
    if (last && last.source === source && last.wire === wire && last.host === host) return last;
    return this.#origin = Object.freeze({ source, wire: wire as Origin["wire"], host: String(host) });
  }
}

/**
 * The row again, but for two columns that its dead letter does not have: inferences are those that `raw_post` repeats, and the time of
 * the enrichment is not known.
 */
function decodeRow({ row, at_uri, did, raw_post, at }: DeadEntry, origin: Origin): AnyEvent | undefined {
  const columns = { at_uri: bytesShown(at_uri), did: bytesShown(did), raw_post, inferences: null, created_at: null };
  const fileTimeUs = megastreamTime(origin.host) ?? Date.parse(String(at)) * 1000;
  const result = readRow({ row: Number(row), ...columns }, {
    file: origin.host,
    fileTimeUs,
    purgeAccounts: ["deleted"],
    origin,
  });
  return "event" in result ? result.event : undefined;
}
