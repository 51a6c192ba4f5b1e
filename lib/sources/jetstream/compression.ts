/**
 * What one opened source asks servers to compress with, and how it reads what they compressed.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { Dictionaries, RETRY_MS, type Search } from "./dictionaries.ts";
import { type Dictionary, suits } from "./dictionary_cache.ts";
import type { JetstreamOptions, Plan } from "./options.ts";
import type { Endpoint, Wire } from "./url.ts";
import { ZstdMessages } from "./zstd_messages.ts";

const log = getLogger(["bskyingest", "jetstream"]);

const PLAIN = "Reading uncompressed";

/** What was agreed with one server of the v2 wire. */
interface Talk {
  accepted?: Dictionary;
  /** It refused one since it last accepted one. */
  refused?: boolean;
  /** It is not asked to compress before this time, in milliseconds. */
  plainUntil?: number;
}

/** Offers dictionaries until a server takes one, or goes without. */
export class Compression implements Disposable {
  /** Reads what comes, whatever was asked for. */
  readonly messages: ZstdMessages;
  readonly #plan: Plan;
  readonly #dictionaries: Dictionaries;
  readonly #now: () => number;
  readonly #signal: AbortSignal;
  readonly #talks = new Map<Endpoint, Talk>();
  /** The server that is being read. */
  #endpoint: Endpoint | undefined;

  /** `signal` ends every search. */
  constructor(plan: Plan, options: JetstreamOptions, signal: AbortSignal) {
    this.#plan = plan;
    this.#now = options.now ?? Date.now;
    this.#signal = signal;
    this.#dictionaries = new Dictionaries({
      given: plan.dictionary,
      folder: options.dictionaryFolder,
      fetch: options.fetch ?? fetch,
      now: this.#now,
    });
    this.messages = new ZstdMessages({
      maxBytes: plan.maxFrameBytes,
      dictionary: plan.dictionary,
      find: (id) => this.#dictionaries.byId(id, this.#endpoint!, this.#or("Messages that need it cannot be read")),
    });
  }

  /** What to ask a server for; undefined: nothing, as compression is not wanted, or no dictionary is to be had. */
  async offer(endpoint: Endpoint, wire: Wire): Promise<Dictionary | undefined> {
    const { compress, dictionary } = this.#plan;
    if (!compress) return undefined;
    const given = dictionary && suits(dictionary.id, wire) ? dictionary : undefined;
    if (wire === "v1") return given ?? await this.#dictionaries.ofV1(this.#or(PLAIN));
    const { refused, accepted, plainUntil = 0 } = this.#talk(endpoint);
    if (this.#now() < plainUntil) return undefined;
    const known = refused ? undefined : accepted ?? given ?? await this.#likely(endpoint);
    return known ?? await this.#dictionaries.current(endpoint, this.#or(PLAIN));
  }

  /** A connection begins, for which `dictionary` was asked for. */
  begin(endpoint: Endpoint, dictionary: Dictionary | undefined): void {
    this.#endpoint = endpoint;
    this.messages.begin(dictionary);
  }

  /** The server accepted what it was asked for. */
  accepted(endpoint: Endpoint, dictionary: Dictionary): void {
    this.#talks.set(endpoint, { accepted: dictionary });
  }

  /** The server does not know it: next it is asked for its own, and if it does not take that, for none. */
  refused(endpoint: Endpoint, { id }: Dictionary): void {
    const { host } = endpoint;
    if (this.#talk(endpoint).refused) {
      log.warn("{host} refuses even its own zstd dictionary, {id}. {plain}", { host, id, plain: PLAIN });
      this.#talks.set(endpoint, { plainUntil: this.#now() + RETRY_MS });
    } else {
      log.info("{host} does not know the zstd dictionary {id}: asking for its own", { host, id });
      this.#talks.set(endpoint, { refused: true });
    }
  }

  [Symbol.dispose](): void {
    this.messages[Symbol.dispose]();
  }

  /** The one that the URL names; else the one that was kept last. */
  async #likely(endpoint: Endpoint): Promise<Dictionary | undefined> {
    const { dictionaryId } = this.#plan;
    if (dictionaryId === undefined) return await this.#dictionaries.newest();
    return await this.#dictionaries.byId(dictionaryId, endpoint, this.#or("Asking for the current one"));
  }

  #talk(endpoint: Endpoint): Talk {
    return this.#talks.get(endpoint) ?? {};
  }

  #or(otherwise: string): Search {
    return { signal: this.#signal, otherwise };
  }
}
