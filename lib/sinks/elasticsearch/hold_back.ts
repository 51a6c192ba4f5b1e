/**
 * Batches side by side, except those that must not be.
 *
 * @module
 */
import { haveCommon, type Places, type Plan } from "./plan.ts";

/** Runs batches. */
export interface HoldBack {
  /** Runs `work` after the earlier batches that it must not overtake. Rejects with the signal's reason when that aborts before. */
  run<T>(plan: Plan, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** Resolves when nothing runs. */
  idle(): Promise<void>;
}

/**
 * A batch waits for every running one that was begun before it and has a document in common with it; a batch with a purge waits
 * for all of them, because a purge must find what they write.
 *
 * That a batch which failed, and waits to be repeated, can be overtaken does no harm: versions see to it that the newer state
 * stays, whatever comes last.
 */
export function holdBack(): HoldBack {
  const running = new Map<Places, Promise<unknown>>();
  return {
    async run(plan, signal, work) {
      const earlier: Promise<unknown>[] = [];
      for (const [places, done] of running) {
        if (plan.purges.length > 0 || haveCommon(plan.places, places)) earlier.push(done);
      }
      const job = earlier.length === 0 ? work() : after(earlier, signal).then(work);
      running.set(plan.places, job.catch(() => {}));
      try {
        return await job;
      } finally {
        running.delete(plan.places);
      }
    },
    async idle() {
      await Promise.all(running.values());
    },
  };
}

async function after(earlier: readonly Promise<unknown>[], signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([Promise.all(earlier), promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
