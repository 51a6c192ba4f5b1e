/**
 * Batches side by side, except for the documents that they have in common.
 *
 * @module
 */
import type { AnyEvent } from "../../atproto/event.ts";
import { TransientError } from "../../pipeline/errors.ts";
import type { WriteResult } from "../../pipeline/sink.ts";
import type { Line } from "./body.ts";
import { commonPlaces, type Places, type Plan } from "./plan.ts";

/** What a batch must wait for. */
export interface Turn {
  /** Lines whose documents an earlier batch is not done with. */
  readonly held: ReadonlySet<Line>;
  /** Resolves when those batches, or for a purge all earlier ones, are settled. Rejects with the signal's reason. */
  earlier(): Promise<void>;
}

/** Runs batches. */
export interface HoldBack {
  /** Runs `work` at once and tells it what must wait. Answers as `work` does. */
  run(
    plan: Plan,
    items: readonly AnyEvent[],
    signal: AbortSignal,
    work: (turn: Turn) => Promise<WriteResult>,
  ): Promise<WriteResult>;
  /** Resolves when nothing runs. */
  idle(): Promise<void>;
}

/** A batch that is on its way, or waits to be repeated. */
interface Unsettled {
  readonly places: Places;
  readonly settled: Promise<void>;
  settle(): void;
}

/**
 * A line waits until every earlier batch that writes the same document is settled, repetitions included: Elasticsearch forgets the
 * versions of deleted documents when it is restarted, and a create that comes after that would bring its document back. All other
 * lines go at once. A purge waits for all that is earlier, because it must find what that writes.
 */
export function holdBack(): HoldBack {
  /** In the order in which they were begun, so nobody waits for a later one. */
  const unsettled = new Set<Unsettled>();
  const owed = new WeakMap<AnyEvent, Unsettled>();
  const running = new Set<Promise<unknown>>();

  function begin({ places }: Plan): Unsettled {
    const { promise: settled, resolve } = Promise.withResolvers<void>();
    const settle = () => {
      unsettled.delete(batch);
      resolve();
    };
    const batch = { places, settled, settle };
    unsettled.add(batch);
    return batch;
  }

  function turnOf(batch: Unsettled, plan: Plan, signal: AbortSignal): Turn {
    const held = new Set<Line>();
    const earlier: Promise<void>[] = [];
    for (const other of unsettled) {
      if (other === batch) break;
      const common = commonPlaces(plan.places, other.places);
      for (const place of common) held.add(plan.lines[place]!);
      if (common.length > 0 || plan.purges.length > 0) earlier.push(other.settled);
    }
    return { held, earlier: () => earlier.length === 0 ? Promise.resolve() : all(earlier, signal) };
  }

  /** The batch keeps its place until its events come again, or nobody is there any more who would bring them. */
  function owe(batch: Unsettled, events: readonly AnyEvent[], signal: AbortSignal): void {
    for (const event of events) owed.set(event, batch);
    if (signal.aborted) batch.settle();
    else signal.addEventListener("abort", batch.settle, { once: true });
  }

  async function attempt(
    plan: Plan,
    items: readonly AnyEvent[],
    signal: AbortSignal,
    work: (turn: Turn) => Promise<WriteResult>,
  ): Promise<WriteResult> {
    // What is repeated are events of one batch; the first of them is never one that was written.
    const batch = owed.get(items[0]!) ?? begin(plan);
    signal.removeEventListener("abort", batch.settle);
    try {
      const result = await work(turnOf(batch, plan, signal));
      const again = result.rejected.filter(({ error }) => error instanceof TransientError);
      if (again.length > 0) owe(batch, again.map(({ index }) => items[index]!), signal);
      else batch.settle();
      return result;
    } catch (error) {
      if (error instanceof TransientError) owe(batch, items, signal);
      else batch.settle();
      throw error;
    }
  }

  return {
    run(...batch) {
      const job = attempt(...batch).finally(() => running.delete(job));
      running.add(job);
      return job;
    },
    async idle() {
      await Promise.allSettled(running);
    },
  };
}

async function all(earlier: readonly Promise<void>[], signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([Promise.all(earlier), promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
