/**
 * Ending a run after a number of written items.
 *
 * @module
 */
import { type Batch, endOfUnit, split, weigh } from "./batch.ts";
import type { Counters } from "./counters.ts";
import type { Stage } from "./stages.ts";

/** What the run tells {@link limit}. */
export interface LimitOptions {
  /** Written items after which nothing more passes; 0 = no limit. */
  readonly limit: number;
  readonly counters: Counters;
  /** Resolves when every item that has passed is written or dead. */
  readonly settled: (passed: number) => Promise<void>;
  readonly onReached: () => void;
}

/**
 * Counts what is received, and ends the stream after the n-th *written* item, with the position exactly there, or after those that
 * came as one with it. Items that the sink refuses do not count, so before the end it waits to see what became of the last ones.
 */
export function limit<T>({ limit, counters, settled, onReached }: LimitOptions): Stage<T, T> {
  let passed = 0;
  /** Items that may pass now: if all that are on their way are written, the limit is reached exactly. */
  const room = (unwritten: number) => limit - (passed - unwritten);
  let unwritten = 0;
  const pass = (batch: Batch<T>, controller: TransformStreamDefaultController<Batch<T>>) => {
    counters.received += weigh(batch);
    passed += batch.items.length;
    controller.enqueue(batch);
  };
  return new TransformStream({
    async transform(batch, controller) {
      let rest = batch;
      while (limit > 0 && rest.items.length >= room(unwritten)) {
        const count = endOfUnit(rest, room(unwritten));
        const whole = rest.items.length === count && !rest.cursorAfter;
        const [first, second] = whole ? [rest, undefined] : split(rest, count);
        pass({ ...first, urgent: true }, controller);
        await settled(passed);
        unwritten = passed - counters.written;
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
