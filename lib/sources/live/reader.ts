/**
 * The frames of one connection as batches of events.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { getLogger } from "@logtape/logtape";
import type { AnyEvent, Origin } from "../../atproto/event.ts";
import { type Frame, seqOf, splitFrame } from "../../atproto/frame.ts";
import type { InfoMessage } from "../../atproto/repo_message.ts";
import type { Frames } from "../../net/websocket.ts";
import type { Batch, Poison } from "../../pipeline/batch.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { futureCursor } from "./future.ts";
import type { LivePlan } from "./options.ts";
import type { Place, Verdict } from "./place.ts";
import { count, type HostStats, type Protocol } from "./protocol.ts";

const log = getLogger(["bskyingest", "live"]);

/** Of a server's words so many characters are kept. */
const MOST_WORDS = 200;

/** Why nothing more is read of a connection, although it is still there. */
export type Over =
  /** The number that the user set has come. */
  | { readonly why: "until" }
  /** The server said good-bye. */
  | { readonly why: "error"; readonly error: string; readonly message: string | undefined }
  /** What came is against the protocol. */
  | { readonly why: "broken"; readonly words: string }
  /** The numbers began anew: ask for the oldest. */
  | { readonly why: "restart" };

/** What a reader works with. */
export interface ReaderContext<M extends { readonly seq: number }> {
  readonly protocol: Protocol<M>;
  readonly plan: Pick<LivePlan, "strict" | "until" | "onFutureCursor">;
  readonly place: Place;
  readonly origin: Origin;
  /** Of the positions. */
  readonly key: string;
  readonly stats: HostStats;
  /** Told of every message of which nothing is known. */
  readonly onIgnored: () => void;
}

/** Reads one connection. */
export class Reader<M extends { readonly seq: number }> {
  /** Nothing more is to be read. */
  over: Over | undefined;
  /** Whether anything came that could be read. */
  progressed = false;
  readonly #context: ReaderContext<M>;
  #items: AnyEvent[] = [];
  #filtered = 0;
  #duplicates = 0;
  #poison: Poison[] = [];
  /** Whether the position moved since the last batch. */
  #moved = false;
  /** The position before the frame that is being read. */
  #before: number | undefined;

  constructor(context: ReaderContext<M>) {
    this.#context = context;
  }

  /**
   * The batches of a chunk: each ends behind a whole frame.
   *
   * @throws {ConfigError} where the server's numbers began anew and the user wants to stop then.
   */
  *batches({ data, binary }: Frames): Generator<Batch<AnyEvent>> {
    const { place, stats, protocol } = this.#context;
    for (let i = 0; i < data.length && this.over === undefined; i++) {
      this.#before = place.seq;
      const message = this.#decode(data[i]!, binary[i]!);
      if (message !== undefined) {
        let verdict = place.meet(message.seq);
        if (verdict === "anew") {
          if (this.#moved) yield this.#batch(); // what is before the gap must not wait for it
          verdict = this.#restart(message.seq);
        }
        if (verdict === "new") this.#take(message, data[i]!);
        else if (verdict === "copy") this.#duplicates += this.#make(message, data[i]!)?.events.length ?? 0;
      }
      const full = this.#moved && this.#items.length >= protocol.batchEvents;
      if (full || this.#poison.length > 0) yield this.#batch();
    }
    stats.regressions = place.regressions;
    if (this.#moved || place.hasGaps || this.#duplicates > 0) yield this.#batch();
  }

  /** Reads a frame as far as its number; whatever is no message with a number is dealt with here. */
  #decode(data: Buffer, binary: boolean): M | undefined {
    const { protocol, stats } = this.#context;
    let frame: Frame | undefined;
    try {
      if (!binary) throw new PoisonError("frame-text", "Cannot read frame: it is a text message");
      frame = splitFrame(data);
      if (frame.kind !== "message") return this.#end(frame);
      count(stats.frames, frame.type);
      const message = protocol.decode(frame.type, frame.body);
      if (message === undefined) return this.#pass(frame.body);
      this.progressed = true;
      if ("seq" in message) return message;
      this.#inform(message);
    } catch (error) {
      if (!(error instanceof PoisonError)) throw error;
      if (frame === undefined) count(stats.frames, "bad");
      this.#bury(error, data);
      if (frame?.kind === "message") this.#moveTo(seqOf(frame.body));
      if (!binary) this.over = { why: "broken", words: "it sent a text message" };
      else if (this.#context.plan.strict) this.over = { why: "broken", words: error.message };
    }
    return undefined;
  }

  #end(frame: Exclude<Frame, { kind: "message" }>): undefined {
    const { stats, onIgnored } = this.#context;
    if (frame.kind === "error") {
      count(stats.frames, "error");
      const { error, message } = frame;
      this.over = { why: "error", error: inShort(error), message: inShort(message) };
    } else onIgnored();
  }

  /** A type that was removed, or is not known yet: the position passes it all the same. */
  #pass(body: Uint8Array): undefined {
    this.#context.onIgnored();
    this.#moveTo(seqOf(body));
  }

  /** A message of which nothing but its number can be read. */
  #moveTo(seq: number | undefined): void {
    const { place, plan } = this.#context;
    if (seq === undefined || place.meet(seq) !== "new") return;
    this.#moved = true;
    if (seq >= plan.until) this.over = { why: "until" };
  }

  #inform({ name, ...info }: InfoMessage): void {
    const { place, origin: { host } } = this.#context;
    const message = inShort(info.message);
    log.warn("{host} says {name}: {message}", { host, name, message });
    if (name === "OutdatedCursor") place.outdated(message);
  }

  /** The numbers began anew: what the user says becomes of the frame. */
  #restart(seq: number): Verdict {
    const { place, plan, origin: { host } } = this.#context;
    const words = `its numbers began anew: ${seq} came after ${place.seq}`;
    if (plan.onFutureCursor === "stop") {
      place.missNumbers("seq_regression", `first ${seq}`);
      throw futureCursor(host, place.cursor, words);
    }
    log.warn("{host}: {words}. Going on as --on-future-cursor {where} says", {
      host,
      words,
      where: plan.onFutureCursor,
    });
    place.restart(plan.onFutureCursor, "seq_regression", `first ${seq}`);
    if (plan.onFutureCursor === "live") return place.meet(seq);
    this.over = { why: "restart" };
    return "back";
  }

  #take(message: M, data: Buffer): void {
    const { plan, stats } = this.#context;
    this.#moved = true;
    stats.lastSeq = message.seq;
    if (message.seq >= plan.until) this.over = { why: "until" };
    const made = this.#make(message, data);
    if (made === undefined) return;
    const { events, filtered, rejected, badTimes } = made;
    for (const event of events) this.#items.push(event);
    stats.lastTimeUs = events[events.length - 1]?.time_us ?? stats.lastTimeUs;
    this.#filtered += filtered;
    stats.badTimes += badTimes;
    for (const error of rejected) this.#bury(error, data);
  }

  #make(message: M, data: Buffer) {
    const { protocol, plan, origin } = this.#context;
    try {
      return protocol.make(message, origin);
    } catch (error) {
      if (!(error instanceof PoisonError)) throw error;
      this.#bury(error, data);
      if (plan.strict) this.over = { why: "broken", words: error.message };
      return undefined;
    }
  }

  #bury(error: PoisonError, raw: Buffer): void {
    const { stats, origin: { host, wire } } = this.#context;
    count(stats.rejected, error.reason);
    const detail = { host, wire, position: this.#before === undefined ? null : String(this.#before), ...error.detail };
    this.#poison.push({ error, raw, detail });
  }

  /** Everything since the last batch. */
  #batch(): Batch<AnyEvent> {
    const { place, key, protocol } = this.#context;
    const [items, poison, gaps] = [this.#items, this.#poison, place.takeGaps()];
    const [filtered, duplicates] = [this.#filtered, this.#duplicates];
    const [last] = items.slice(-1);
    const unsound = poison.length > 0 && last ? seqOfEvent(last) : undefined;
    this.#items = [];
    this.#poison = [];
    this.#filtered = this.#duplicates = 0;
    this.#moved = false;
    return {
      key,
      items,
      cursor: place.cursor,
      ...(poison.length > 0 && { poison }),
      ...(filtered > 0 && { filtered }),
      ...(duplicates > 0 && { duplicates }),
      ...(gaps.length > 0 && { gaps }),
      // Where each frame counts, an empty one only shows as the last of a write: there the position is behind all events.
      ...(protocol.batchEvents === 0 && items.length === 0 && { urgent: true }),
      joined,
      cursorAfter(item) {
        const i = items.indexOf(item as AnyEvent);
        const seq = items[i] && seqOfEvent(items[i]);
        // What is dead comes from the last frame, or one behind it.
        return seq === undefined || seq === unsound || joined(item, items[i + 1]) ? undefined : String(seq);
      },
    };
  }
}

function inShort<T extends string | undefined>(words: T): T {
  return words?.slice(0, MOST_WORDS) as T;
}

function seqOfEvent(event: AnyEvent): number | undefined {
  return "seq" in event ? event.seq : undefined;
}

/** Whether two events came in one frame, which is never cut. */
function joined(item: unknown, next: unknown): boolean {
  const [a, b] = [item as AnyEvent, next as AnyEvent | undefined];
  return b !== undefined && a.origin === b.origin && seqOfEvent(a) === seqOfEvent(b);
}
