/**
 * Where zstd dictionaries come from: the user, the cache folder, the servers, and Jetstream's public repository.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { V1_DICTIONARY_ID } from "../../net/zstd/ids.ts";
import { messageOf } from "../../pipeline/errors.ts";
import {
  checkDictionary,
  type Dictionary,
  keepCached,
  MOST_DICTIONARY_BYTES,
  newestCached,
  readCached,
} from "./dictionary_cache.ts";
import { dictionaryUrl, type Endpoint } from "./url.ts";

const log = getLogger(["bskyingest", "jetstream"]);

/** The one of the v1 wire, which no server hands out. */
const PUBLIC_URL =
  "https://raw.githubusercontent.com/bluesky-social/jetstream/HEAD/internal/subscribe/dictionaries/legacy_subscribe.zdict";
/** How long the repository, and a server that is about to be read, may take to answer. */
const DOWNLOAD_MS = 15_000, ASK_MS = 5000;
/** Who had none is not asked again for so long. */
export const RETRY_MS = 600_000;

/** Options of {@link Dictionaries}. */
export interface DictionariesOptions {
  /** The user's own; on the wire that it suits, it comes first. */
  readonly given: Dictionary | undefined;
  /** Where dictionaries are kept; undefined: nowhere. */
  readonly folder: string | undefined;
  readonly fetch: typeof fetch;
  /** The local clock, in milliseconds. */
  readonly now: () => number;
}

/** How to look for one. */
export interface Search {
  readonly signal: AbortSignal;
  /** What follows from having none, for the warning. */
  readonly otherwise: string;
}

/** Finds dictionaries, and remembers what it found and who had none. None of its methods throws. */
export class Dictionaries {
  readonly #options: DictionariesOptions;
  readonly #known = new Map<number, Dictionary>();
  /** By URL, until when it is not asked again. */
  readonly #failed = new Map<string, number>();

  constructor(options: DictionariesOptions) {
    this.#options = options;
    if (options.given) this.#known.set(options.given.id, options.given);
  }

  /** The public one of the v1 wire. */
  async ofV1(how: Search): Promise<Dictionary | undefined> {
    return await this.#atHand(V1_DICTIONARY_ID) ?? await this.#fetch(PUBLIC_URL, how, V1_DICTIONARY_ID);
  }

  /** The one of this id, which a server of the v2 wire may hand out. */
  async byId(id: number, endpoint: Endpoint, how: Search): Promise<Dictionary | undefined> {
    if (id === V1_DICTIONARY_ID) return await this.ofV1(how);
    return await this.#atHand(id) ?? await this.#fetch(dictionaryUrl(endpoint, id), how, id);
  }

  /** The one that a server of the v2 wire uses now. */
  async current(endpoint: Endpoint, how: Search): Promise<Dictionary | undefined> {
    return await this.#fetch(dictionaryUrl(endpoint), how);
  }

  /** The one of the v2 wire that the cache folder got last. */
  async newest(): Promise<Dictionary | undefined> {
    const { folder } = this.#options;
    return folder === undefined ? undefined : await newestCached(folder);
  }

  async #atHand(id: number): Promise<Dictionary | undefined> {
    const { folder } = this.#options;
    const found = this.#known.get(id) ?? (folder === undefined ? undefined : await readCached(folder, id));
    if (found) this.#known.set(id, found);
    return found;
  }

  async #fetch(url: string, { signal, otherwise }: Search, id?: number): Promise<Dictionary | undefined> {
    const { folder, now } = this.#options;
    if (now() < (this.#failed.get(url) ?? 0)) return undefined;
    const shown = withoutCredentials(url);
    try {
      const dictionary = await download(this.#options.fetch, url, signal, id);
      log.info("Fetched the zstd dictionary {id} from {url}", { id: dictionary.id, url: shown });
      this.#known.set(dictionary.id, dictionary);
      if (folder !== undefined) await keepCached(folder, dictionary);
      return dictionary;
    } catch (error) {
      if (signal.aborted) return undefined;
      this.#failed.set(url, now() + RETRY_MS);
      const why = messageOf(error);
      log.warn("Cannot fetch a zstd dictionary from {url}: {why}. {otherwise}", { url: shown, why, otherwise });
      return undefined;
    }
  }
}

/** @throws for every reason not to use what comes; `id`: the one that it must have. */
async function download(fetcher: typeof fetch, url: string, signal: AbortSignal, id?: number): Promise<Dictionary> {
  const isPublic = url === PUBLIC_URL;
  using limit = timeLimit(isPublic ? DOWNLOAD_MS : ASK_MS, signal);
  const response = await fetcher(url, { signal: limit.signal, redirect: isPublic ? "follow" : "error" });
  if (!response.ok) {
    await response.body?.cancel();
    throw new TypeError(`HTTP ${response.status}`);
  }
  const dictionary = await checkDictionary(await readBody(response), id);
  const named = response.headers.get("x-zstd-dictionary-id");
  if (named !== null && named !== String(dictionary.id)) {
    throw new TypeError(`it has the id ${dictionary.id}, and the server calls it ${named}`);
  }
  return dictionary;
}

/** Like `AbortSignal.timeout`, but the timer ends with the block. */
function timeLimit(ms: number, signal: AbortSignal): Disposable & { readonly signal: AbortSignal } {
  const timeUp = new AbortController();
  const timer = setTimeout(() => timeUp.abort(new TypeError(`it did not answer within ${ms / 1000} s`)), ms);
  return { signal: AbortSignal.any([signal, timeUp.signal]), [Symbol.dispose]: () => clearTimeout(timer) };
}

async function readBody(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    parts.push(part);
    bytes += part.length;
    if (bytes > MOST_DICTIONARY_BYTES) throw new TypeError(`it has more than ${MOST_DICTIONARY_BYTES} bytes`);
  }
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

function withoutCredentials(url: string): string {
  const clean = new URL(url);
  clean.username = clean.password = "";
  return clean.href;
}
