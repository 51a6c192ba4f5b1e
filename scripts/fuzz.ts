/**
 * `deno task fuzz [--seconds N] [--seed N] [target...]`: feeds readers with spoiled input and looks for what they must never do: throw anything
 * but a PoisonError or a ConfigError, take longer than 2 s, eat memory, or refuse good input afterwards. Exit status 1 if they did.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { randomFrom } from "../tests/support/random.ts";
import { mutate } from "./fuzz_mutators.ts";
import type { FuzzTarget } from "./fuzz_target.ts";
import { TARGETS } from "./fuzz_targets.ts";
import type { FuzzJob, FuzzReport } from "./fuzz_worker.ts";

/** How one target is fuzzed. */
export interface FuzzOptions {
  /** The module whose `TARGETS` has the target. */
  readonly targets: URL;
  readonly target: string;
  readonly seed: number;
  readonly seconds: number;
  /** Inputs at least, however long they take. Default: none. */
  readonly least?: number;
  /** The longest that one input may take, in milliseconds. Default: 2000. */
  readonly limitMs?: number;
}

/** What came of it. */
export interface FuzzResult extends FuzzReport {
  /** Makes the input of the fault again, as the first one. */
  readonly faultSeed?: number;
  /** What the process grew by at most, in bytes. */
  readonly memory: number;
}

/** What the process may grow by, in bytes. */
const MOST_MEMORY = 1 << 30;

/** Feeds one target in a worker, and ends it when an input hangs. */
export async function fuzz(
  { targets, target, seed, seconds, least = 0, limitMs = 2000 }: FuzzOptions,
): Promise<FuzzResult> {
  const progress = new Int32Array(new SharedArrayBuffer(4));
  const { promise, resolve, reject } = Promise.withResolvers<FuzzReport>();
  const worker = new Worker(new URL("./fuzz_worker.ts", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(`Cannot fuzz ${target}: ${event.message}`));
  };
  worker.postMessage({ targets: targets.href, target, seed, seconds, least, limitMs, progress } satisfies FuzzJob);
  const watched = watch(progress, limitMs, (fault) => resolve({ inputs: progress[0]!, refused: 0, fault }));
  try {
    const report = { ...await promise, memory: watched.most() };
    return report.fault === undefined ? report : { ...report, faultSeed: seed + Math.max(0, report.inputs - 1) };
  } finally {
    watched.stop();
    worker.terminate();
  }
}

/** Looks from outside whether the worker still gets on, and at the memory. */
function watch(progress: Int32Array, limitMs: number, fail: (fault: string) => void) {
  const memory = Deno.memoryUsage().rss;
  let most = 0;
  let seen = 0;
  let since = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    if (progress[0] !== seen) [seen, since] = [progress[0]!, now];
    // What ends late reports itself; this is for what does not end, on a busy machine, too. Before the first input there is only loading.
    if (seen > 0 && now - since > 5 * limitMs) fail(`It did not end within ${limitMs} ms`);
    most = Math.max(most, Deno.memoryUsage().rss - memory);
    if (most > MOST_MEMORY) fail("The process has grown by 1 GiB");
  }, 50);
  return { most: () => most, stop: () => clearInterval(timer) };
}

/** What a person needs to see a fault again. */
async function showFault(target: FuzzTarget, { fault, faultSeed = 0 }: FuzzResult): Promise<void> {
  const input = mutate(await target.samples(), randomFrom(faultSeed), target.mutators);
  console.log(`${target.name}: FOUND\n${fault}`);
  console.log(`input (${input.length} bytes): ${JSON.stringify(new TextDecoder().decode(input.subarray(0, 500)))}`);
  console.log(`again: deno task fuzz --seconds 1 --seed ${faultSeed} ${target.name}`);
}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { seconds: { type: "string", default: "20" }, seed: { type: "string" } },
    allowPositionals: true,
  });
  const seconds = Number(values.seconds);
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  const chosen = TARGETS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const unknown = positionals.some((each) => !TARGETS.some(({ name }) => name === each));
  if (!(seconds > 0) || !Number.isSafeInteger(seed) || unknown) {
    console.error(`Usage: deno task fuzz [--seconds N] [--seed N] [${TARGETS.map(({ name }) => name).join("|")}]...`);
    return 2;
  }
  let status = 0;
  for (const target of chosen) {
    console.log(`${target.name}: --seed ${seed}`);
    const targets = new URL("./fuzz_targets.ts", import.meta.url);
    const result = await fuzz({ targets, target: target.name, seed, seconds });
    const grown = `${Math.round(result.memory / 1e6)} MB more memory at most`;
    console.log(`${target.name}: ${result.inputs} inputs, ${result.refused} refused, ${grown}`);
    if (result.fault === undefined) continue;
    await showFault(target, result);
    status = 1;
  }
  return status;
}

if (import.meta.main) Deno.exitCode = await main(Deno.args);
