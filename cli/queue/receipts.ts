/**
 * Receipts: where a command gets them from, and what it says of them.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { ReceiptOutcome } from "../../lib/sinks/queue.ts";
import { EXIT } from "../exit.ts";
import type { CommandContext } from "../kit/command.ts";

/**
 * The receipts of the command line; `-` stands for those on standard input, one a line.
 *
 * @throws {ConfigError} Where there is neither.
 */
export async function receiptsOf(args: readonly string[]): Promise<string[]> {
  if (args.length === 0) {
    throw new ConfigError("Cannot tell which rows: no receipt is given", {
      hint: "Name receipts that take has printed, or - to read them from standard input",
    });
  }
  const receipts: string[] = [];
  for (const arg of args) {
    if (arg !== "-") receipts.push(arg);
    else receipts.push(...(await new Response(Deno.stdin.readable).text()).split(/\s+/).filter((line) => line !== ""));
  }
  return receipts;
}

/** Says what became of receipts. Answers the exit status: whether all were valid. */
export async function tellOutcome(
  { globals, stdout }: Pick<CommandContext, "globals" | "stdout">,
  { done, stale }: ReceiptOutcome,
): Promise<number> {
  if (globals.json) await stdout(JSON.stringify({ done, stale }));
  else {
    for (const receipt of done) await stdout(`${receipt}  done`);
    for (const receipt of stale) await stdout(`${receipt}  stale`);
  }
  return stale.length === 0 ? EXIT.ok : EXIT.failed;
}
