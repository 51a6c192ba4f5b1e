/**
 * Entries of a dead letter as events, read by today's program.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { AnyEvent, Origin, Relayed } from "../../atproto/event.ts";
import { idOfDictionary } from "../../net/zstd/dictionary.ts";
import { isZstdFrame } from "../../net/zstd/header.ts";
import { textOf } from "../../net/text.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { readCached } from "../jetstream/dictionary_cache.ts";
import { parseV1, parseV2 } from "../jetstream/parse.ts";
import { ZstdMessages } from "../jetstream/zstd_messages.ts";
import { BAD_DID, repoEvent } from "../list_repos/page.ts";
import { megastreamTime } from "../megastream/name.ts";
import { bytesShown } from "../megastream/row_detail.ts";
import { readRow } from "../megastream/rows.ts";
import { parseRecord } from "../queue/decode.ts";
import { parseEventText } from "./event_text.ts";
import { decodeDeadFrame } from "./frames.ts";

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
  /** What is checked of the blocks in frames: nothing, or their hashes and the commit's. @default {"blocks"} */
  readonly verify?: "none" | "blocks";
}

/** What an entry became. Nothing at all: today's program takes it for a message that is no event. */
export interface Decoded {
  readonly events: readonly AnyEvent[];
  /** Operations and labels of a frame that cannot be read, still. */
  readonly rejected: readonly PoisonError[];
}

const WIRES: ReadonlySet<unknown> = new Set(["v1", "v2", "row", "relay", "queue"]);
/** Of events whose entry does not say it. */
const UNKNOWN_HOST = "unknown";
const MOST_BYTES = 32 * 1024 * 1024;

/** Why nothing can be made of an entry, whatever has been mended; `undefined`: it can be tried. */
export function whyItStays(entry: DeadEntry): string | undefined {
  if (entry.truncated === true) return "only a part of the message was kept";
  if (entry.stage !== "source") return typeof entry.event === "string" ? undefined : "the event is missing";
  if (!entry.text && !entry.base64) return "nothing of the message was kept";
  if (entry.wire === "row" && typeof entry.raw_post !== "string") return "the row had no text";
  if (entry.wire === "relay" && typeof entry.base64 !== "string" && entry.reason !== BAD_DID) {
    return "it is text, which no frame may be";
  }
  return WIRES.has(entry.wire) ? undefined : "this version does not read its wire";
}

/** Decodes entries, one after the other. */
export class Decoder implements Disposable {
  readonly #messages: ZstdMessages;
  readonly #verify: "none" | "blocks";
  #origin: Origin | undefined;

  constructor(options: DecodeOptions) {
    const { dictionary, dictionaryFolder: folder, maxFrameBytes = MOST_BYTES, verify = "blocks" } = options;
    this.#verify = verify;
    const id = dictionary && idOfDictionary(dictionary);
    this.#messages = new ZstdMessages({
      maxBytes: maxFrameBytes,
      dictionary: id === undefined ? undefined : { id, bytes: dictionary! },
      find: (id) => folder === undefined ? Promise.resolve(undefined) : readCached(folder, id),
    });
  }

  /**
   * The events of an entry that {@link whyItStays} has nothing against.
   *
   * @throws {PoisonError} where nothing of it can be read, still.
   */
  async decode(entry: DeadEntry): Promise<Decoded> {
    const origin = this.#originOf(entry);
    if (entry.stage === "source" && entry.wire === "relay" && typeof entry.base64 === "string") {
      const { base64, op, label } = entry;
      return decodeDeadFrame({ base64, op, label }, { origin, verify: this.#verify, now: () => timeOf(entry) });
    }
    const event = await this.#decodeOne(entry, origin);
    return { events: event ? [event] : [], rejected: [] };
  }

  async #decodeOne(entry: DeadEntry, origin: Origin): Promise<AnyEvent | undefined> {
    if (entry.stage !== "source") return decodeEvent(entry, origin);
    if (entry.wire === "relay") return decodeListed(entry, origin);
    if (entry.wire === "row") return decodeRow(entry, origin);
    if (entry.wire === "queue") return parseRecord(String(entry.text), origin);
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
  #originOf({ command: source, wire: named = "v1", host = UNKNOWN_HOST }: DeadEntry): Origin {
    const wire = named === "queue" ? "v1" : named; // records have the objects of that wire
    const last = this.#origin;
    if (last && last.source === source && last.wire === wire && last.host === host) return last;
    return this.#origin = Object.freeze({ source, wire: wire as Origin["wire"], host: String(host) });
  }
}

/** When an entry was written, in milliseconds since 1970. */
function timeOf({ at }: DeadEntry): number {
  return Date.parse(String(at));
}

function decodeEvent({ event: text, relay }: DeadEntry, origin: Origin): AnyEvent {
  const event = parseEventText(String(text), origin);
  return isRelayed(relay) && "did" in event && event.kind !== "repo" ? { ...event, relay } : event;
}

function isRelayed(value: unknown): value is Relayed {
  const { time, commit = "" } = Object(value) as Record<string, unknown>;
  return typeof time === "string" && typeof commit === "string";
}

/** An entry of a list of repos, which was listed when it died. */
function decodeListed(entry: DeadEntry, origin: Origin): AnyEvent {
  let listed: unknown;
  try {
    listed = JSON.parse(String(entry.text));
  } catch (cause) {
    throw new PoisonError(BAD_DID, "Cannot use entry: it is not JSON", { cause });
  }
  return repoEvent(listed, origin, timeOf(entry) * 1000);
}

/**
 * The row again, but for two columns that its dead letter does not have: inferences are those that `raw_post` repeats, and the time of
 * the enrichment is not known.
 */
function decodeRow(entry: DeadEntry, origin: Origin): AnyEvent | undefined {
  const { row, at_uri, did, raw_post } = entry;
  const columns = { at_uri: bytesShown(at_uri), did: bytesShown(did), raw_post, inferences: null, created_at: null };
  const fileTimeUs = megastreamTime(origin.host) ?? timeOf(entry) * 1000;
  const result = readRow({ row: Number(row), ...columns }, {
    file: origin.host,
    fileTimeUs,
    purgeAccounts: ["deleted"],
    origin,
  });
  return "event" in result ? result.event : undefined;
}
