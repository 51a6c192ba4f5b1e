/**
 * `queue requeue`: rows of receipts, or all of a status.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { CommandContext } from "../kit/command.ts";
import type { queueRequeueOptions } from "../options/queue.ts";
import { openNamed } from "./open.ts";
import { receiptsOf, tellOutcome } from "./receipts.ts";

/** Gives rows back. Answers the exit status. */
export async function requeueRows(context: CommandContext<typeof queueRequeueOptions>): Promise<number> {
  const { values, positionals: [, ...receipts], globals, stdout } = context;
  const { status, olderThan, delay = 0, error, fail } = values;
  if (status !== undefined) {
    if (receipts.length > 0) throw new ConfigError("Cannot use receipts with --status: it means all rows");
    await using queue = await openNamed(context);
    const moved = await queue.requeue({ statuses: [status], olderThanMs: olderThan });
    await stdout(globals.json ? JSON.stringify({ moved }) : `Moved ${moved} rows to pending`);
    return 0;
  }
  if (olderThan !== undefined) throw new ConfigError("Cannot use --older-than without --status");
  const given = await receiptsOf(receipts);
  await using queue = await openNamed(context);
  const outcome = fail ? await queue.fail(given, error) : await queue.release(given, { delayMs: delay, error });
  return await tellOutcome(context, outcome);
}
