/**
 * Which batches are safe, in the order in which they were read.
 *
 * @module
 */
import type { Cursor } from "./batch.ts";

/** A batch that is on its way. */
export interface Entry {
  readonly key: string;
  readonly cursor: Cursor | undefined;
  readonly end: boolean;
  readonly weight: number;
  settled: boolean;
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

  /** @param limit Pending weight from which on {@link Ledger.room} waits. */
  constructor(limit: number, onAdvance: OnAdvance) {
    this.#limit = limit;
    this.#onAdvance = onAdvance;
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
    const entry = { key: batch.key, cursor: batch.cursor, end: batch.end ?? false, weight, settled: false };
    this.#entries.push(entry);
    this.#weight += weight;
    return entry;
  }

  /** Marks a batch as safe and reports the positions that became true by it. */
  settle(entry: Entry): void {
    entry.settled = true;
    const moved = new Map<string, Entry>();
    for (let e; (e = this.#entries[this.#head])?.settled; this.#head++) {
      this.#weight -= e.weight;
      if (e.cursor !== undefined) moved.set(e.key, e);
    }
    if (this.#head > 256) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    for (const { key, cursor, end } of moved.values()) this.#onAdvance(key, cursor!, end);
    for (const wake of this.#wake.splice(0)) wake();
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
