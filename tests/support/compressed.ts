/**
 * Compressed files, read as a user would.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { plainChunks } from "../../lib/sources/replay/decompress.ts";

/** The text of a `.gz` or `.zst` file, as `zcat` or `zstd` give it; where they are not installed, by our own reader. */
export async function readCompressed(path: string): Promise<string> {
  if ((await Deno.stat(path)).size === 0) return ""; // nothing was written yet: no member, which `zcat` calls an error
  const [tool, ...args] = path.endsWith(".gz") ? ["zcat", path] : ["zstd", "-dcq", path];
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(tool!, { args }).output();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return await readByOurselves(path);
    throw error;
  }
  const { success, stdout, stderr } = output;
  if (!success) throw new Error(`Cannot read ${path}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

async function readByOurselves(path: string): Promise<string> {
  async function* whole() {
    yield Buffer.from(await Deno.readFile(path));
  }
  return Buffer.concat(await Array.fromAsync(await plainChunks(whole()))).toString();
}
