/**
 * The queue that a command is about.
 *
 * @module
 */
import { openQueue, type Queue, queueFile } from "../../lib/sinks/queue.ts";
import type { CommandContext } from "../kit/command.ts";
import type { queueDirOption } from "../options/queue.ts";

/**
 * Opens the queue that the first argument names.
 *
 * @throws {ConfigError} Where there is none.
 */
export async function openNamed(
  { values, positionals }: Pick<CommandContext<typeof queueDirOption>, "values" | "positionals">,
): Promise<Queue> {
  return await openQueue(queueFile(values.queueDir, positionals[0]!));
}
