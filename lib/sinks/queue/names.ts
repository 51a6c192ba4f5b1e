/**
 * Where a queue is kept, by its name.
 *
 * @module
 */
import { join } from "node:path";
import { ConfigError } from "../../pipeline/errors.ts";
import { fileError } from "../../state/files.ts";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const SUFFIX = ".db";

/**
 * The file of a queue.
 *
 * @throws {ConfigError} For a name that could lead out of the folder.
 */
export function queueFile(folder: string, name: string): string {
  if (NAME.test(name)) return join(folder, name + SUFFIX);
  throw new ConfigError(`Cannot use queue name "${name}": it must match ${NAME.source.slice(1, -1)}`);
}

/** The name of the queue that a file of this name holds; `undefined` where it is none. */
export function queueOf(fileName: string): string | undefined {
  const name = fileName.endsWith(SUFFIX) ? fileName.slice(0, -SUFFIX.length) : "";
  return NAME.test(name) ? name : undefined;
}

/** The lock of the one writer; consumers need none. */
export function queueLock(file: string): string {
  return `${file}.lock`;
}

/**
 * Makes the folder of queues (0700) unless it is there.
 *
 * @throws {ConfigError} Where it cannot be made.
 */
export async function makeQueueFolder(folder: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileError("make the folder", folder, error);
  }
}
