/**
 * Several hosts that send the same events, read side by side as one ordered stream with one copy of each.
 *
 * The kept copy always lies before the dropped one, so whatever makes a position true makes the kept copy durable first.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { type Batch, type Cursor, type Gap, weigh } from "../../pipeline/batch.ts";
import { ConfigError, FatalError, messageOf, TransientError } from "../../pipeline/errors.ts";
import { type Common, join, joinApart, type Mark, type Part } from "./group.ts";
import type { KeyWindow } from "./key_window.ts";
import { type Lane, LaneReader } from "./lane.ts";

const log = getLogger(["bskyingest", "race"]);

/** Events, copies included, and milliseconds after which a group of batches is handed on. */
const GROUP_ITEMS = 500, GROUP_WEIGHT = 5000, GROUP_MS = 250;
/** The common position lies where the slowest host is, unless that one is further behind, in microseconds: it may be gone. */
const COMMON_SPREAD_US = 60e6;
/** How often it is looked whether hosts that others wait for still answer, in milliseconds. */
const LOOK_MS = 1000;

/** What {@link mergeLanes} merges, and how. */
export interface MergeOptions<T> {
  readonly lanes: readonly Lane<T>[];
  /** What was handed on before, as far as that is known by key. */
  readonly window: KeyWindow;
  /** What makes an event itself; undefined: it passes from every host. */
  readonly keyOf: (item: T) => string | undefined;
  /** The event time, in microseconds. */
  readonly timeOf: (item: T) => number;
  /** The event time that a host has reached with a batch, in microseconds. */
  readonly reachedBy: (batch: Batch<T>) => number | undefined;
  /** Recognises what was handed on before by other means than its key, until a host is past a time (microseconds). */
  readonly known?: { readonly until: number; readonly test: (key: string) => boolean };
  /** Completes positions. Default: they stay as they are. */
  readonly mark?: Mark;
  /** One position for all hosts besides those of each: an event time that they have reached (microseconds). */
  readonly common?: { readonly key: string; readonly cursorAt: (time_us: number, taken: number) => Cursor };
  /** The row for what is left out of a host that is too far behind: times in microseconds. */
  readonly gapOf?: (host: string, from: number | undefined, to: number) => Gap;
  /** No event of a host is a copy of another's: each host's are handed on with its own position. @default {false} */
  readonly apart?: boolean;
  /** The first lane that fails ends all of them. Default: it is left out while another one lives. */
  readonly failTogether?: boolean;
  /** A host that does not answer for so long is not waited for, in milliseconds. @default {10000} */
  readonly patienceMs?: number;
  /** Told of every event with a key, first copies and further ones. */
  readonly onEvent?: (host: string, key: string, time_us: number, isFirst: boolean) => void;
  /** Told after every batch. */
  readonly onBatch?: (hosts: readonly { readonly host: string; readonly reached: number | undefined }[]) => void;
}

/**
 * Merges the lanes until all have ended. A host that is ahead waits for one that is behind and catches up, so that copies are
 * recognised; one that comes back from further behind than the window reaches goes on where it does, with a gap. A lane that
 * fails is dropped while another one lives, unless they fail together.
 *
 * @param stop Aborting it ends the lanes.
 * @throws What the last lane threw, if all failed; anything that no lane may throw.
 */
export async function* mergeLanes<T>(options: MergeOptions<T>, stop: AbortSignal): AsyncGenerator<Batch<T>, void> {
  const merger = new Merger(options, stop);
  try {
    await merger.open();
    while (merger.ask()) {
      await merger.news();
      yield* merger.take();
    }
    yield* merger.flush();
    merger.throwIfFailed();
  } finally {
    await merger.close();
  }
}

class Merger<T> {
  readonly #options: MergeOptions<T>;
  readonly #stop: AbortSignal;
  readonly #lanes: readonly LaneReader<T>[];
  /** Lanes that have something to say, in the order in which they had. */
  #ready: LaneReader<T>[] = [];
  #wake = () => {};
  #group: Part<T>[] = [];
  #groupItems = 0;
  #groupWeight = 0;
  #groupSince = 0;
  /** The time of the last common position. */
  #commonTime: number | undefined;
  /** Whether a lane waits for another one, which may never answer. */
  #waits = false;

  constructor(options: MergeOptions<T>, stop: AbortSignal) {
    this.#options = options;
    this.#stop = stop;
    this.#lanes = options.lanes.map((lane) => {
      const reader: LaneReader<T> = new LaneReader(lane, options.patienceMs ?? 10_000, () => {
        this.#ready.push(reader);
        this.#wake();
      });
      return reader;
    });
  }

  async open(): Promise<void> {
    for (const reader of this.#lanes) {
      if ((reader.reached ?? Infinity) < this.#options.window.since) await this.#skip(reader);
      else await reader.open(this.#stop);
    }
  }

  /** Reads on wherever it may; answers whether any lane is left. */
  ask(): boolean {
    const over = this.#lanes.some(({ ended, failure }) => ended && failure === undefined);
    this.#waits = over;
    for (const reader of this.#lanes) {
      if (over && !reader.active) this.#giveUp(reader);
      else if (!this.#stop.aborted && this.#isHeld(reader)) this.#waits = true;
      else reader.ask();
    }
    return this.#ready.length > 0 || this.#lanes.some(({ ended }) => !ended);
  }

  /** Waits until a lane has something to say, or the group is to be handed on. */
  async news(): Promise<void> {
    const now = performance.now();
    const due = this.#group.length > 0 ? this.#groupSince + GROUP_MS - now : Infinity;
    const ms = Math.min(due, this.#waits ? LOOK_MS : Infinity);
    if (this.#ready.length > 0 || ms <= 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = Number.isFinite(ms) ? setTimeout(resolve, ms) : undefined;
    await promise;
    clearTimeout(timer);
  }

  /** What is to be handed on of what has come. */
  async *take(): AsyncGenerator<Batch<T>, void> {
    for (const reader of this.#ready.splice(0)) {
      const batch = reader.take();
      if (batch === undefined) this.#meetEnd(reader);
      else if (this.#isTooOld(reader, batch)) await this.#skip(reader);
      else yield* this.#add(reader, batch);
    }
    const full = this.#groupItems >= GROUP_ITEMS || this.#groupWeight >= GROUP_WEIGHT;
    if (full || performance.now() >= this.#groupSince + GROUP_MS) yield* this.flush();
  }

  *flush(): Generator<Batch<T>, void> {
    if (this.#group.length === 0) return;
    const { apart, mark = (cursor) => cursor } = this.#options;
    const batches = apart ? joinApart(this.#group) : join(this.#group, mark, this.#common());
    this.#group = [];
    this.#groupItems = this.#groupWeight = 0;
    yield* batches;
  }

  throwIfFailed(): void {
    const failed = this.#lanes.filter(({ failure }) => failure !== undefined);
    if (failed.length === this.#lanes.length) throw failed[failed.length - 1]!.failure;
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((reader) => reader.close()));
  }

  /** The common position of the group: within it, that of the group before, as what comes earlier may still follow. */
  #common(): Common | undefined {
    const { common, timeOf } = this.#options;
    if (common === undefined) return undefined;
    const reached = this.#lanes.flatMap(({ reached }) => reached ?? []);
    const floor = Math.max(...reached) - COMMON_SPREAD_US;
    const after = reached.length > 0 ? Math.min(...reached.filter((time) => time >= floor)) : undefined;
    const times = this.#group.flatMap(({ batch }) => batch.items.map(timeOf));
    const before = this.#commonTime ?? (times.length > 0 ? Math.min(...times) : after);
    this.#commonTime = after;
    const cursorAt = (taken: number, whole: boolean) => {
      const time_us = whole ? after : before;
      return time_us === undefined ? undefined : common.cursorAt(time_us, taken);
    };
    return { key: common.key, cursorAt };
  }

  /** Whether a lane is so far ahead of one that still catches up that the window could lose what that one needs. */
  #isHeld({ reached }: LaneReader<T>): boolean {
    if (reached === undefined) return false;
    const { window } = this.#options;
    return this.#lanes.some((other) => {
      return other.active && other.reached !== undefined && window.isFar(reached, other.reached);
    });
  }

  /** The other hosts have come to the end that the user set: one that does not answer would keep the run for ever. */
  #giveUp(reader: LaneReader<T>): void {
    if (reader.ended) return;
    log.warn("{host} does not answer and the end is reached: going without it", { host: reader.lane.host });
    reader.ended = true;
  }

  #meetEnd({ lane: { host }, failure }: LaneReader<T>): void {
    if (failure === undefined) return;
    const expected = failure instanceof ConfigError || failure instanceof FatalError ||
      failure instanceof TransientError;
    if (!expected || this.#options.failTogether) throw failure;
    if (this.#lanes.some(({ ended }) => !ended)) {
      log.warn("{why}. Going on without {host}", { why: messageOf(failure), host });
    }
  }

  /** Whether a host goes on before the time from which on copies are recognised. */
  #isTooOld({ reached = -Infinity }: LaneReader<T>, { items }: Batch<T>): boolean {
    const { window, timeOf } = this.#options;
    return reached < window.since && items.some((item) => timeOf(item) <= window.since);
  }

  /** Opens a lane where copies are recognised for some time to come: what is not asked for cannot be doubled. */
  async #skip(reader: LaneReader<T>): Promise<void> {
    const { window: { since }, gapOf } = this.#options;
    const { lane: { host }, reached, gap } = reader;
    const newest = Math.max(since, ...this.#lanes.map((other) => other.reached ?? since));
    const to = Math.round(since + (newest - since) / 4);
    reader.gap = gapOf?.(host, gap ? gap.from : reached, to);
    log.warn("{host} is too far behind the other hosts: going on at {to}", {
      host,
      to: new Date(to / 1000).toISOString(),
    });
    await reader.open(this.#stop, to);
  }

  *#add(reader: LaneReader<T>, batch: Batch<T>): Generator<Batch<T>, void> {
    const part = this.#sift(reader, batch);
    const { poison, gaps, urgent, end } = part.batch;
    const alone = poison || gaps || urgent || end;
    if (alone) yield* this.flush();
    if (this.#group.length === 0) this.#groupSince = performance.now();
    this.#group.push(part);
    this.#groupItems += part.batch.items.length;
    this.#groupWeight += weigh(part.batch);
    if (alone) yield* this.flush();
  }

  /** Takes the copies out of a batch. */
  #sift(reader: LaneReader<T>, batch: Batch<T>): Part<T> {
    const { window, keyOf, onBatch, reachedBy } = this.#options;
    const before = window.taken;
    const items = batch.items.filter(this.#isFirst(reader));
    reader.reached = reachedBy(batch) ?? reader.reached;
    window.date(reader.reached ?? 0);
    const times = this.#lanes.flatMap(({ active, reached }) => active && reached !== undefined ? [reached] : []);
    window.forget(times.length > 0 ? Math.min(...times) : -Infinity);
    onBatch?.(this.#lanes.map(({ lane: { host }, reached }) => ({ host, reached })));
    const { gap, lane: { key } } = reader;
    reader.gap = undefined;
    const duplicates = (batch.duplicates ?? 0) + batch.items.length - items.length;
    const gaps = gap ? [gap, ...batch.gaps ?? []] : batch.gaps;
    return {
      key,
      batch: { ...batch, items, duplicates, ...(gaps && { gaps }) },
      taken: (count) => before + items.slice(0, count).filter((item) => keyOf(item) !== undefined).length,
    };
  }

  /** A test for events that no host has sent before. */
  #isFirst({ lane: { host }, reached = Infinity }: LaneReader<T>): (item: T) => boolean {
    const { window, keyOf, timeOf, known, onEvent } = this.#options;
    const knownBefore = known && reached <= known.until ? known.test : undefined;
    return (item) => {
      const key = keyOf(item);
      if (key === undefined) return true;
      if (knownBefore?.(key)) return false;
      const isFirst = window.take(key);
      onEvent?.(host, key, timeOf(item), isFirst);
      return isFirst;
    };
  }
}
