/**
 * Which batches are safe, in the order in which they were read.
 *
 * @module
 */
import type { Cursor } from "./batch.ts";
import type { Passed } from "./counters.ts";

/** A batch that is on its way. */
export interface Entry {
  readonly key: string;
  readonly cursor: Cursor | undefined;
  readonly end: boolean;
  readonly weight: number;
  settled: boolean;
  outcome: Passed | undefined;
}

/** Told the newest safe position of a key. */
export type OnAdvance = (key: string, cursor: Cursor, end: boolean) => void;

/**
 * Batches in order, settled in any order; only the longest settled prefix is reported. Its limit is the pipeline's memory
 * bound and its back-pressure.
 */
export class Ledger {
  #entries: Entry[] = [];
  #head = 0;
  #weight = 0;
  #wake: (() => void)[] = [];
  readonly #limit: number;
  readonly #onAdvance: OnAdvance;
  readonly #passed: Passed | undefined;

  /**
   * @param limit Pending weight from which on {@link Ledger.room} waits.
   * @param passed Where the outcomes of the settled prefix are added up, before its positions are reported.
   */
  constructor(limit: number, onAdvance: OnAdvance, passed?: Passed) {
    this.#limit = limit;
    this.#onAdvance = onAdvance;
    this.#passed = passed;
  }

  /** What is tracked and not in the settled prefix. */
  get weight(): number {
    return this.#weight;
  }

  /** Waits until less than the limit is pending, so that one batch of any size always fits, or until `signal` aborts. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#weight >= this.#limit && !signal.aborted) await this.#change(signal);
  }

  /** Adds a batch behind all others. */
  track(
    batch: { readonly key: string; readonly cursor: Cursor | undefined; readonly end?: boolean },
    weight: number,
  ): Entry {
    const { key, cursor, end = false } = batch;
    const entry: Entry = { key, cursor, end, weight, settled: false, outcome: undefined };
    this.#entries.push(entry);
    this.#weight += weight;
    return entry;
  }

  /** Marks a batch as safe and reports the positions that became true by it. */
  settle(entry: Entry, outcome?: Passed): void {
    entry.settled = true;
    entry.outcome = outcome;
    const moved = new Map<string, Entry>();
    for (let e; (e = this.#entries[this.#head])?.settled; this.#head++) {
      this.#weight -= e.weight;
      this.#add(e.outcome);
      if (e.cursor !== undefined) moved.set(e.key, e);
    }
    if (this.#head > 256) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    for (const { key, cursor, end } of moved.values()) this.#onAdvance(key, cursor!, end);
    for (const wake of this.#wake.splice(0)) wake();
  }

  #add(outcome: Passed | undefined): void {
    if (!this.#passed || !outcome) return;
    this.#passed.events += outcome.events;
    this.#passed.deadLettered += outcome.deadLettered;
    this.#passed.filtered += outcome.filtered;
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      signal.addEventListener("abort", done, { once: true });
      this.#wake.push(done);
    });
  }
}
