/**
 * Which host was first with an event, and which ones had events that no other host had.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";

const log = getLogger(["bskyingest", "race"]);

/** Events that may wait for another host's copy. */
const MOST_ALONE = 100_000;
/** Hosts must be past an event by so much event time (microseconds): order is not quite the order of time. */
const PAST_US = 5e6;
/** How often what was found is told, and how many accounts are named then. */
const TELL_MS = 60_000, MOST_DIDS = 5;

/** What one host had. */
export interface HostFigures {
  /** Events whose first copy came from it. */
  first: number;
  /** Events that no other host had. */
  only: number;
}

/** How to count. */
export interface TallyOptions {
  readonly hosts: readonly string[];
  /** How long an event must have been alone while every host was connected, in milliseconds. */
  readonly aloneMs: number;
  /** The clock, in milliseconds. */
  readonly now: () => number;
}

/** Where all hosts are, together. */
export interface HostsState {
  /** Changes when one of them connects again; undefined: not all of them are connected. */
  readonly connections: string | undefined;
  /** The event time that every one of them has reached, in microseconds. */
  readonly reached: number;
}

/** An event that came from one host so far. */
interface Alone {
  readonly host: string;
  readonly time_us: number;
  readonly at: number;
}

/** Counts. */
export class Tally {
  readonly figures: Readonly<Record<string, HostFigures>>;
  readonly #options: TallyOptions;
  /** The one that has waited longest first. */
  readonly #alone = new Map<string, Alone>();
  #connections: string | undefined;
  /** Since when all hosts are connected. */
  #steadySince = 0;
  #looked = 0;
  #told: number;
  /** Found since then: how many at each host, and some of their accounts. */
  readonly #news = new Map<string, number>();
  readonly #dids = new Set<string>();

  constructor(options: TallyOptions) {
    this.#options = options;
    this.figures = Object.fromEntries(options.hosts.map((host) => [host, { first: 0, only: 0 }]));
    this.#told = options.now();
  }

  /** An event came that was not known. */
  first(host: string, key: string, time_us: number): void {
    this.figures[host]!.first++;
    this.#await(key, { host, time_us, at: this.#options.now() });
  }

  /** It came again. */
  again(host: string, key: string): void {
    if (this.#alone.get(key)?.host !== host) this.#alone.delete(key);
  }

  /** Looks, every now and then, for events that stayed alone. */
  look(state: () => HostsState): void {
    const { aloneMs, now } = this.#options;
    const at = now();
    if (at - this.#looked < aloneMs / 60) return;
    this.#looked = at;
    const { connections, reached } = state();
    if (connections !== this.#connections) this.#steadySince = at;
    this.#connections = connections;
    if (connections !== undefined) this.#judge(at, reached);
    if (at - this.#told >= TELL_MS) this.tell(at);
  }

  /** Says what was found since the last time. */
  tell(at: number = this.#options.now()): void {
    this.#told = at;
    if (this.#news.size === 0) return;
    log.info("Events that came from one host only: {hosts}; of {dids}", {
      hosts: [...this.#news].map(([host, n]) => `${n} from ${host}`).join(", "),
      dids: [...this.#dids].join(", "),
    });
    this.#news.clear();
    this.#dids.clear();
  }

  #judge(at: number, reached: number): void {
    for (const [key, alone] of this.#alone) {
      if (at - Math.max(alone.at, this.#steadySince) < this.#options.aloneMs) break;
      this.#alone.delete(key);
      if (alone.time_us > reached - PAST_US) {
        this.#await(key, { ...alone, at });
        continue;
      }
      this.figures[alone.host]!.only++;
      this.#news.set(alone.host, (this.#news.get(alone.host) ?? 0) + 1);
      if (this.#dids.size < MOST_DIDS) this.#dids.add(/did:[^\n]+/.exec(key)?.[0] ?? key);
    }
  }

  #await(key: string, alone: Alone): void {
    this.#alone.set(key, alone);
    if (this.#alone.size <= MOST_ALONE) return;
    // Half of them at once: a map is slow to find its oldest entry after many deletions.
    for (const oldest of this.#alone.keys()) {
      this.#alone.delete(oldest);
      if (this.#alone.size <= MOST_ALONE / 2) break;
    }
  }
}
