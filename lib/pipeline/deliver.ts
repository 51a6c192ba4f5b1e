/**
 * Bringing one batch to the sink, whatever it takes.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { Batch, Poison } from "./batch.ts";
import { messageOf, PoisonError, TransientError } from "./errors.ts";
import { type Backoff, delay } from "./retry.ts";
import type { Rejection, Sink, SinkBatch } from "./sink.ts";

const log = getLogger(["bskyingest", "pipeline"]);

/** One warning a minute is enough for a sink that stays away, however many batches wait for it. */
const WARN_EVERY_MS = 60_000;
const warnedAt = new WeakMap<object, number>();

/** Something dead, and the stage where it died: `source`, `filter`, or the sink's name. */
export interface Letter extends Poison {
  /** Where it died. */
  readonly stage: string;
}

/** Makes letters durable. Waits while there is no room, until `signal` aborts. */
export type DeadLetter = (letters: readonly Letter[], options: { readonly signal: AbortSignal }) => Promise<void>;

/** What {@link deliver} works with. */
export interface DeliverOptions<T> {
  readonly sink: Sink<T>;
  readonly deadLetter: DeadLetter;
  readonly backoff: Backoff;
  readonly signal: AbortSignal;
  /** Told before a write is repeated, whole or in part. */
  readonly onRetry: () => void;
}

/** What became of a batch. */
export interface Outcome<T> {
  readonly written: number;
  /** What the sink refused for good. */
  readonly rejected: readonly T[];
  readonly duplicates: number;
}

/** Resolves once every item of `batch` is in the sink or in the dead letter, and what was dead before is there too. */
export async function deliver<T>(
  batch: Batch<T> & { readonly key: string },
  o: DeliverOptions<T>,
): Promise<Outcome<T>> {
  if (batch.poison?.length) {
    await o.deadLetter(batch.poison.map((p) => ({ ...p, stage: p.raw === undefined ? "filter" : "source" })), o);
  }
  const { items, cursor, key, gaps, end } = batch;
  let todo: SinkBatch<T> = { items, cursor, key, ...(gaps && { gaps }), ...(end && { end }) };
  const rejected: T[] = [];
  let duplicates = 0, again = 0;
  for (let attempt = 0; hasWork(todo, o.sink);) {
    let failure: TransientError | undefined;
    try {
      const result = await o.sink.write(todo, o);
      const nothing = result.rejected.length > 0 && o.sink.checkpoints !== undefined;
      // What is written once more is no copy, the sink only knows it from the write before.
      if (!nothing) duplicates += Math.max(0, (result.duplicates ?? 0) - again);
      if (result.rejected.length === 0) break;
      const dead = lettersOf(result.rejected, todo.items, o.sink.name);
      failure = result.rejected.map((r) => r.error).find((e) => e instanceof TransientError);
      if (dead.length > 0) await o.deadLetter(dead, o);
      rejected.push(...dead.map(({ item }) => item as T));
      todo = { ...todo, items: remaining(todo.items, result.rejected, o.sink) };
      again = nothing ? 0 : todo.items.length - (result.rejected.length - dead.length);
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      o.signal.throwIfAborted(); // what was given up is not tried again
      failure = error;
    }
    if (!hasWork(todo, o.sink)) break;
    o.onRetry();
    if (failure === undefined) continue; // only what is dead was taken out: write the rest now
    const ms = o.backoff(attempt++, failure);
    if (ms === undefined) throw failure;
    warn(o.sink, failure);
    await delay(ms, o.signal);
  }
  return { written: items.length - rejected.length - duplicates, rejected, duplicates };
}

function warn(sink: { readonly name: string }, failure: TransientError): void {
  if (Date.now() - (warnedAt.get(sink) ?? -Infinity) < WARN_EVERY_MS) return;
  warnedAt.set(sink, Date.now());
  log.warn("Cannot write to {sink}, trying again: {error}", { sink: sink.name, error: messageOf(failure) });
}

/** A sink that keeps the position must be told of it even where nothing is to be written. */
function hasWork<T>(batch: SinkBatch<T>, sink: Sink<T>): boolean {
  if (batch.items.length > 0) return true;
  return sink.checkpoints !== undefined && (batch.cursor !== undefined || (batch.gaps?.length ?? 0) > 0);
}

function lettersOf(rejected: readonly Rejection[], items: readonly unknown[], stage: string): Letter[] {
  const letters: Letter[] = [];
  for (const { index, error } of rejected) {
    if (error instanceof PoisonError) {
      letters.push({ item: items[index], error, stage, ...(error.detail && { detail: error.detail }) });
    } else if (!(error instanceof TransientError)) throw error;
  }
  return letters;
}

/**
 * A sink with checkpoints committed nothing: all but the dead are to be written again. Of others only what may still succeed,
 * and whatever came later under the same key, or a delete would overtake the create that it belongs to.
 */
function remaining<T>(items: readonly T[], rejected: readonly Rejection[], sink: Sink<T>): T[] {
  const refused = new Map(rejected.map((r) => [r.index, r.error]));
  const late = new Set<string>();
  return items.filter((item, i) => {
    const error = refused.get(i);
    if (error instanceof PoisonError) return false;
    if (sink.checkpoints) return true;
    const key = sink.keyOf?.(item);
    if (error !== undefined && key !== undefined) late.add(key);
    return error !== undefined || (key !== undefined && late.has(key));
  });
}
