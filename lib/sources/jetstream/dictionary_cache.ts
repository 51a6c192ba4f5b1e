/**
 * Zstd dictionaries: what makes one acceptable, and the folder that keeps them from one run to the next.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { idOfDictionary } from "../../net/zstd/dictionary.ts";
import { SIMULATE_DICTIONARY_ID, V1_DICTIONARY_ID } from "../../net/zstd/ids.ts";
import { messageOf } from "../../pipeline/errors.ts";
import type { Wire } from "./url.ts";

const log = getLogger(["bskyingest", "jetstream"]);

/** No dictionary is larger, in bytes; the public ones have 64 and 110 KiB. */
export const MOST_DICTIONARY_BYTES: number = 8 * 1024 * 1024;

/** Of the v1 wire's dictionary, which comes from a place that anybody may answer for. */
const V1_SHA256 = "b8d77b46933aceecbdd5275a01241efc985c970c78162b8150cf67a26522f70c";

/** A dictionary, and the id that frames and servers call it by. */
export interface Dictionary {
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** Whether servers of a wire may compress with the dictionary of this id: the public one of v1 is its own. */
export function suits(id: number, wire: Wire): boolean {
  return wire === "v1" ? id === V1_DICTIONARY_ID || id === SIMULATE_DICTIONARY_ID : id !== V1_DICTIONARY_ID;
}

/**
 * Takes bytes that came from elsewhere for a dictionary.
 *
 * @param id The one that they must have.
 * @throws {TypeError} where they are no dictionary, or another one. @throws {ConfigError} where they are a damaged one.
 */
export async function checkDictionary(bytes: Uint8Array, id?: number): Promise<Dictionary> {
  const found = idOfDictionary(bytes);
  if (found === undefined) throw new TypeError("it is no zstd dictionary");
  if (id !== undefined && found !== id) throw new TypeError(`it has the id ${found}, not ${id}`);
  if (found === V1_DICTIONARY_ID && createHash("sha256").update(bytes).digest("hex") !== V1_SHA256) {
    throw new TypeError(`it has the id ${found}, but not that dictionary's sha256`);
  }
  const { openDecompressor } = await import("../../net/zstd/decompressor.ts");
  using _decompressor = await openDecompressor({ dictionaries: [bytes], maxBytes: 0 });
  return { id: found, bytes };
}

/** A dictionary of the folder. What lies there under its name but is none, or another one, is warned of and left alone. */
export async function readCached(folder: string, id: number): Promise<Dictionary | undefined> {
  const path = pathOf(folder, id);
  try {
    return await checkDictionary(await Deno.readFile(path), id);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    log.warn("Not using {path}: {why}", { path, why: messageOf(error) });
    return undefined;
  }
}

/** The dictionary of the v2 wire that was kept last: most likely what servers use now. */
export async function newestCached(folder: string): Promise<Dictionary | undefined> {
  const found: { readonly id: number; readonly at: number }[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) {
      const id = Number(/^zstd-(\d+)\.zdict$/.exec(name)?.[1] ?? V1_DICTIONARY_ID);
      if (id === V1_DICTIONARY_ID) continue;
      const { mtime } = await Deno.stat(join(folder, name));
      found.push({ id, at: mtime?.getTime() ?? 0 });
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    log.warn("Cannot look for zstd dictionaries in {folder}: {why}", { folder, why: messageOf(error) });
  }
  const [newest] = found.sort((a, b) => b.at - a.at);
  return newest && await readCached(folder, newest.id);
}

/** Keeps a dictionary, for this program's later runs. Failing is no harm: they fetch it again. */
export async function keepCached(folder: string, { id, bytes }: Dictionary): Promise<void> {
  const path = pathOf(folder, id);
  try {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    // By a name of its own and whole before it is seen: other processes may read and keep the same one meanwhile.
    const temporary = await Deno.makeTempFile({ dir: folder, prefix: ".zstd-" });
    try {
      await Deno.writeFile(temporary, bytes, { create: false });
      using file = await Deno.open(temporary, { write: true });
      await file.sync();
      await Deno.rename(temporary, path);
    } catch (error) {
      await Deno.remove(temporary);
      throw error;
    }
  } catch (error) {
    log.warn("Cannot keep the zstd dictionary {id} as {path}: {why}", { id, path, why: messageOf(error) });
  }
}

function pathOf(folder: string, id: number): string {
  return join(folder, `zstd-${id}.zdict`);
}
