/**
 * Runs one case: `child.ts BENCH CASE OPTIONS SETTING`, the last two as JSON. Prints its samples as one line of JSON.
 *
 * @module
 */
import type { BenchOptions, Setting } from "./bench.ts";
import { BENCHES } from "./registry.ts";

const [benchName, caseName, options, setting] = Deno.args;
const bench = BENCHES.find(({ name }) => name === benchName)!;
const cases = bench.cases(JSON.parse(options!) as BenchOptions);
const samples = await cases.find(({ name }) => name === caseName)!.run(JSON.parse(setting!) as Setting);
console.log(JSON.stringify(samples));
