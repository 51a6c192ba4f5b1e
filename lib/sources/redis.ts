/**
 * The source of `consume`: a consumer group of Redis streams, so that any number of processes share them.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { AnyEvent } from "../atproto/event.ts";
import { type RedisLink, redisLink } from "../net/redis/link.ts";
import type { Batch } from "../pipeline/batch.ts";
import type { DeadLetter } from "../pipeline/deliver.ts";
import { messageOf, PoisonError, TransientError } from "../pipeline/errors.ts";
import { delay, LEAST_WAIT_MS } from "../pipeline/retry.ts";
import type { CheckpointStore } from "../pipeline/sink.ts";
import { batchStream, type OpenOptions, type Source } from "../pipeline/source.ts";
import { unlessHeld } from "./held.ts";
import { decodeEntry, rawEntry } from "./redis/decode.ts";
import { byStream, Deliveries, type Delivery } from "./redis/deliveries.ts";
import { type GroupStream, isGroupGone, joinGroup } from "./redis/group.ts";
import { type ConsumeLag, measureLag } from "./redis/lag.ts";
import { type ConsumeFigures, DEFAULTS, type RedisSourceOptions } from "./redis/options.ts";
import { patiently } from "./redis/patience.ts";
import { claimIdle, type Entry, recoverable } from "./redis/recover.ts";
import { ACKNOWLEDGE_AND_DELETE, BURY } from "./redis/scripts.ts";
import { upkeep } from "./redis/upkeep.ts";

export { type DeadStream, type DeadStreamEntry, type DeadStreamFilter, redisDeadStream } from "./redis/dead_stream.ts";
export type { ConsumeLag } from "./redis/lag.ts";
export type { ConsumeFigures, RedisSourceOptions } from "./redis/options.ts";
export { type RedisPreview, redisPreview } from "./redis/preview.ts";

const log = getLogger(["bskyingest", "consume"]);

/** The source; it has connections of its own, which end with it. */
export interface RedisSource extends Source<AnyEvent>, AsyncDisposable {
  /** Saving a position acknowledges every entry up to it. There is nothing to load: the group knows what was acknowledged. */
  readonly checkpoints: CheckpointStore;
  /** A dead letter that puts events of this source into the dead stream, and leaves all else to `others`. */
  deadLetter(others: DeadLetter): DeadLetter;
  /** What was counted so far. */
  figures(): ConsumeFigures;
  /** How far the group is behind, by stream. */
  lag(options?: { readonly signal?: AbortSignal }): Promise<ConsumeLag[]>;
}

/**
 * Reads streams as one consumer of a group. An entry is acknowledged once the events of it, and of all before it, are safe. Until then it
 * belongs to this consumer, and comes again after a crash.
 */
export function redisSource(options: RedisSourceOptions): RedisSource {
  return new Consumer(options);
}

/** The state of one consumer. */
class Consumer implements RedisSource {
  readonly key: string;
  readonly checkpoints: CheckpointStore = {
    load: () => Promise.resolve(undefined),
    save: (_key, cursor) => this.#acknowledge(Number(cursor)),
  };
  readonly #options: typeof DEFAULTS & RedisSourceOptions;
  readonly #link: RedisLink;
  /** Reads wait, and nothing else may wait for them. */
  #reading: RedisLink;
  readonly #deliveries = new Deliveries();
  /** Which entry an event came in. */
  readonly #entryOf = new WeakMap<object, Delivery>();
  readonly #closed = new AbortController();
  readonly #figures = { read: 0, redelivered: 0, acknowledged: 0, dead: 0, deleted: 0 };
  /** Settles when what was opened last reads no more. */
  #over: Promise<void> | undefined;
  #streams: readonly GroupStream[] = [];
  #upkeep: AsyncDisposable | undefined;

  constructor(options: RedisSourceOptions) {
    this.#options = { ...DEFAULTS, ...options };
    this.key = `consume:${this.#options.group}:${this.#options.consumer}`;
    this.#link = redisLink(options.connection);
    this.#reading = redisLink(options.connection);
  }

  open({ stop, recall }: OpenOptions<AnyEvent> = {}): ReadableStream<Batch<AnyEvent>> {
    return batchStream(stop, (ended) => this.#batches(ended, recall));
  }

  figures(): ConsumeFigures {
    return { ...this.#figures };
  }

  async lag(options: { readonly signal?: AbortSignal } = {}): Promise<ConsumeLag[]> {
    const lags = [];
    for (const { name } of this.#streams) lags.push(await measureLag(this.#link, name, this.#options.group, options));
    return lags;
  }

  deadLetter(others: DeadLetter): DeadLetter {
    return async (letters, { signal }) => {
      const foreign = letters.filter(({ item }) => !this.#entryOf.has(item as object));
      if (foreign.length > 0) await others(foreign, { signal });
      for (const { item, error } of letters) {
        const entry = this.#entryOf.get(item as object);
        if (entry) await this.#bury(entry.stream, entry.id, error.reason, signal);
      }
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new TransientError("Cannot use the consumer: it was closed"));
    await this.#upkeep?.[Symbol.asyncDispose]();
    await this.#reading[Symbol.asyncDispose]();
    await this.#link[Symbol.asyncDispose]();
  }

  async *#batches(stop: AbortSignal, recall: OpenOptions<AnyEvent>["recall"]): AsyncGenerator<Batch<AnyEvent>, void> {
    const { group } = this.#options;
    const before = this.#over;
    const { promise: over, resolve } = Promise.withResolvers<void>();
    this.#over = over;
    try {
      if (before) await this.#giveBack(before);
      for (let from = this.#options.from;; from = "oldest") {
        try {
          await patiently(() => this.#join(from), stop);
          return yield* this.#deliver(stop, recall, { counts: before === undefined });
        } catch (error) {
          if (!isGroupGone(error)) throw error;
          log.warn("Group {group} is gone, it begins again: {error}", { group, error: messageOf(error) });
        }
      }
    } catch (error) {
      if (!stop.aborted) throw error;
    } finally {
      resolve();
    }
  }

  /** What this consumer has already, and then what comes, until `stop`. */
  async *#deliver(
    stop: AbortSignal,
    recall: OpenOptions<AnyEvent>["recall"],
    { counts }: { counts: boolean },
  ): AsyncGenerator<Batch<AnyEvent>, void> {
    const { claimMs, claimIdleMs } = this.#options;
    yield* this.#recover(stop, recall, { counts });
    for (let claimedAt = Date.now(); !stop.aborted;) {
      if (Date.now() - claimedAt >= claimMs) {
        claimedAt = Date.now();
        if (await this.#claim(claimIdleMs, stop) > 0) yield* this.#recover(stop, recall);
      }
      const found = await this.#read(stop);
      if (found === undefined) yield* this.#recover(stop, recall, { counts: false }); // what went into a broken connection
      for (const [stream, entries] of found ?? []) {
        yield await this.#batch(stream, entries, stop);
      }
    }
  }

  /** Opened again, after a sink has lost what it had confirmed: what is not acknowledged is to be delivered once more. */
  async #giveBack(before: Promise<void>): Promise<void> {
    await before;
    this.#deliveries.clear();
    // A read that nobody waits for any more must not take entries out of the stream.
    await this.#reading[Symbol.asyncDispose]();
    this.#reading = redisLink(this.#options.connection);
  }

  /** @param from Where the group begins if it is made now. */
  async #join(from: string): Promise<void> {
    const { group, consumer, claimIdleMs, afterAck, trimMs, partitions, deadStream, streams } = this.#options;
    const deletes = afterAck === "delete";
    const join = { streams, partitions, group, consumer, from, deadStream, deletes };
    this.#streams = await joinGroup(this.#link, join);
    this.#closed.signal.throwIfAborted();
    this.#upkeep ??= upkeep({
      link: this.#link,
      streams: this.#streams,
      group,
      consumer,
      deliveries: this.#deliveries,
      claimIdleMs,
      trimMs: afterAck === "trim" ? trimMs : undefined,
    });
  }

  #recovery(stream: string, signal: AbortSignal) {
    const { group, consumer, maxDeliveries } = this.#options;
    return { link: this.#link, stream, group, consumer, maxDeliveries, deliveries: this.#deliveries, signal };
  }

  async #claim(idleMs: number, signal: AbortSignal): Promise<number> {
    let claimed = 0;
    for (const { name } of this.#streams) claimed += await claimIdle(this.#recovery(name, signal), idleMs);
    return claimed;
  }

  /** Delivers once more what this consumer has and does not work on. */
  async *#recover(
    stop: AbortSignal,
    recall: OpenOptions<AnyEvent>["recall"],
    { counts } = { counts: true },
  ): AsyncGenerator<Batch<AnyEvent>, void> {
    const fresh = unlessHeld(recall);
    for (const { name } of this.#streams) {
      const groups = recoverable({ ...this.#recovery(name, stop), counts });
      for (;;) {
        const { done, value } = await groups.next();
        if (done || stop.aborted) break;
        for (const id of value.dead) await this.#bury(name, id, "deliveries", stop);
        this.#figures.redelivered += value.entries.length;
        if (value.alone) await this.#deliveries.settled(this.#deliveries.last, stop);
        if (value.entries.length > 0) {
          yield { ...await this.#batch(name, value.entries, stop, fresh), urgent: value.alone };
        }
        if (value.alone) await this.#deliveries.settled(this.#deliveries.last, stop);
      }
    }
  }

  /** What is new; undefined after a failure, in which entries may have been lost on their way here. */
  async #read(signal: AbortSignal): Promise<[stream: string, entries: Entry[]][] | undefined> {
    const { group, consumer, count, blockMs } = this.#options;
    const names = this.#streams.map(({ name }) => name);
    const where = ["STREAMS", ...names, ...names.map(() => ">")];
    const args = ["XREADGROUP", "GROUP", group, consumer, "COUNT", String(count), "BLOCK", String(blockMs), ...where];
    try {
      return await this.#reading.send(names[0]!, args, { signal, blockMs }) ?? [];
    } catch (error) {
      if (isGroupGone(error) || !(error instanceof TransientError)) throw error;
      log.warn("Cannot read: {error}", { error: messageOf(error) });
      await delay(LEAST_WAIT_MS, signal);
      return undefined;
    }
  }

  /** The events of entries that can be read, those that are `fresh`. */
  async #batch(
    stream: string,
    entries: readonly Entry[],
    stop: AbortSignal,
    fresh = (events: AnyEvent[]) => Promise.resolve(events),
  ): Promise<Batch<AnyEvent>> {
    const all: AnyEvent[] = [];
    for (const [id, fields] of entries) {
      this.#figures.read++;
      const delivery = this.#deliveries.add(stream, id);
      if (!fields) {
        this.#figures.deleted++; // with the position of the batch it is acknowledged, too
        continue;
      }
      const events = await this.#decode(stream, id, fields, stop);
      for (const event of events) this.#entryOf.set(event, delivery);
      all.push(...events);
    }
    const items = await fresh(all);
    const indexOf = (item: AnyEvent | undefined) => item && this.#entryOf.get(item)?.index;
    // Behind an event there is a position unless another one of the same entry follows.
    const places = new Map(
      items.filter((item, i) => indexOf(item) !== indexOf(items[i + 1])).map((item) => [item, indexOf(item)]),
    );
    return {
      items,
      duplicates: all.length - items.length,
      cursor: String(this.#deliveries.last),
      cursorAfter: (item) => places.get(item as AnyEvent)?.toString(),
    };
  }

  /** The events of an entry; one that cannot be read is moved to the dead stream. */
  async #decode(stream: string, id: string, fields: readonly string[], stop: AbortSignal): Promise<AnyEvent[]> {
    if (this.#options.raw) return [rawEntry({ stream, id, fields })];
    try {
      return decodeEntry({ stream, id, fields });
    } catch (error) {
      if (!(error instanceof PoisonError)) throw error;
      await this.#bury(stream, id, error.reason, stop);
      return [];
    }
  }

  async #bury(stream: string, id: string, reason: string, signal: AbortSignal): Promise<void> {
    const { group, consumer } = this.#options;
    const { dead } = this.#streams.find(({ name }) => name === stream)!;
    const buried = await patiently(
      () => this.#link.script(BURY, [stream, dead], [group, id, reason, consumer], { signal }),
      signal,
    );
    this.#figures.dead += buried;
  }

  async #acknowledge(index: number): Promise<void> {
    const { group, afterAck } = this.#options;
    const done = this.#deliveries.upTo(index);
    for (const [stream, ids] of byStream(done, 500)) {
      await patiently(
        () =>
          afterAck === "delete"
            ? this.#link.script(ACKNOWLEDGE_AND_DELETE, [stream], [group, ...ids])
            : this.#link.send(stream, ["XACK", stream, group, ...ids]),
        this.#closed.signal,
      );
    }
    this.#deliveries.remove(done);
    this.#figures.acknowledged += done.length;
  }
}
