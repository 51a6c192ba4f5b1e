/**
 * Zstd dictionaries of the command line: the file that is named, and the folder that keeps what was fetched.
 *
 * @module
 */
import { idOfDictionary } from "../../lib/net/zstd/dictionary.ts";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { MOST_DICTIONARY_BYTES } from "../../lib/sources/jetstream/dictionary_cache.ts";
import { fileError } from "../../lib/state/files.ts";
import { cacheFolder } from "../../lib/state/paths.ts";

/** What sources take of these. */
export interface DictionarySettings {
  readonly dictionary?: Uint8Array;
  readonly dictionaryFolder: string;
}

/**
 * The settings that `--zstd-dictionary` and the environment lead to.
 *
 * @throws {ConfigError} for a file that cannot be read or is no dictionary.
 */
export function dictionarySettings(
  file: string | undefined,
  env: (name: string) => string | undefined,
): DictionarySettings {
  const dictionaryFolder = cacheFolder(env);
  return file === undefined ? { dictionaryFolder } : { dictionary: readDictionary(file), dictionaryFolder };
}

function readDictionary(path: string): Uint8Array {
  const refuse = (why: string) => new ConfigError(`Cannot use zstd dictionary ${path}: ${why}`);
  try {
    if (Deno.statSync(path).size > MOST_DICTIONARY_BYTES) {
      throw refuse(`it has more than ${MOST_DICTIONARY_BYTES} bytes`);
    }
    const bytes = Deno.readFileSync(path);
    if (idOfDictionary(bytes) === undefined) throw refuse("it is none, as it does not begin with 37 A4 30 EC");
    return bytes;
  } catch (error) {
    throw fileError("read", path, error);
  }
}
