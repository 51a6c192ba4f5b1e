/**
 * Ending a run after a number of written items.
 *
 * @module
 */
import { type Batch, endOfUnit, split, weigh } from "./batch.ts";
import type { Counters } from "./counters.ts";
import type { Stage } from "./stages.ts";

/** What the run tells {@link limit}. */
export interface LimitOptions<T> {
  /** Written items after which nothing more passes; 0 = no limit. */
  readonly limit: number;
  /** Which items count; undefined: all. */
  readonly counts?: ((item: T) => boolean) | undefined;
  readonly counters: Counters;
  /** Resolves when every item that has passed is written or dead. */
  readonly settled: (passed: number) => Promise<void>;
  readonly onReached: () => void;
}

/**
 * Counts what is received, and ends the stream after the n-th *written* item that counts, with the position exactly there, or after
 * those that came as one with it. Items that the sink refuses do not count, so before the end it waits to see what became of the last
 * ones.
 */
export function limit<T>({ limit, counts, counters, settled, onReached }: LimitOptions<T>): Stage<T, T> {
  let passed = 0;
  /** Of these, the ones that count. */
  let counting = 0;
  /** Counting items that may pass now: if all that are on their way are written, the limit is reached exactly. */
  const room = (unwritten: number) => limit - (counting - unwritten);
  let unwritten = 0;
  const pass = (batch: Batch<T>, controller: TransformStreamDefaultController<Batch<T>>) => {
    counters.received += weigh(batch);
    passed += batch.items.length;
    counting += counts ? batch.items.filter(counts).length : batch.items.length;
    controller.enqueue(batch);
  };
  return new TransformStream({
    async transform(batch, controller) {
      let rest = batch;
      while (limit > 0) {
        const nth = behind(rest.items, room(unwritten), counts);
        if (nth === undefined) break;
        const count = endOfUnit(rest, nth);
        const whole = rest.items.length === count && !rest.cursorAfter;
        const [first, second] = whole ? [rest, undefined] : split(rest, count);
        pass({ ...first, urgent: true }, controller);
        await settled(passed);
        unwritten = counting - counters.counted;
        if (room(unwritten) <= 0) {
          onReached();
          return controller.terminate();
        }
        if (second === undefined) return;
        rest = second;
      }
      pass(rest, controller);
    },
  });
}

/** The number of items up to the n-th one that counts; undefined: there are fewer. */
function behind<T>(items: readonly T[], n: number, counts: ((item: T) => boolean) | undefined): number | undefined {
  if (items.length < n) return undefined;
  if (!counts) return n;
  let left = n;
  const index = items.findIndex((item) => counts(item) && --left === 0);
  return index < 0 ? undefined : index + 1;
}
