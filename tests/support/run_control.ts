/**
 * Waiting for a run of the pipeline, and ending it.
 *
 * @module
 */
import type { PipelineResult } from "../../lib/pipeline/pipeline.ts";

/** The reins of a run that goes on until it is stopped, ends or fails. */
export interface RunControl extends AsyncDisposable {
  readonly result: Promise<PipelineResult>;
  /** Waits until `condition` holds; fails when the run ends before, or after half a minute. */
  until(condition: () => boolean, what?: string): Promise<void>;
  /** Stops, drains and answers how it ended. */
  stop(): Promise<PipelineResult>;
}

/** Takes the reins of a run that ends by `stop`. */
export function controlRun(result: Promise<PipelineResult>, stop: AbortController): RunControl {
  let ended = false;
  result.catch(() => {}).finally(() => ended = true);
  return {
    result,
    async until(condition, what = condition.toString()) {
      await until(() => condition() || ended, what);
      if (condition()) return;
      await result;
      throw new Error(`The run ended before: ${what}`);
    },
    stop() {
      stop.abort();
      return result;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await result.catch(() => {});
    },
  };
}

/** Waits until `condition` holds; fails after half a minute. */
export async function until(condition: () => boolean, what = condition.toString()): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`Waited half a minute in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
