/**
 * The command line program: arguments in, exit status out. The only place that sets `Deno.exitCode`.
 *
 * @module
 */
import { createMain } from "./program.ts";
import { examples, registry } from "./registry.ts";

const run = createMain({ registry, examples });

/** Runs the program with the arguments of its command line. */
export async function main(args: string[]): Promise<void> {
  Deno.exitCode = await run(args);
}

if (import.meta.main) await main(Deno.args);
