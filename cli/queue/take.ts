/**
 * `queue take`: rows, or leases for longer.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { CommandContext } from "../kit/command.ts";
import type { queueTakeOptions } from "../options/queue.ts";
import { openNamed } from "./open.ts";
import { receiptsOf, tellOutcome } from "./receipts.ts";
import { recordLines, takenLine } from "./text.ts";

/** Takes rows and prints them, or keeps those of the receipts. Answers the exit status. */
export async function takeRows(context: CommandContext<typeof queueTakeOptions>): Promise<number> {
  const { values, positionals: [, ...receipts] } = context;
  const { count, lease, consumer, wait, maxAttempts, records, extend } = values;
  if (extend) {
    const kept = await receiptsOf(receipts);
    await using queue = await openNamed(context);
    return await tellOutcome(context, await queue.extend(kept, lease));
  }
  if (receipts.length > 0) {
    throw new ConfigError(`Cannot take "${receipts[0]}": take chooses the rows`, {
      hint: "--extend keeps rows for longer",
    });
  }
  await using queue = await openNamed(context);
  for (const row of await queue.take({ count, leaseMs: lease, consumer, waitMs: wait, maxAttempts })) {
    const lines = records ? recordLines(row) : [takenLine(row)];
    if (lines === undefined) context.stderr(`Row ${row.id} holds no list of records`);
    for (const line of lines ?? []) await context.stdout(line);
  }
  return 0;
}
