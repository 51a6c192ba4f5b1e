/**
 * Batches side by side, except for the documents that they have in common.
 *
 * @module
 */
import type { Line } from "./body.ts";
import { commonPlaces, type Plan } from "./plan.ts";

/** What a batch must wait for. */
export interface Turn {
  /** Lines whose documents an earlier batch is on its way with. */
  readonly held: ReadonlySet<Line>;
  /** Resolves when those batches, or for a purge all earlier ones, have ended. Rejects with the signal's reason. */
  earlier(): Promise<void>;
}

/** Runs batches. */
export interface HoldBack {
  /** Runs `work` at once and tells it what must wait. Answers as `work` does. */
  run<T>(plan: Plan, signal: AbortSignal, work: (turn: Turn) => Promise<T>): Promise<T>;
  /** Resolves when nothing runs. */
  idle(): Promise<void>;
}

/**
 * A line waits for the running batches that were begun before its own and write the same document; a purge waits for all of them,
 * because it must find what they write. All other lines go at once.
 *
 * A batch that failed, and waits to be repeated, is waited for by nobody: see `overtaking.ts` for what it finds when it comes again.
 */
export function holdBack(): HoldBack {
  /** In the order in which they were begun, so nobody waits for a later one. None of these promises rejects. */
  const running = new Map<Plan, Promise<unknown>>();

  function turnOf(plan: Plan, signal: AbortSignal): Turn {
    const held = new Set<Line>();
    const earlier: Promise<unknown>[] = [];
    for (const [other, ended] of running) {
      const common = commonPlaces(plan.places, other.places);
      for (const place of common) held.add(plan.lines[place]!);
      if (common.length > 0 || plan.purges.length > 0) earlier.push(ended);
    }
    return { held, earlier: () => earlier.length === 0 ? Promise.resolve() : all(earlier, signal) };
  }

  return {
    async run(plan, signal, work) {
      const job = work(turnOf(plan, signal));
      running.set(plan, job.catch(() => {}));
      try {
        return await job;
      } finally {
        running.delete(plan);
      }
    },
    async idle() {
      await Promise.all(running.values());
    },
  };
}

async function all(earlier: readonly Promise<unknown>[], signal: AbortSignal): Promise<void> {
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
