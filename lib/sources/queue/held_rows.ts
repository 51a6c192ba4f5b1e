/**
 * Rows that are taken, and neither acknowledged nor given back.
 *
 * @module
 */

/** One of them. */
export interface HeldRow {
  /** Its place among all that were taken, from 1. */
  readonly index: number;
  /** What it is acknowledged with. */
  readonly receipt: string;
}

/** Keeps them in the order in which they were taken. */
export class HeldRows {
  readonly #rows = new Map<number, HeldRow>();
  #last = 0;
  #changed = Promise.withResolvers<void>();

  /** The place of the newest one. */
  get last(): number {
    return this.#last;
  }

  /** Adds one. */
  add(receipt: string): void {
    const index = ++this.#last;
    this.#rows.set(index, { index, receipt });
  }

  /** Those that were taken after the place `from`, up to the place `to`. */
  between(from: number, to: number): HeldRow[] {
    return [...this.#rows.values()].filter(({ index }) => index > from && index <= to);
  }

  /** Forgets some. */
  remove(rows: readonly HeldRow[]): void {
    for (const { index } of rows) this.#rows.delete(index);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Resolves when there is none any more up to the place `to`, or when `signal` aborts. */
  async settled(to: number, signal: AbortSignal): Promise<void> {
    const { promise: aborted, resolve } = Promise.withResolvers<void>();
    const onAbort = () => resolve();
    signal.addEventListener("abort", onAbort);
    while (this.between(0, to).length > 0 && !signal.aborted) await Promise.race([this.#changed.promise, aborted]);
    signal.removeEventListener("abort", onAbort);
  }
}

/** What rows are acknowledged or given back with. */
export const receiptsOf = (rows: readonly HeldRow[]): string[] => rows.map(({ receipt }) => receipt);
