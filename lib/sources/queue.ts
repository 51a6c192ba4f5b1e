/**
 * The source of `consume --from-queue`: rows of a queue, each taken with a lease, so that any number of processes share them.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { AnyEvent, Origin } from "../atproto/event.ts";
import type { Batch } from "../pipeline/batch.ts";
import { messageOf, TransientError } from "../pipeline/errors.ts";
import { delay, LEAST_WAIT_MS } from "../pipeline/retry.ts";
import type { CheckpointStore, Recall } from "../pipeline/sink.ts";
import { batchStream, type OpenOptions, type Source } from "../pipeline/source.ts";
import { unlessHeld } from "./held.ts";
import { readRow } from "./queue/decode.ts";
import { HeldRows, receiptsOf } from "./queue/held_rows.ts";
import { DEFAULTS, type LeasedRow, type QueueSourceFigures, type QueueSourceOptions } from "./queue/options.ts";

export type { StoredRow } from "./queue/decode.ts";
export type { LeasedRow, QueueSourceFigures, QueueSourceOptions, RowQueue } from "./queue/options.ts";
export { queuePreview, type QueuePreviewOptions } from "./queue/preview.ts";

const log = getLogger(["bskyingest", "consume"]);

/** How long one `take` waits for rows, in milliseconds. */
const WAIT_MS = 1000;
/** Leases are prolonged after this share of their length. */
const SHARE = 1 / 3;
/** The longest time for which the sink is taken to hold what it said it holds, in milliseconds. */
const MOST_TRUST_MS = 10_000;

/** The source. What it has not acknowledged when it is disposed of, it gives back; the queue stays open. */
export interface QueueSource extends Source<AnyEvent>, AsyncDisposable {
  /** Saving a position acknowledges every row up to it. There is nothing to load: the queue knows what was acknowledged. */
  readonly checkpoints: CheckpointStore;
  /** What was counted so far. */
  figures(): QueueSourceFigures;
}

/**
 * Reads a queue. A row is acknowledged once the events of it, and of all that were taken before it, are safe. Until then its lease is
 * prolonged; after a crash it comes again when that ends. Records that are no events are poison.
 */
export function queueSource(options: QueueSourceOptions): QueueSource {
  return new Consumer(options);
}

/** The state of one consumer. */
class Consumer implements QueueSource {
  readonly key: string;
  readonly checkpoints: CheckpointStore = {
    load: () => Promise.resolve(undefined),
    save: (_key, cursor) => this.#acknowledge(Number(cursor)),
  };
  readonly #options: typeof DEFAULTS & QueueSourceOptions;
  readonly #origin: Origin;
  readonly #held = new HeldRows();
  readonly #figures = { read: 0, redelivered: 0, acknowledged: 0, stale: 0 };
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #closed = new AbortController();
  #taking: Promise<unknown> | undefined;
  #prolongedAt = 0;
  #fresh: ((events: AnyEvent[]) => Promise<AnyEvent[]>) | undefined;
  #freshSince = 0;
  /** Settles when what was opened last reads no more. */
  #over: Promise<void> | undefined;

  constructor(options: QueueSourceOptions) {
    this.#options = { ...DEFAULTS, ...options };
    this.key = `consume:${options.name}`;
    this.#origin = Object.freeze({ source: "consume", wire: "v1", host: options.name });
    this.#timer = setInterval(() => this.#prolong(), this.#prolongMs);
  }

  open({ stop, recall }: OpenOptions<AnyEvent> = {}): ReadableStream<Batch<AnyEvent>> {
    const { signal } = this.#closed;
    return batchStream(stop ? AbortSignal.any([stop, signal]) : signal, (ended) => this.#batches(ended, recall));
  }

  figures(): QueueSourceFigures {
    return { ...this.#figures };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#closed.abort();
    await this.#taking?.catch(() => {}); // told to whoever reads
    await this.#giveBack(0);
  }

  async *#batches(stop: AbortSignal, recall: Recall<AnyEvent> | undefined): AsyncGenerator<Batch<AnyEvent>, void> {
    const before = this.#over;
    const { promise: over, resolve } = Promise.withResolvers<void>();
    this.#over = over;
    await before;
    // Opened again, after a sink has lost what it had confirmed: what is not acknowledged comes once more.
    await this.#giveBack(0);
    const { count, maxAttempts, once } = this.#options;
    let handedOn = this.#held.last, most = count;
    try {
      while (!stop.aborted) {
        const rows = await (this.#taking = this.#take(most, stop));
        if (rows.length === 0 && once) return;
        for (const row of rows) {
          const alone = row.attempts >= Math.max(2, maxAttempts);
          most = alone ? 1 : count; // the next one may be alike
          if (alone) await this.#makeAlone(handedOn, stop);
          if (stop.aborted) break;
          yield { ...await this.#batch(row, ++handedOn, recall), urgent: alone };
          if (alone) {
            await this.#held.settled(handedOn, stop);
            handedOn = this.#held.last; // the others were given back
            break;
          }
        }
      }
    } catch (error) {
      if (!stop.aborted) throw error;
    } finally {
      await this.#giveBack(handedOn);
      resolve();
    }
  }

  /**
   * The row behind `handedOn` fails when its lease ends once more. If it is what ends the process, no other is to be in work at that
   * time and fail with it.
   */
  async #makeAlone(handedOn: number, stop: AbortSignal): Promise<void> {
    await this.#giveBack(handedOn + 1);
    await this.#held.settled(handedOn, stop);
  }

  /** The next rows; none: there are none at the moment. */
  async #take(count: number, signal: AbortSignal): Promise<readonly LeasedRow[]> {
    const { queue, once, leaseMs, consumer, maxAttempts } = this.#options;
    // Timers come late where the machine was asleep, and what others must not have must not be taken from ourselves either.
    if (Date.now() - this.#prolongedAt >= this.#prolongMs) await this.#prolong();
    const rows = await patiently(
      () => queue.take({ count, leaseMs, consumer, maxAttempts, waitMs: once ? 0 : WAIT_MS, signal }),
      signal,
    );
    for (const { receipt } of rows) {
      this.#held.add(receipt);
      if (wasTaken(receipt)) this.#figures.redelivered++;
    }
    this.#figures.read += rows.length;
    return rows;
  }

  /** The events of a row, but for those that the sink holds already, and the records that are none. */
  async #batch(row: LeasedRow, index: number, recall: Recall<AnyEvent> | undefined): Promise<Batch<AnyEvent>> {
    const { events, poison } = readRow(row, this.#origin);
    const items = wasTaken(row.receipt) ? await this.#unlessHeld(recall)(events) : events;
    const cursor = String(index), last = items.at(-1);
    return {
      items,
      duplicates: events.length - items.length,
      cursor,
      ...(poison.length > 0 && { poison }),
      cursorAfter: (item) => item === last && poison.length === 0 ? cursor : undefined,
    };
  }

  /**
   * What the sink holds is asked for anew after a third of a lease. What another process had written of a row that was its own was
   * written longer ago than that: while it lived it prolonged the lease.
   */
  #unlessHeld(recall: Recall<AnyEvent> | undefined): (events: AnyEvent[]) => Promise<AnyEvent[]> {
    if (!this.#fresh || Date.now() - this.#freshSince >= Math.min(this.#prolongMs, MOST_TRUST_MS)) {
      this.#freshSince = Date.now();
      this.#fresh = unlessHeld(recall);
    }
    return this.#fresh;
  }

  get #prolongMs(): number {
    return this.#options.leaseMs * SHARE;
  }

  async #prolong(): Promise<void> {
    const { queue, leaseMs } = this.#options;
    this.#prolongedAt = Date.now();
    try {
      const rows = this.#held.between(0, Infinity);
      if (rows.length > 0) await queue.extend(receiptsOf(rows), leaseMs);
    } catch (error) {
      log.warn("Cannot prolong leases: {error}", { error: messageOf(error) });
    }
  }

  async #acknowledge(index: number): Promise<void> {
    const done = this.#held.between(0, index);
    const { stale } = await this.#options.queue.ack(receiptsOf(done));
    this.#held.remove(done);
    this.#figures.acknowledged += done.length - stale.length;
    this.#figures.stale += stale.length;
    if (stale.length === 0) return;
    log.warn("{count} rows were taken away before they were acknowledged, others may work on them, too: {stale}", {
      count: stale.length,
      stale: stale.slice(0, 10).join(", "),
    });
  }

  /** Gives back what was taken after the row `index`: others need not wait for the end of its lease. */
  async #giveBack(index: number): Promise<void> {
    const rest = this.#held.between(index, Infinity);
    if (rest.length === 0) return;
    this.#held.remove(rest);
    try {
      await this.#options.queue.release(receiptsOf(rest));
    } catch (error) {
      log.warn("{count} rows come again only when their leases end: {error}", {
        count: rest.length,
        error: messageOf(error),
      });
    }
  }
}

/** Whether a row was taken before, by whomever: `<id>.<takes>`. */
function wasTaken(receipt: string): boolean {
  return !receipt.endsWith(".1");
}

/** Tries until it works, or `signal` aborts: another program may keep the file locked, or the disk may be full. */
async function patiently<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      log.warn("Cannot take rows, trying again: {error}", { error: messageOf(error) });
    }
    await delay(LEAST_WAIT_MS, signal);
  }
}
