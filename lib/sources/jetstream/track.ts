/**
 * Where a Jetstream source is: position, memory and the gap that it may be about to meet.
 *
 * @module
 */
import type { AtEvent, Origin } from "../../atproto/event.ts";
import type { Batch, Cursor, Gap, Poison } from "../../pipeline/batch.ts";
import type { OpenOptions } from "../../pipeline/source.ts";
import { Memory, MOST_REMEMBERED } from "./memory.ts";
import type { Plan } from "./options.ts";
import { advance, formatPosition, parsePosition, type Position } from "./position.ts";
import type { HostStart } from "./starts.ts";
import { MICROSECONDS_FROM, type Wire } from "./url.ts";

/** Differences of time that need no explanation, in microseconds. */
export const TIME_TOLERANCE_US = 60e6;

const SLOW = "consumer_too_slow";

/** What one connection asks for, and how to know what comes again. */
export interface Resume {
  /** The `cursor` parameter; undefined: live. */
  readonly cursor: number | undefined;
  /** Events up to this sequence number were handed on. */
  readonly bySeq?: number;
  /** Another host than the one of the position is asked by time. */
  readonly elsewhere?: boolean;
  /** Copies may come until the stream is past this time (microseconds). */
  readonly checkUntil?: number;
  /** The time that was asked for, in microseconds, whatever form the cursor has. */
  readonly asked?: number;
}

/** A gap whose end the next event tells. */
interface ExpectedGap extends Pick<Gap, "reason" | "host" | "detail"> {
  readonly unit: "us" | "seq";
  readonly from: number | undefined;
  /** The first event that the host sent behind it, once another one was looked for. */
  to?: number;
  /** The host of the list that begins earliest. */
  best?: HostStart;
}

/** What {@link Track.batch} needs besides the events. */
interface BatchParts {
  /** The time of the position before the batch. */
  readonly begin: number | undefined;
  readonly filtered: number;
  readonly duplicates: number;
  readonly poison?: Poison | undefined;
  readonly nowUs: number;
  readonly origin: Origin;
}

/** The position of one run. */
export class Track {
  /** The highest event time so far; undefined before the first event. */
  time: number | undefined;
  expected: ExpectedGap | undefined;
  memory: Memory = new Memory(0);
  readonly #plan: Plan;
  #host = "";
  #wire: Wire = "v1";
  #seq: number | undefined;
  /** Sequence numbers were given up: the position must not pass events that the end of the run kept out. */
  #ended = false;
  /** Where this run was told to begin, as long as nothing has come from there. */
  #begin: number | undefined;
  /** When a run without any position first listened, in microseconds: what it may have missed since is asked for. */
  #liveSince: number | undefined;
  /** Events handed on by this run. */
  #handedOn = 0;
  /** The event time of the last position that was sealed: a slow sink's is far behind. */
  #sealed: number | undefined;
  /** Where the gap began for which another host was looked for last. */
  #searched: number | undefined;
  #gaps: Gap[] = [];
  #moved = false;

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** Takes up a saved position, or what the options say instead of it. */
  async start({ cursor: saved, recall, afresh }: OpenOptions<AtEvent>, nowUs: number): Promise<void> {
    const { begin, noRewind, maxRewindUs, overlapUs } = this.#plan;
    if (begin !== undefined) {
      this.#beginAt(begin);
      return;
    }
    if (saved === undefined) return;
    const position = parsePosition(saved);
    const { time_us } = position;
    if (noRewind || afresh) {
      this.memory = new Memory(time_us);
      return afresh ? undefined : this.#skip("no_rewind", position, nowUs);
    }
    if (maxRewindUs > 0 && time_us < nowUs - maxRewindUs) {
      this.#beginAt(nowUs - maxRewindUs);
      return this.#skip("max_rewind", position, nowUs - maxRewindUs);
    }
    this.time = time_us;
    this.#host = position.host;
    this.#wire = position.wire;
    this.#seq = position.seq;
    this.memory = new Memory(position.recent_since ?? time_us - overlapUs - 1);
    if (recall) {
      const { items, since } = await recall(time_us - overlapUs, MOST_REMEMBERED);
      this.memory = new Memory(since);
      this.memory.restore({ events: items }, time_us);
    } else if (position.recent) this.memory.restore({ hashes: position.recent }, time_us);
  }

  /** What to ask of a host. */
  resume(host: string): Resume {
    const { time } = this;
    if (time === undefined) return this.#firstRequest();
    if (host === this.#host && this.#seq !== undefined) {
      return { cursor: this.#seq, bySeq: this.#seq, asked: time };
    }
    const { overlapUs } = this.#plan;
    const cursor = Math.min(time + 1, Math.max(time - overlapUs, this.memory.since + 1));
    return { cursor, asked: cursor, checkUntil: time + overlapUs, elsewhere: host !== this.#host };
  }

  /** The request of a run that has not seen an event. */
  #firstRequest(): Resume {
    const cursor = this.#begin ?? this.#liveSince;
    if (cursor === undefined) return { cursor };
    const byTime = this.#begin !== undefined && cursor >= MICROSECONDS_FROM;
    return byTime ? { cursor, asked: cursor, checkUntil: cursor + this.#plan.overlapUs } : { cursor };
  }

  /** Begins where the user says, and never asks for anything older. */
  #beginAt(begin: number): void {
    this.#begin = begin;
    if (begin >= MICROSECONDS_FROM) this.memory = new Memory(begin - 1);
  }

  /** A connection is open: from now on nothing may be missed, even before the first event. */
  listening(nowUs: number): void {
    this.#liveSince ??= Math.floor(nowUs);
  }

  /** Sequence numbers of this host lead nowhere: go by time from now on. */
  forgetSeq(): void {
    this.#seq = undefined;
    if (this.time === undefined && this.#begin !== undefined && this.#begin < MICROSECONDS_FROM) {
      this.#begin = MICROSECONDS_FROM; // older than anything that a server holds
    }
  }

  /** Whether an event is so far ahead that it does not tell where the stream is. */
  isAstray({ time_us }: AtEvent, nowUs: number): boolean {
    return time_us > (this.time ?? 0) && advance(this.time, time_us, nowUs) !== time_us;
  }

  /** Notes that an event was seen, whatever becomes of it. */
  move(time_us: number | undefined, seq: number | undefined, origin: Origin, nowUs: number): void {
    if (time_us !== undefined) this.time = advance(this.time, time_us, nowUs);
    if (this.time === undefined) return;
    this.#moved = true;
    if (seq !== undefined || this.#host !== origin.host) this.#seq = this.#ended ? undefined : seq;
    this.#host = origin.host;
    this.#wire = origin.wire as Wire;
  }

  /** The first event at or after the end came. */
  endReached(): void {
    this.#ended = true;
    this.#seq = undefined;
  }

  /** A gap lies between the position and the next event. */
  expectGap(gap: Pick<Gap, "reason" | "host" | "detail">): void {
    const from = this.time ?? this.#begin;
    const unit = this.time === undefined && from !== undefined && from < MICROSECONDS_FROM ? "seq" : "us";
    this.expected ??= { ...gap, unit, from };
  }

  /** Whether another host is to be looked for that has what is missing before `time_us`: once for each gap. */
  startSearch(time_us: number): boolean {
    const { expected } = this;
    const { healGaps, endpoints } = this.#plan;
    if (!healGaps || expected?.from === undefined || expected.unit !== "us") return false;
    if (expected.from === this.#searched || time_us <= expected.from || expected.reason === SLOW) return false;
    // Of a gap that is only possible, the one host there is can tell whether it is one.
    if (endpoints.length === 1 && expected.reason !== "maybe_clamped") return false;
    this.#searched = expected.from;
    expected.to = time_us;
    return true;
  }

  /** A host was found that begins earliest. */
  found(best: HostStart): void {
    this.expected!.best = best;
  }

  /** The next event is there: it tells where the gap ends, or that there is none. */
  resolveGap(event: AtEvent, copy: boolean): void {
    const expected = this.expected!;
    this.expected = undefined;
    if (expected.best?.host === event.origin.host) return this.#resolveFound(expected, expected.best);
    const to = expected.unit === "us" ? event.time_us : event.seq;
    const slow = expected.reason === SLOW;
    // A server may hold less than the overlap that it was asked for, and yet all that is new.
    if (!slow && to !== undefined && to <= (expected.from ?? 0)) return;
    this.#push(expected, to, slow && copy ? "healed" : "open");
  }

  /** The same where the host is the one that begins earliest. */
  #resolveFound(expected: ExpectedGap, { host, startUs }: HostStart): void {
    if (startUs > expected.from!) this.#push(expected, startUs, "open");
    else if (host !== expected.host) this.#push(expected, expected.to, "healed");
  }

  #push({ reason, host, detail, unit, from }: ExpectedGap, to: number | undefined, state: Gap["state"]): void {
    const words = detail === undefined ? {} : { detail };
    this.#gaps.push({ source: "jetstream", reason, host, ...words, unit, from, to, state });
  }

  /** Whether there is anything to tell the pipeline. */
  hasNews(events: number): boolean {
    return events > 0 || this.#moved || this.#gaps.length > 0;
  }

  /** The position now, as text. */
  cursor(): Cursor | undefined {
    return this.time === undefined ? undefined : this.#cursorAt(this.time, this.#seq, this.#handedOn);
  }

  /** Puts a batch together, remembers its events, and names its position. */
  batch(items: readonly AtEvent[], parts: BatchParts): Batch<AtEvent> {
    const { begin, filtered, duplicates, poison, nowUs } = parts;
    const before = this.#handedOn;
    this.#handedOn += items.length;
    const cursor = this.cursor();
    const { time } = this;
    if (time !== undefined) this.memory.add(items, time, this.#floor(Math.min(time, this.#sealed ?? time)), cursor);
    const gaps = this.#gaps;
    this.#gaps = [];
    this.#moved = false;
    const cursorAfter = (item: unknown) => {
      const count = items.indexOf(item as AtEvent) + 1;
      if (count === 0) return undefined;
      const at = items.slice(0, count).reduce((t: number | undefined, e) => advance(t, e.time_us, nowUs), begin);
      if (at === undefined) return undefined;
      const cut = this.#cursorAt(at, this.#ended ? undefined : items[count - 1]!.seq, before + count, parts.origin);
      this.memory.noteCut(items, count, cut);
      return cut;
    };
    return {
      items,
      cursor,
      cursorAfter,
      ...(filtered > 0 && { filtered }),
      ...(duplicates > 0 && { duplicates }),
      ...(poison && { poison: [poison] }),
      ...(gaps.length > 0 && { gaps }),
    };
  }

  /** Completes a position of this run with the hashes of the last events before it. */
  seal(cursor: Cursor): Cursor {
    const position = parsePosition(cursor);
    this.#sealed = position.time_us;
    const recent_since = Math.min(position.time_us, Math.max(this.memory.since, this.#floor(position.time_us)));
    return formatPosition({ ...position, recent: this.memory.hashesUpTo(cursor), recent_since });
  }

  /** What is older need not be remembered to resume at `time_us`. */
  #floor(time_us: number): number {
    return time_us - this.#plan.overlapUs - 1e6;
  }

  #cursorAt(time_us: number, seq: number | undefined, n: number, at?: Origin): Cursor {
    const position: Position = {
      v: 1,
      host: at?.host ?? this.#host,
      wire: (at?.wire ?? this.#wire) as Wire,
      time_us,
      ...(seq !== undefined ? { seq } : { n }),
    };
    return formatPosition(position);
  }

  /** The user wants to leave out what lies between a saved position and `to`. */
  #skip(reason: string, { host, time_us }: Position, to: number): void {
    this.#gaps.push({ source: "jetstream", host, unit: "us", from: time_us, to, reason, state: "accepted" });
  }
}
