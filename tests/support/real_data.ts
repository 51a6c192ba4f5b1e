/**
 * Real frames and events that nobody of this project wrote. They are not part of the repository: where the folder is missing,
 * the tests that need them say so in their names.
 *
 * @module
 */
import { fromFileUrl } from "./paths.ts";

const FOLDER = Deno.env.get("BSKYINGEST_REAL_DATA") ?? fromFileUrl(new URL("../../../shared/real", import.meta.url));

/** The path of a real file, or `undefined` where it is missing. */
export function realData(name: string): string | undefined {
  const path = `${FOLDER}/${name}`;
  try {
    Deno.statSync(path);
    return path;
  } catch {
    return undefined;
  }
}

/** Registers a test that reads real files; without them it is ignored, and its name says why. */
export function realTest(
  name: string,
  files: readonly string[],
  fn: (paths: readonly string[], t: Deno.TestContext) => void | Promise<void>,
): void {
  const paths = files.map(realData);
  const missing = files.filter((_, i) => paths[i] === undefined);
  Deno.test({
    name: missing.length > 0 ? `${name} (skipped: no ${missing.join(", ")} in BSKYINGEST_REAL_DATA)` : name,
    ignore: missing.length > 0,
    fn: (t) => fn(paths as string[], t),
  });
}
