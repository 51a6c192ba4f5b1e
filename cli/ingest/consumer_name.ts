/**
 * The name of a process in a consumer group.
 *
 * @module
 */
import { join } from "node:path";
import { LockHeldError } from "../../lib/pipeline/errors.ts";
import { acquireLock } from "../../lib/state/lock.ts";
import { makeFolder } from "../../lib/state/paths.ts";

/** A name that no other process of this machine has while it is held. */
export interface ConsumerName extends AsyncDisposable {
  readonly name: string;
}

/**
 * The host's name and the lowest number that no other process of the group has here, so that a process that is started again gets back
 * what was delivered to it before.
 *
 * @param folder Where the locks are.
 */
export async function holdConsumerName(folder: string, group: string, host = Deno.hostname()): Promise<ConsumerName> {
  await makeFolder(folder);
  for (let i = 0;; i++) {
    const path = join(folder, `consumer-${encodeURIComponent(group)}-${i}.lock`);
    try {
      const lock = await acquireLock(path, { command: `bskyingest consume --group ${group}` });
      return { name: `${host}-${i}`, [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose]() };
    } catch (error) {
      if (!(error instanceof LockHeldError)) throw error;
    }
  }
}
