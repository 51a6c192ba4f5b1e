/**
 * The part of the fuzzer that may hang or run out of memory: feeds one target until the time is over or something is found.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { setImmediate } from "node:timers/promises";
import { ConfigError, PoisonError } from "../lib/pipeline/errors.ts";
import { randomFrom } from "../tests/support/random.ts";
import { mutate } from "./fuzz_mutators.ts";
import type { FuzzTarget } from "./fuzz_target.ts";

/** What the worker is told. */
export interface FuzzJob {
  /** The module whose `TARGETS` has the target. */
  readonly targets: string;
  readonly target: string;
  /** The number of the first input; each input is made from its own number, so that it can be made again. */
  readonly seed: number;
  readonly seconds: number;
  /** Inputs at least, however long they take. */
  readonly least: number;
  readonly limitMs: number;
  /** Shared: [0] inputs begun. */
  readonly progress: Int32Array<SharedArrayBuffer>;
}

/** What the worker answers, once. */
export interface FuzzReport {
  readonly inputs: number;
  readonly refused: number;
  /** What went wrong with the last input. */
  readonly fault?: string;
}

const describe = (error: unknown): string => error instanceof Error ? error.stack ?? error.message : String(error);

/** Feeds one input. Gives back whether it was refused, or throws what must not be thrown. */
async function feed(target: FuzzTarget, input: Uint8Array): Promise<boolean> {
  try {
    await target.run(input);
    return false;
  } catch (error) {
    if (error instanceof PoisonError || error instanceof ConfigError) return true;
    throw error;
  }
}

/** A bad input must not spoil the next good one. */
async function feedAndGoOn(target: FuzzTarget, input: Uint8Array, good: Uint8Array): Promise<boolean> {
  const refused = await feed(target, input);
  if (refused) await target.run(good);
  return refused;
}

async function work(job: FuzzJob): Promise<FuzzReport> {
  const { TARGETS } = await import(job.targets) as { TARGETS: readonly FuzzTarget[] };
  const target = TARGETS.find(({ name }) => name === job.target)!;
  const samples = await target.samples();
  let inputs = 0;
  let refused = 0;
  const end = performance.now() + job.seconds * 1000;
  try {
    for (const sample of samples) await target.run(sample);
    while (performance.now() < end || inputs < job.least) {
      // As sources do: what zlib holds is freed only when other things get their turn.
      if (inputs % 100 === 99) await setImmediate();
      const random = randomFrom(job.seed + inputs);
      const input = mutate(samples, random, target.mutators);
      Atomics.store(job.progress, 0, ++inputs);
      const good = samples[inputs % samples.length]!;
      const begun = performance.now();
      if (await feedAndGoOn(target, input, good)) refused++;
      if (performance.now() - begun <= job.limitMs) continue;
      // It may be the machine that was busy.
      const again = performance.now();
      await feedAndGoOn(target, input, good);
      const ms = Math.round(performance.now() - again);
      if (ms > job.limitMs) return { inputs, refused, fault: `It took ${ms} ms` };
    }
    return { inputs, refused };
  } catch (error) {
    return { inputs, refused, fault: describe(error) };
  }
}

self.onmessage = async ({ data }: MessageEvent<FuzzJob>) => self.postMessage(await work(data));
