/**
 * Another program that locks the file of a sink, or of a source.
 *
 * @module
 */
import { startScript } from "../support/child.ts";

/** The program; it ends with the block. */
export interface Locker extends AsyncDisposable {
  /** Locks the file; resolves when nobody else can write to it. */
  lock(): Promise<void>;
}

/** Starts it, ready to lock a SQLite file at once and for so long: a process needs a while to begin. */
export async function startLocker(file: string, ms: number): Promise<Locker> {
  const child = startScript("tests/matrix/hold_lock.ts", [file, String(ms)], { cwd: "." });
  await child.stdout.waitFor("ready");
  return {
    async lock() {
      Deno.writeTextFileSync(`${file}.go`, "");
      await child.stdout.waitFor("locked");
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
