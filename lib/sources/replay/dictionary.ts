/**
 * The zstd dictionaries that a replay may use: it never asks a server.
 *
 * @module
 */
import { idOfDictionary } from "../../net/zstd/dictionary.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { type Dictionary, readCached } from "../jetstream/dictionary_cache.ts";
import { ZstdMessages } from "../jetstream/zstd_messages.ts";
import { MOST_MESSAGE_BYTES } from "./format.ts";

/** Where they are. */
export interface DictionaryOptions {
  /** Contents of the user's own. */
  readonly dictionary?: Uint8Array;
  /** Where dictionaries are kept. Default: nowhere. */
  readonly dictionaryFolder?: string;
}

/** The user's own dictionary, if it is one. */
export function givenDictionary({ dictionary: bytes }: DictionaryOptions): Dictionary | undefined {
  const id = bytes && idOfDictionary(bytes);
  return id === undefined ? undefined : { id, bytes: bytes! };
}

/**
 * The dictionary that a file's messages need.
 *
 * @throws {ConfigError} where it is not to be had.
 */
export async function findDictionary(id: number, path: string, options: DictionaryOptions): Promise<Dictionary> {
  const given = givenDictionary(options);
  if (given?.id === id) return given;
  const { dictionaryFolder } = options;
  const kept = dictionaryFolder === undefined ? undefined : await readCached(dictionaryFolder, id);
  if (kept) return kept;
  const other = given ? `, not ${given.id}` : "";
  throw new ConfigError(
    `Cannot replay ${path}: it needs the zstd dictionary ${id}${other}: name it with --zstd-dictionary`,
  );
}

/** What reads the compressed messages of a file. */
export function zstdMessagesOf(path: string, options: DictionaryOptions): ZstdMessages {
  return new ZstdMessages({
    maxBytes: MOST_MESSAGE_BYTES,
    dictionary: givenDictionary(options),
    find: (id) => findDictionary(id, path, options),
  });
}
