/**
 * The messages of one connection as batches of events.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { getLogger } from "@logtape/logtape";
import type { AtEvent, Origin } from "../../atproto/event.ts";
import { textOf } from "../../net/text.ts";
import type { Frames } from "../../net/websocket.ts";
import { isZstdFrame } from "../../net/zstd/header.ts";
import type { Batch, Poison } from "../../pipeline/batch.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { collectionMatcher, isBusy, matcher } from "./filter.ts";
import type { Plan } from "./options.ts";
import { type Notice, parseV1, parseV2 } from "./parse.ts";
import { MICROSECONDS_FROM } from "./url.ts";
import { type Resume, TIME_TOLERANCE_US, type Track } from "./track.ts";

const log = getLogger(["bskyingest", "jetstream"]);

/** Servers keep so much, in microseconds: legacy ones, new ones. */
const LEGACY_WINDOW_US = 24 * 3600e6, NEW_WINDOW_US = 36 * 3600e6;

/**
 * A v1 commit up to its collection, as every known server writes it. The body behind it costs the most to parse, so commits of
 * collections that are not wanted are not read further; a message of any other shape is.
 */
const COMMIT_HEAD = new RegExp(
  String.raw`^\{"did":"did:[^"\\]{1,2044}","time_us":(\d{1,16})(?:,"cursor":(\d{1,16}))?,"kind":"commit",` +
    String.raw`"commit":\{"rev":"[^"\\]+","operation":"(?:create|update|delete)","collection":"([^"\\]+)"`,
);
const HEAD_BYTES = 320;

/** What a reader tells its session besides batches, and what it asks of it. */
export interface ReaderHooks {
  /** A message that is no event of a known kind. */
  readonly onIgnored: () => void;
  /** The first event at or after the end: the run ends soon; one that is a second later: now. */
  readonly onEnd: (now: boolean) => void;
  /**
   * Makes a zstd frame plain, until the next call. Undefined: none come.
   *
   * @throws {PoisonError} where it cannot be read.
   */
  readonly decompress?: (frame: Buffer) => Buffer;
}

/** The answer to a cursor came from another epoch of the server: sequence numbers mean something else there. */
export class EpochError extends Error {
  override readonly name = "EpochError";
}

/** The host has left out events that another one may have. */
export class MissingError extends Error {
  override readonly name = "MissingError";
}

/** Reads one connection. */
export class Reader {
  /** Whether an event came that was no copy. */
  progressed = false;
  /** The server's last words, where it ended the stream with an error message. */
  serverError: { readonly name: string; readonly message: string } | undefined;
  readonly #plan: Plan;
  readonly #track: Track;
  readonly #origin: Origin;
  readonly #resume: Resume;
  readonly #on: ReaderHooks;
  readonly #matches: (event: AtEvent) => boolean;
  readonly #now: () => number;
  readonly #named = new Set<string>();
  readonly #wantsCollection: ((collection: string) => boolean) | undefined;
  #isCopy: ((event: AtEvent, astray: boolean) => boolean) | undefined;
  #first = true;

  constructor(plan: Plan, track: Track, origin: Origin, resume: Resume, on: ReaderHooks, now: () => number) {
    this.#plan = plan;
    this.#track = track;
    this.#origin = origin;
    this.#resume = resume;
    this.#on = on;
    this.#now = now;
    this.#matches = matcher(plan.filter);
    const { collections } = plan.filter;
    if (collections && origin.wire === "v1") this.#wantsCollection = collectionMatcher(collections);
    this.#isCopy = this.#copyTest();
  }

  /** One or more batches of a chunk: each ends behind the first message that cannot be read. */
  *batches({ data, binary }: Frames): Generator<Batch<AtEvent>> {
    const nowUs = this.#now() * 1000;
    let items: AtEvent[] = [];
    let filtered = 0, duplicates = 0;
    let begin = this.#track.time;
    const cut = (poison?: Poison) => {
      const batch = this.#track.batch(items, { begin, filtered, duplicates, poison, nowUs, origin: this.#origin });
      items = [];
      filtered = duplicates = 0;
      begin = this.#track.time;
      return batch;
    };
    for (let i = 0; i < data.length; i++) {
      let event: AtEvent | undefined;
      try {
        const plain = binary[i] ? this.#plain(data[i]!) : data[i]!;
        if (this.#skim(plain, nowUs)) {
          filtered++;
          continue;
        }
        event = this.#read(plain, nowUs);
      } catch (error) {
        if (!(error instanceof PoisonError)) throw error;
        yield cut(this.#poisonOf(error, data[i]!, binary[i]!));
        continue;
      }
      if (event === undefined) continue;
      const verdict = this.#judge(event, nowUs);
      if (verdict === "take") items.push(event);
      else if (verdict === "copy") duplicates++;
      else filtered++;
    }
    if (this.#track.hasNews(items.length + filtered + duplicates)) yield cut();
  }

  /** A dead letter for a message that was larger than we accept, of which nothing was read. */
  oversize(): Batch<AtEvent> {
    const message = `Cannot read event: it is larger than ${this.#plan.maxFrameBytes} bytes`;
    const poison = { error: new PoisonError("oversize", message), raw: "", detail: this.#where() };
    const { time: begin } = this.#track;
    const counts = { begin, filtered: 0, duplicates: 0, nowUs: this.#now() * 1000, origin: this.#origin };
    return this.#track.batch([], { ...counts, poison });
  }

  /** What a binary message says: what is no zstd frame is text all the same. */
  #plain(data: Buffer): Buffer {
    return this.#on.decompress && isZstdFrame(data) ? this.#on.decompress(data) : data;
  }

  /** Whether a message is a commit of a collection that is not wanted, told from its first bytes. */
  #skim(data: Buffer, nowUs: number): boolean {
    // While anything else hangs on the event (the first one, copies, a gap, the end), it is read whole.
    if (!this.#wantsCollection || this.#first || this.#isCopy || this.#track.expected) return false;
    if (this.#plan.endUs !== undefined) return false;
    const head = COMMIT_HEAD.exec(data.toString("latin1", 0, HEAD_BYTES));
    if (!head || this.#wantsCollection(head[3]!)) return false;
    const time_us = Number(head[1]), seq = head[2] === undefined ? undefined : Number(head[2]);
    if (!Number.isSafeInteger(time_us) || time_us === 0) return false;
    this.#track.move(time_us, seq, this.#origin, nowUs);
    this.progressed = true;
    return true;
  }

  #read(data: Buffer, nowUs: number): AtEvent | undefined {
    let text: string;
    try {
      text = textOf(data);
    } catch (cause) {
      throw new PoisonError("not_utf8", "Cannot read event: it is not UTF-8", { cause });
    }
    const message = this.#origin.wire === "v1" ? parseV1(text, this.#origin) : parseV2(text, this.#origin);
    if (!("notice" in message)) return message;
    this.#notice(message, nowUs);
    return undefined;
  }

  #notice(notice: Notice, nowUs: number): void {
    if (notice.notice === "error") {
      this.serverError = notice;
      return;
    }
    if (notice.notice === "info" && notice.name === "OutdatedCursor") {
      this.#track.expectGap({ reason: "outdated_cursor", detail: notice.message, host: this.#origin.host });
      return;
    }
    if (notice.notice === "ignored") this.#track.move(notice.time_us, notice.seq, this.#origin, nowUs);
    this.#on.onIgnored();
    if (this.#named.has(notice.name)) return;
    this.#named.add(notice.name);
    log.info("Ignoring messages of a kind that is not known: {name}", { name: notice.name });
  }

  #judge(event: AtEvent, nowUs: number): "take" | "copy" | "drop" {
    const astray = this.#track.isAstray(event, nowUs);
    if (this.#first && !astray) this.#meetFirst(event, nowUs);
    const copy = this.#isCopy?.(event, astray) ?? false;
    if (this.#track.expected && !astray) {
      if (this.#track.startSearch(event.time_us)) throw new MissingError();
      this.#track.resolveGap(event, copy);
    }
    const { endUs } = this.#plan;
    if (endUs !== undefined && event.time_us >= endUs) {
      this.#track.endReached();
      this.#on.onEnd(event.time_us >= endUs + 1e6);
      return "drop";
    }
    this.#track.move(event.time_us, event.seq, this.#origin, nowUs);
    if (copy) return "copy";
    this.progressed = true;
    return this.#matches(event) ? "take" : "drop";
  }

  /** How events that were handed on before are known, until the stream is past all of them. */
  #copyTest(): ((event: AtEvent, astray: boolean) => boolean) | undefined {
    const { bySeq, cursor = 0, checkUntil, elsewhere } = this.#resume;
    if (bySeq !== undefined) {
      return ({ seq }) => {
        if (seq !== undefined && seq <= bySeq) return true;
        this.#isCopy = undefined;
        return false;
      };
    }
    if (checkUntil === undefined) return undefined;
    const handedOn = this.#track.memory.recognizer();
    return (event, astray) => {
      if (event.time_us > checkUntil && !astray) {
        this.#isCopy = undefined;
        return false;
      }
      // New servers, those with sequence numbers, replay up to an hour more than they are asked for (jetstream issue 343).
      const mayBeOlder = elsewhere || event.seq !== undefined;
      return (mayBeOlder && event.time_us < cursor) || handedOn(event);
    };
  }

  /** What the first event tells: whether the server went where it was asked to. */
  #meetFirst(event: AtEvent, nowUs: number): void {
    this.#first = false;
    const { bySeq, asked } = this.#resume;
    const { time } = this.#track;
    if (bySeq !== undefined && time !== undefined) {
      const other = (event.seq ?? 0) < bySeq || event.time_us < time - TIME_TOLERANCE_US;
      if (other) throw new EpochError(`The first event has seq ${event.seq}, after ${bySeq} was asked for`);
    }
    if (asked === undefined || asked < MICROSECONDS_FROM || this.#track.expected) return;
    const window = event.seq === undefined ? LEGACY_WINDOW_US : NEW_WINDOW_US;
    const tolerance = Math.max(TIME_TOLERANCE_US, 10 * this.#plan.overlapUs);
    const host = this.#origin.host;
    if (isBusy(this.#plan.filter, this.#origin.wire as "v1" | "v2")) {
      if (event.time_us > asked + tolerance) this.#track.expectGap({ reason: "clamped", host });
    } else if (nowUs - asked > window) this.#track.expectGap({ reason: "maybe_clamped", host });
  }

  #poisonOf(error: PoisonError, data: Buffer, binary: boolean): Poison {
    return { error, raw: binary || error.reason === "not_utf8" ? data : data.toString(), detail: this.#where() };
  }

  /** Where a message came from, with the position before it. */
  #where(): Record<string, unknown> {
    const { host, wire } = this.#origin;
    return { host, wire, position: this.#track.cursor() ?? null };
  }
}
