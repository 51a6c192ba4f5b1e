/**
 * The one runner: source -> stages -> sink, with retry, dead letter, back-pressure, checkpoints and draining.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { type Batch, type Cursor, type Gap, weigh } from "./batch.ts";
import { Checkpointer } from "./checkpoint.ts";
import { countCollection, type Counters, createCounters } from "./counters.ts";
import { DeadRatio } from "./dead_ratio.ts";
import { type DeadLetter, deliver, type DeliverOptions, type Outcome } from "./deliver.ts";
import { GapError, RewoundError } from "./errors.ts";
import { Ledger, type OnAdvance } from "./ledger.ts";
import { limit } from "./limit.ts";
import { type Backoff, fullJitter } from "./retry.ts";
import type { CheckpointStore, Sink } from "./sink.ts";
import type { Source } from "./source.ts";
import { regroup } from "./stages.ts";

const log = getLogger(["bskyingest", "pipeline"]);

/** What {@link runPipeline} runs. */
export interface PipelineOptions<I, O> {
  /** Where events come from. */
  readonly source: Source<I>;
  /** Stages between source and sink. Default: none. */
  readonly through?: (batches: ReadableStream<Batch<I>>) => ReadableStream<Batch<O>>;
  /** Where they go. */
  readonly sink: Sink<O>;
  /** Where dead items go. Default: the first one ends the run with its `PoisonError`. */
  readonly deadLetter?: DeadLetter;
  /** Used when neither the source nor the sink keeps the position. Without any, every run starts afresh. */
  readonly checkpoints?: CheckpointStore;
  /** The least time between two saves of `checkpoints`, in milliseconds. @default {1000} */
  readonly checkpointMs?: number;
  /** Items of one write. @default {500} */
  readonly batchSize?: number;
  /** So many batches of `batchSize` make one write where they are there already. @default {1} */
  readonly batchesPerWrite?: number | undefined;
  /** How long an incomplete batch waits, in milliseconds. @default {1000} */
  readonly batchMs?: number;
  /** Writes side by side; a sink that commits positions always gets one. @default {1} */
  readonly concurrency?: number;
  /** Items not yet safe before reading pauses. @default {10000} */
  readonly maxInFlight?: number;
  /** When to repeat a failed write. Default: full jitter, for ever. */
  readonly backoff?: Backoff;
  /** Ends after so many written items; 0 = never. @default {0} */
  readonly limit?: number;
  /** Which items count towards `limit`; the others are written and free. Default: all count. */
  readonly counts?: (item: O) => boolean;
  /**
   * The largest share of dead items among the last 1,000 settled ones; 1 = any. Runs that are given the same {@link DeadRatio} are
   * looked at as one. @default {1}
   */
  readonly maxDeadRatio?: number | DeadRatio;
  /** What an unwanted gap leads to. @default {"warn"} */
  readonly onGap?: "warn" | "fail";
  /** Makes gaps durable, for sinks that do not keep them with the position. */
  readonly recordGaps?: (key: string, gaps: readonly Gap[]) => Promise<void>;
  /** The event time of an item, in microseconds, for `Counters.lastTimeUs` and `Counters.lastWrittenUs`. */
  readonly timeOf?: (item: O) => number;
  /** The collection of an item, for `Counters.collections`; undefined: it has none. */
  readonly collectionOf?: (item: O) => string | undefined;
  /** Filled while running. */
  readonly counters?: Counters;
  /** Aborting closes the source, drains and saves. */
  readonly stop?: AbortSignal;
  /** Aborting gives up at once: the run rejects with its reason, positions stay true. */
  readonly kill?: AbortSignal;
}

/** How a run ended by itself. */
export interface PipelineResult {
  /** `limit` was reached, the source ended, or `stop` aborted. */
  readonly endedBy: "limit" | "source" | "stop";
  /** What was counted. */
  readonly counters: Counters;
}

/**
 * Runs until the source ends, `limit` is reached or `stop` aborts; then drains and saves the last position.
 *
 * No position is ever saved before every event up to it is durable in the sink, durable in the dead letter, or was filtered
 * out. When the run fails, all running writes have ended before it rejects: one that finished later would commit behind the
 * back of the next run.
 *
 * @throws What the source, a stage, the sink or the store of positions threw; `GapError`, `DeadRatioError`; `kill`'s reason.
 */
export async function runPipeline<I, O = I>(options: PipelineOptions<I, O>): Promise<PipelineResult> {
  const { source, sink, stop = new AbortController().signal } = options;
  const run = new Run(options);
  const { signal } = run;
  let reached = false;
  try {
    const load = run.store && ((key: string) => run.store!.load(key));
    const cursor = await load?.(source.key);
    const recall = sink.recall?.bind(sink) as never;
    const opened = source.open({ cursor, stop, recall, load, ...(run.seals && { sealsAll: true }) });
    const staged = options.through ? options.through(opened) : opened as unknown as ReadableStream<Batch<O>>;
    // A batch that waits for a place among several counts too: with room for two, the next one is read and ready meanwhile.
    const highWaterMark = Math.min(run.concurrency, 2);
    await staged
      .pipeThrough(
        limit({
          limit: options.limit ?? 0,
          counts: options.counts,
          counters: run.counters,
          settled: (passed) => run.settled(passed),
          onReached: () => reached = true,
        }),
        { signal },
      )
      .pipeThrough(
        regroup({ size: options.batchSize ?? 500, ms: options.batchMs ?? 1000, multiple: options.batchesPerWrite }),
        { signal },
      )
      .pipeTo(new WritableStream({ write: (batch) => run.write(batch) }, { highWaterMark }), { signal });
  } catch (error) {
    run.fail(error);
  }
  await run.close();
  signal.throwIfAborted();
  return { endedBy: reached ? "limit" : stop.aborted ? "stop" : "source", counters: run.counters };
}

/** The state of one run. */
class Run<I, O> {
  readonly counters: Counters;
  /** Aborts, with the reason, when the run has failed or was killed. */
  readonly signal: AbortSignal;
  readonly store: CheckpointStore | undefined;
  /** The sink saves positions with the events, and cannot tell later which events it holds. */
  readonly seals: boolean;
  /** Writes that may run side by side. */
  readonly concurrency: number;
  readonly #options: PipelineOptions<I, O>;
  readonly #delivery: DeliverOptions<O>;
  readonly #halt = new AbortController();
  readonly #ledger: Ledger;
  readonly #checkpointer: Checkpointer | undefined;
  readonly #running = new Set<Promise<void>>();
  readonly #deadRatio: DeadRatio;
  #done = 0;
  #waiting: { readonly passed: number; readonly resolve: () => void } | undefined;

  constructor(options: PipelineOptions<I, O>) {
    const { source, sink } = options;
    this.#options = options;
    this.counters = options.counters ?? createCounters();
    this.signal = options.kill ? AbortSignal.any([options.kill, this.#halt.signal]) : this.#halt.signal;
    this.signal.addEventListener("abort", () => this.#waiting?.resolve(), { once: true });
    this.store = source.checkpoints ?? sink.checkpoints ?? options.checkpoints;
    const atomic = this.store !== undefined && this.store === sink.checkpoints;
    this.seals = atomic && sink.recall === undefined;
    this.concurrency = sink.checkpoints ? 1 : options.concurrency ?? 1;
    const { maxDeadRatio = 1 } = options;
    this.#deadRatio = maxDeadRatio instanceof DeadRatio ? maxDeadRatio : new DeadRatio(maxDeadRatio);
    const onSaved = (key: string, cursor: Cursor) => void this.counters.cursors.set(key, cursor);
    if (this.store && !atomic) {
      const intervalMs = options.checkpointMs ?? 1000;
      const store = sealing(this.store, source);
      this.#checkpointer = new Checkpointer({ store, intervalMs, onSaved, onFailure: (e) => this.fail(e) });
    }
    const onAdvance: OnAdvance = (key, cursor, end) => {
      if (atomic) onSaved(key, cursor);
      else this.#checkpointer?.advance(key, cursor, end);
    };
    this.#ledger = new Ledger(options.maxInFlight ?? 10_000, onAdvance, this.counters.passed);
    this.#delivery = {
      sink,
      deadLetter: options.deadLetter ?? refuseToBury,
      backoff: options.backoff ?? fullJitter(),
      signal: this.signal,
      onRetry: () => this.counters.retried++,
    };
  }

  /** Takes one batch; resolves when the next one may come. */
  async write(batch: Batch<O>): Promise<void> {
    await this.#ledger.room(this.signal);
    this.signal.throwIfAborted();
    const keyed = { ...batch, key: batch.key ?? this.#options.source.key };
    const entry = this.#ledger.track(keyed, batch.items.length);
    this.counters.inFlight += batch.items.length;
    const job = this.#deliver(keyed)
      .then((deadLettered) => {
        const { filtered = 0, duplicates = 0 } = batch;
        this.#ledger.settle(entry, { events: weigh(batch), deadLettered, filtered });
        this.#deadRatio.note(weigh(batch) - filtered - duplicates, deadLettered);
      })
      .catch((error) => this.fail(error))
      .finally(() => {
        this.#running.delete(job);
        this.counters.inFlight -= batch.items.length;
      });
    this.#running.add(job);
    if (this.#running.size >= this.concurrency) await Promise.race(this.#running);
    this.signal.throwIfAborted();
  }

  /** Resolves when `passed` items are written or dead, or when the run has failed. */
  settled(passed: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#done >= passed || this.signal.aborted) return resolve();
      this.#waiting = { passed, resolve };
    });
  }

  fail(error: unknown): void {
    this.#halt.abort(error);
  }

  /** Waits for what is running, then saves the last position; a failed save fails a run that had not failed yet. */
  async close(): Promise<void> {
    await Promise.all(this.#running);
    try {
      // What the sink has lost is not safe, and the source is not to be told that it is.
      await this.#checkpointer?.close(!(this.signal.reason instanceof RewoundError));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Answers how many went to the dead letter. */
  async #deliver(batch: Batch<O> & { readonly key: string }): Promise<number> {
    if (batch.gaps?.length) await this.#meet(batch.gaps, batch.key);
    const outcome = await deliver(this.seals ? sealed(batch, this.#options.source) : batch, this.#delivery);
    const { counters } = this;
    const dead = outcome.rejected.length + (batch.poison?.length ?? 0);
    counters.written += outcome.written;
    counters.rejected += outcome.rejected.length;
    counters.duplicates += outcome.duplicates + (batch.duplicates ?? 0);
    counters.filtered += batch.filtered ?? 0;
    counters.deadLettered += dead;
    if (batch.items.length > 0) counters.batches++;
    this.#note(batch.items, outcome);
    this.#done += batch.items.length;
    if (this.#waiting && this.#done >= this.#waiting.passed) this.#waiting.resolve();
    return dead;
  }

  /** Records gaps before the position passes them, and ends the run at an open one where the user wants that. */
  async #meet(gaps: readonly Gap[], key: string): Promise<void> {
    const { sink, onGap, recordGaps } = this.#options;
    const unwanted = gaps.filter((gap) => gap.state !== "accepted");
    const first = gaps.find((gap) => gap.state === "open");
    const fatal = onGap === "fail" && first !== undefined;
    for (const gap of unwanted) log.warn("Gap: {gap}", { gap: describeGap(gap) });
    if (!sink.checkpoints) await recordGaps?.(key, gaps);
    else if (fatal) await sink.write({ items: [], cursor: undefined, key, gaps }, { signal: this.signal });
    this.counters.gaps += unwanted.length;
    if (fatal) throw new GapError(`Cannot go on with --on-gap fail: ${describeGap(first)}`);
  }

  #note(items: readonly O[], { written, rejected, duplicates }: Outcome<O>): void {
    const { counters } = this;
    const { timeOf, collectionOf, counts } = this.#options;
    const refused = new Set(rejected);
    const stored = refused.size === 0 ? items : items.filter((item) => !refused.has(item));
    // A sink does not say which items it knew: they are taken for ones that count.
    counters.counted += counts ? Math.max(0, stored.filter(counts).length - duplicates) : written;
    const last = items[items.length - 1], lastStored = stored[stored.length - 1];
    if (timeOf && last !== undefined) counters.lastTimeUs = Math.max(counters.lastTimeUs ?? 0, timeOf(last));
    if (timeOf && lastStored !== undefined) counters.lastWrittenUs = timeOf(lastStored);
    if (!collectionOf) return;
    for (const item of stored) {
      const collection = collectionOf(item);
      if (collection !== undefined) countCollection(counters.collections, collection);
    }
  }
}

/** Lets the source complete a position right before it is saved. */
function sealing(store: CheckpointStore, source: Pick<Source<never>, "seal">): CheckpointStore {
  return {
    load: (key) => store.load(key),
    save: (key, cursor, end) => store.save(key, source.seal?.(cursor, key) ?? cursor, end),
  };
}

/** The same for a position that is saved with its batch. */
function sealed<T>(batch: Batch<T> & { readonly key: string }, source: Pick<Source<never>, "seal">): typeof batch {
  const { cursor, key } = batch;
  return cursor === undefined || !source.seal ? batch : { ...batch, cursor: source.seal(cursor, key) };
}

const refuseToBury: DeadLetter = (letters) => Promise.reject(letters[0]!.error);

/** A gap in one sentence. */
function describeGap({ reason, host, unit, from, to, detail }: Gap): string {
  const place = (n: number | undefined) =>
    n === undefined ? "?" : unit === "us" ? new Date(n / 1000).toISOString() : String(n);
  return `${reason} at ${host}, from ${place(from)} to ${place(to)}${detail ? ` (${detail})` : ""}`;
}
