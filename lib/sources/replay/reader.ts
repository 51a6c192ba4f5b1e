/**
 * The entries of one file as batches of events.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { getLogger } from "@logtape/logtape";
import type { AnyEvent, AtEvent, Origin } from "../../atproto/event.ts";
import { textOf } from "../../net/text.ts";
import { isZstdFrame } from "../../net/zstd/header.ts";
import type { Batch, Cursor, Poison } from "../../pipeline/batch.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import type { SourceStats } from "../../pipeline/source.ts";
import { type Notice, parseV1, parseV2 } from "../jetstream/parse.ts";
import { advance } from "../jetstream/position.ts";
import type { Wire } from "../jetstream/url.ts";
import type { ZstdMessages } from "../jetstream/zstd_messages.ts";
import { connectionOf, originOf } from "./connection.ts";
import type { Copies } from "./copies.ts";
import { CUT } from "./decompress.ts";
import type { Content } from "./detect.ts";
import type { Entry } from "./entries.ts";
import type { Clock, Pace } from "./pace.ts";
import { type LastSeqs, RelayFrames, type RelayMessage, type RelayOptions } from "./relay.ts";

const log = getLogger(["bskyingest", "replay"]);

/** Events of one batch. */
const BATCH_EVENTS = 512;

const NOTHING: readonly never[] = [];

/** What a v2 message begins with, in files that do not say which wire they are of. */
const ENVELOPE = '{"$type"';

/** What reads files. */
export interface ReaderOptions {
  /** Of Jetstream. */
  readonly matches: (event: AtEvent) => boolean;
  /** Of relays and labelers. */
  readonly relay: RelayOptions;
  /** What streams of relays and labelers have come to; it is carried on from file to file. */
  readonly lastSeqs: LastSeqs;
  /** Undefined where none of the files is a recording: remembering events costs a fifth of the speed. */
  readonly copies: Copies | undefined;
  /** Undefined: as fast as it goes. */
  readonly pace: Pace | undefined;
  readonly clock: Clock;
  readonly stats: SourceStats;
  readonly stop: AbortSignal;
}

/** A file that is read. */
export interface ReadFile {
  /** For messages, and the host of events whose host nobody wrote down. */
  readonly name: string;
  readonly content: Content;
  /** Reads messages that are compressed one by one. */
  readonly zstd: ZstdMessages;
  /** Entries that an earlier run has handed on. */
  readonly skip: number;
  /** What was handed on before is wanted too: behind it, copies of it may follow. */
  readonly recallSkipped: boolean;
  /** The position behind an entry; undefined where the file has none. */
  readonly cursorAt: (entry: number) => Cursor | undefined;
}

/** Reads one file to its end, or until `stop` aborts. */
export async function* readBatches(file: ReadFile, options: ReaderOptions): AsyncGenerator<Batch<AnyEvent>, void> {
  const reader = new FileReader(file, options);
  options.pace?.begin();
  try {
    for await (const entries of file.content.entries) {
      yield* reader.batches(entries);
      if (options.stop.aborted) return;
    }
  } catch (error) {
    if (!(error instanceof PoisonError)) throw error;
    yield* reader.onBroken(error);
  }
}

/** The state of reading one file. */
class FileReader {
  readonly #file: ReadFile;
  readonly #options: ReaderOptions;
  readonly #named = new Set<string>();
  /** Of the connection that a recording tells of. */
  #origin: Origin | undefined;
  readonly #origins: Readonly<Record<Wire | "relay", Origin>>;
  /** Undefined: its messages are Jetstream's. */
  readonly #frames: RelayFrames | undefined;
  #items: AnyEvent[] = [];
  /** So many of `#items` are remembered already. */
  #remembered = 0;
  /** For each of `#items` its entry. */
  #entries: number[] = [];
  #filtered = 0;
  #duplicates = 0;
  /** The last entry that was read, and the last one that a batch stands for. */
  #last: number;
  #reported: number;
  /** The time of the last event, where events themselves are all that tells when to hand them on. */
  #time: number | undefined;

  constructor(file: ReadFile, options: ReaderOptions) {
    this.#file = file;
    this.#options = options;
    const { name } = file;
    this.#origins = { v1: originOf(name, "v1"), v2: originOf(name, "v2"), relay: originOf(name, "relay") };
    this.#frames = file.content.relay ? new RelayFrames(options.relay, options.lastSeqs) : undefined;
    this.#last = this.#reported = file.skip === Infinity ? 0 : file.skip;
  }

  /** One or more batches: each ends behind the first entry that cannot be read, before each wait, or when it is full. */
  async *batches(entries: readonly Entry[]): AsyncGenerator<Batch<AnyEvent>> {
    const { skip, recallSkipped, zstd } = this.#file;
    for (const entry of entries) {
      if (typeof entry.data !== "string" && !this.#frames && !zstd.ready) {
        await zstd.prepare({ data: [entry.data], binary: [true] });
      }
      if (entry.number <= skip) {
        if (recallSkipped) this.#pass(entry);
        continue;
      }
      let found: AtEvent | RelayMessage | undefined;
      try {
        found = this.#read(entry);
      } catch (error) {
        if (!(error instanceof PoisonError)) throw error;
        if (entry.unfinished) yield* this.onBroken(new PoisonError(CUT, error.message, { cause: error }));
        else yield this.#cut([this.#poison(error, entry)], entry.number);
        continue;
      }
      const ms = this.#waitFor(entry, found);
      if (ms > 0) {
        if (this.#last > this.#reported) yield this.#cut();
        await this.#options.clock.sleep(ms, this.#options.stop).catch(() => {});
        if (this.#options.stop.aborted) return;
      }
      this.#last = entry.number;
      const dead = found ? this.#take(found) : NOTHING;
      if (dead.length > 0) yield this.#cut(dead.map((error) => this.#poison(error, entry)));
      else if (this.#items.length >= BATCH_EVENTS) yield this.#cut();
    }
    if (this.#last > this.#reported) yield this.#cut();
    else if (this.#items.length > 0) this.#cut(); // of what was passed over
  }

  /** The rest of the file cannot be read: a last entry that is cut off is what a killed process leaves, anything else is damage. */
  *onBroken(error: PoisonError): Generator<Batch<AnyEvent>> {
    const { name, skip } = this.#file;
    if (skip === Infinity) return;
    if (error.reason === CUT) {
      log.warn("The end of {file} is cut off: its last entry is left out", { file: name });
      return;
    }
    const what = new PoisonError(error.reason, `${error.message}; the rest of ${name} is left out`, { cause: error });
    yield this.#cut([{ error: what, raw: "", detail: this.#where(this.#last) }], this.#last);
  }

  /** Reads an entry that an earlier run has handed on, only to know copies of it. */
  #pass(entry: Entry): void {
    try {
      const found = this.#read(entry);
      if (found) this.#take(found);
    } catch (error) {
      if (!(error instanceof PoisonError)) throw error; // it is in the dead letter
    }
    if (entry.number === this.#file.skip || this.#items.length >= BATCH_EVENTS) this.#cut();
  }

  /** Answers why parts of it are dead. */
  #take(found: AtEvent | RelayMessage): readonly PoisonError[] {
    if ("events" in found) return this.#takeAll(found);
    if (this.#options.copies?.isCopy(found)) this.#duplicates++;
    else if (!this.#options.matches(found)) this.#filtered++;
    else {
      this.#items.push(found);
      this.#entries.push(this.#last);
    }
    return NOTHING;
  }

  #takeAll({ events, filtered, rejected, copy }: RelayMessage): readonly PoisonError[] {
    if (copy) {
      this.#duplicates += events.length;
      return NOTHING;
    }
    this.#items.push(...events);
    for (let i = 0; i < events.length; i++) this.#entries.push(this.#last);
    this.#filtered += filtered;
    return rejected;
  }

  #read({ number, type, data }: Entry): AtEvent | RelayMessage | undefined {
    if (type === "unknown") throw new PoisonError("invalid", "Cannot read entry: it is of no known type");
    if (type === "opened") this.#open(String(data));
    if (type !== "message") return undefined;
    if (this.#frames) {
      const found = this.#frames.read(data, this.#origin ?? this.#origins.relay, number > this.#file.skip);
      return "notice" in found ? this.#ignore(found) : found;
    }
    const text = typeof data === "string" ? data : this.#decompress(data);
    const origin = this.#origin ?? this.#origins[text.startsWith(ENVELOPE) ? "v2" : "v1"];
    const message = origin.wire === "v2" ? parseV2(text, origin) : parseV1(text, origin);
    return "notice" in message ? this.#ignore(message) : message;
  }

  #decompress(data: Buffer): string {
    try {
      if (isZstdFrame(data)) return textOf(this.#file.zstd.decompress(data));
    } catch (error) {
      if (error instanceof PoisonError) throw error; // else it is the decoder of UTF-8
    }
    throw new PoisonError("not_utf8", "Cannot read event: it is not UTF-8");
  }

  #open(text: string): void {
    const { url, host, wire } = connectionOf(text, this.#frames !== undefined);
    this.#origin = originOf(host, wire);
    this.#options.stats.host = host;
    if (this.#frames) return this.#frames.opened();
    this.#file.zstd.begin();
    this.#remember();
    this.#options.copies?.opened({ url, host });
  }

  #ignore({ name }: Notice): undefined {
    this.#options.stats.ignored++;
    if (this.#named.has(name)) return;
    this.#named.add(name);
    log.info("Ignoring messages that are no events: {name}", { name });
  }

  /** Milliseconds until it is due. */
  #waitFor({ at }: Entry, found: AtEvent | RelayMessage | undefined): number {
    const event = found && "events" in found ? found.events[0] : found;
    if (event === undefined || this.#options.pace === undefined) return 0;
    if (at !== undefined) return this.#options.pace.wait(at);
    this.#time = advance(this.#time, event.time_us, Date.now() * 1000);
    return this.#options.pace.wait(this.#time ?? 0);
  }

  #poison(error: PoisonError, { number, data }: Entry): Poison {
    return { error, raw: data, detail: { ...this.#where(number), ...error.detail } };
  }

  #where(entry: number): Record<string, unknown> {
    const { host, wire } = this.#origin ?? this.#origins[this.#frames ? "relay" : "v1"];
    const { name, content, cursorAt } = this.#file;
    const number = content.format === "lines" ? { line: entry } : { entry };
    return { host, wire, position: cursorAt(Math.max(0, entry - 1)) ?? null, file: name, ...number };
  }

  #remember(): void {
    if (this.#frames) return; // of frames the numbers tell
    this.#options.copies?.handedOn(this.#items.slice(this.#remembered) as AtEvent[]);
    this.#remembered = this.#items.length;
  }

  /** What was read since the last time. */
  #cut(poison: readonly Poison[] = NOTHING, last: number = this.#last): Batch<AnyEvent> {
    const { cursorAt } = this.#file;
    const items = this.#items, entries = this.#entries;
    const entryOf = (item: unknown) => entries[items.indexOf(item as AnyEvent)];
    const batch: Batch<AnyEvent> = {
      items,
      cursor: cursorAt(last),
      cursorAfter(item) {
        const i = items.indexOf(item as AnyEvent), entry = entries[i];
        // Within a frame there is no position, nor behind one before what died of it is safe.
        const unsound = entry === entries[i + 1] || (poison.length > 0 && entry === last);
        return entry === undefined || unsound ? undefined : cursorAt(entry);
      },
      joined: (item, next) => entryOf(item) !== undefined && entryOf(item) === entryOf(next),
      ...(poison.length > 0 && { poison }),
      ...(this.#filtered > 0 && { filtered: this.#filtered }),
      ...(this.#duplicates > 0 && { duplicates: this.#duplicates }),
    };
    this.#remember();
    this.#items = [];
    this.#remembered = 0;
    this.#entries = [];
    this.#filtered = this.#duplicates = 0;
    this.#last = this.#reported = last;
    return batch;
  }
}
