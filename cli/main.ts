/**
 * The command line program: arguments in, exit status out. The only place that sets `Deno.exitCode`.
 *
 * @module
 */
import { createMain } from "./program.ts";
import { examples, registry } from "./registry.ts";

const run = createMain({ registry, examples });

/** How long the process may take to end by itself, in milliseconds. */
const LEAVE_MS = 500;

/** Runs the program with the arguments of its command line. */
export async function main(args: string[]): Promise<void> {
  Deno.exitCode = await run(args);
  // The work is done; what is still open (a read of an idle stdin cannot be taken back) must not keep the process.
  // deno-lint-ignore bskyingest/no-exit
  Deno.unrefTimer(setTimeout(() => Deno.exit(), LEAVE_MS));
}

if (import.meta.main) await main(Deno.args);
