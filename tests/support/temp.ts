/**
 * Folders that live as long as a test.
 *
 * @module
 */

/** A folder that is deleted with everything in it when the block that made it ends. */
export interface TempFolder extends Disposable {
  readonly path: string;
}

/** Makes an empty folder: `using folder = tempFolder()`. */
export function tempFolder(): TempFolder {
  const path = Deno.makeTempDirSync({ prefix: "bskyingest-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** Runs `fn` with an empty folder, which is deleted when it ends. */
export async function inFolder<T = void>(fn: (folder: string) => Promise<T>): Promise<T> {
  using folder = tempFolder();
  return await fn(folder.path);
}
