/**
 * The ends of a pipeline for tests: a source of numbers, and a sink and a store in memory that answer as told.
 *
 * @module
 */
import { ok } from "node:assert/strict";
import type { Batch, Cursor, Gap, Poison } from "../../lib/pipeline/batch.ts";
import { PoisonError, TransientError } from "../../lib/pipeline/errors.ts";
import type { PipelineOptions } from "../../lib/pipeline/pipeline.ts";
import type { CheckpointStore, Rejection, Sink, SinkBatch, WriteResult } from "../../lib/pipeline/sink.ts";
import type { OpenOptions, Source } from "../../lib/pipeline/source.ts";

/** Where the property tests start: from the environment to repeat a run, else at random. */
export const SEED: number = Number(Deno.env.get("BSKYINGEST_SEED")) || Math.floor(Math.random() * 2 ** 31);

/** An event; an object, as real events are, so that two of them are never the same. */
export interface Num {
  readonly n: number;
}

/** What becomes of a number at the source. */
export type NumKind = "event" | "poison" | "filtered" | "copy";

/** How {@link numbers} yields. */
export interface NumbersOptions {
  /** The numbers 0 to `count - 1`, in order. */
  readonly count: number;
  /** Numbers read for each batch, again and again in this order. Default: 4. */
  readonly sizes?: readonly number[];
  /** What a number is at the source already. A poison ends its batch. Default: all are events. */
  readonly kindOf?: (n: number) => NumKind;
  /** Whether a batch can be cut: without, it has no `cursorAfter`. Default: true. */
  readonly cuttable?: boolean;
  /** Marks the last batch as the end. */
  readonly end?: boolean;
  /** Told before each batch; what it throws is the source's failure. */
  readonly onPull?: (options: OpenOptions<Num>) => void | Promise<void>;
  /** Told when nobody wants to read on. */
  readonly onCancel?: () => void;
  /** Merged into every batch. */
  readonly extra?: (batch: Batch<Num>) => Partial<Batch<Num>>;
}

/** Counts from the number after the cursor on. A position is the last number before it. */
export function numbers(options: NumbersOptions): Source<Num> {
  const { count, sizes = [4] } = options;
  return {
    key: "numbers",
    open(opened = {}) {
      let next = opened.cursor === undefined ? 0 : Number(opened.cursor) + 1, turn = 0;
      return new ReadableStream<Batch<Num>>({
        async pull(controller) {
          await options.onPull?.(opened);
          if (next >= count || opened.stop?.aborted) return controller.close();
          const batch = countOn(next, Math.min(count, next + sizes[turn++ % sizes.length]!), options);
          next = Number(batch.cursor) + 1;
          const end = options.end && next >= count ? { end: true } : {};
          controller.enqueue({ ...batch, ...end, ...options.extra?.(batch) });
        },
        cancel: () => options.onCancel?.(),
      }, { highWaterMark: 0 });
    },
  };
}

function countOn(from: number, to: number, { kindOf = () => "event", cuttable = true }: NumbersOptions): Batch<Num> {
  const items: Num[] = [], poison: Poison[] = [];
  let filtered = 0, duplicates = 0, n = from;
  for (; n < to && poison.length === 0; n++) {
    const kind = kindOf(n);
    if (kind === "event") items.push({ n });
    else if (kind === "filtered") filtered++;
    else if (kind === "copy") duplicates++;
    else poison.push({ error: new PoisonError("not_json", `Cannot read ${n}`), raw: String(n) });
  }
  return {
    items,
    cursor: String(n - 1),
    filtered,
    duplicates,
    ...(poison.length > 0 && { poison }),
    ...(cuttable && { cursorAfter: (item: unknown) => items.includes(item as Num) ? `${(item as Num).n}` : undefined }),
  };
}

/** A stream of the batches given. */
export function streamOf<T>(...batches: readonly Batch<T>[]): ReadableStream<Batch<T>> {
  return ReadableStream.from(batches);
}

/** Everything that a stream yields. */
export async function collect<T>(stream: ReadableStream<T>): Promise<T[]> {
  return await Array.fromAsync(stream);
}

/** A position as it was saved. */
export interface Saved {
  readonly key: string;
  readonly cursor: Cursor;
  readonly end: boolean | undefined;
}

/** Positions in memory, and all that were ever saved. */
export interface MemoryStore extends CheckpointStore {
  readonly saves: Saved[];
  /** The newest cursor of each key. */
  readonly positions: Map<string, Cursor>;
}

/** @param before Told before each save; what it throws is the failure of the save. */
export function memoryStore(before: (save: Saved) => void | Promise<void> = () => {}): MemoryStore {
  const saves: Saved[] = [];
  const positions = new Map<string, Cursor>();
  return {
    saves,
    positions,
    load: (key) => Promise.resolve(positions.get(key)),
    async save(key, cursor, end) {
      await before({ key, cursor, end });
      saves.push({ key, cursor, end });
      positions.set(key, cursor);
    },
  };
}

/** What was written, and in how many writes. */
export interface MemorySink<T> extends Sink<T> {
  readonly writes: SinkBatch<T>[];
  /** Items in the order in which they became durable. */
  readonly items: T[];
}

/** What a {@link memorySink} answers to its n-th write (from 0). */
export type Answer<T> = (
  batch: SinkBatch<T>,
  nth: number,
  signal: AbortSignal,
) => WriteResult | void | Promise<WriteResult | void>;

/** A sink that takes everything unless `answer` says otherwise; what is not rejected is stored after the answer, and with `checkpoints` the position. */
export function memorySink<T>(answer: Answer<T> = () => {}, extra: Partial<Sink<T>> = {}): MemorySink<T> {
  const writes: SinkBatch<T>[] = [], items: T[] = [];
  return {
    name: "memory",
    writes,
    items,
    async write(batch, { signal }) {
      const nth = writes.push(batch) - 1;
      const result = await answer(batch, nth, signal) ?? { rejected: [] };
      const refused = new Set(result.rejected.map((r) => r.index));
      if (extra.checkpoints && refused.size > 0) return result;
      items.push(...batch.items.filter((_, i) => !refused.has(i)));
      if (batch.cursor !== undefined) await extra.checkpoints?.save(batch.key, batch.cursor, batch.end);
      return result;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
    ...extra,
  };
}

/** Refuses items for good. */
export function poisonAt(...indexes: readonly number[]): Rejection[] {
  return indexes.map((index) => ({ index, error: new PoisonError("status_400", `Cannot take item ${index}`) }));
}

/** Refuses items for now. */
export function transientAt(...indexes: readonly number[]): Rejection[] {
  return indexes.map((index) => ({ index, error: new TransientError(`Cannot take item ${index} now: 429`) }));
}

/** Resolves when `signal` aborts, as a write does that got stuck: it ends, and nothing is durable. */
export function stuck(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** Lets everything that can happen without timers happen, by waiting for `rounds` turns of the event loop. */
export async function turns(rounds = 20): Promise<void> {
  for (let i = 0; i < rounds; i++) await new Promise((resolve) => setTimeout(resolve, 0));
}

/** Waits until `condition` holds, at most 5 s. */
export async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 5000;
  while (!condition()) {
    ok(Date.now() < end, `waited 5 s for ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** So long that within a test no timer of a run fires. */
export const NEVER_MS = 600_000;

/** Options of a run of the numbers 0 to 19, a write for every four of them, no timers, and no waiting before a retry. */
export function runOf(
  options: Partial<PipelineOptions<Num, Num>> & { readonly numbers?: Partial<NumbersOptions> } = {},
): PipelineOptions<Num, Num> {
  const { numbers: source, ...rest } = options;
  return {
    source: numbers({ count: 20, ...source }),
    sink: memorySink<Num>(),
    deadLetter: () => Promise.resolve(),
    backoff: () => 0,
    batchSize: 4,
    batchMs: NEVER_MS,
    checkpointMs: NEVER_MS,
    ...rest,
  };
}

/** The numbers of events. */
export function values(items: readonly Num[]): number[] {
  return items.map((item) => item.n);
}

/** The numbers from 0 to `count - 1`. */
export function upTo(count: number): number[] {
  return [...Array(count).keys()];
}

/** A hole in the stream of numbers. */
export function gapOf(state: Gap["state"]): Gap {
  return {
    source: "numbers",
    host: "h.example",
    unit: "us",
    from: 1_000_000,
    to: undefined,
    reason: "clamped",
    state,
  };
}
