/**
 * Too many dead items: then not they are wrong, but something else.
 *
 * @module
 */
import { DeadRatioError } from "./errors.ts";

/** How many settled items are looked at. */
const WINDOW = 1000;

/** Watches the share of dead items among the last 1,000. */
export class DeadRatio {
  readonly #most: number;
  readonly #recent: { readonly count: number; readonly dead: number }[] = [];
  #count = 0;
  #dead = 0;

  /** @param most The largest share that is allowed; 1 = any. */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Takes note of items that are settled.
   *
   * @param dead How many of the `count` items went to the dead letter.
   * @throws {DeadRatioError} Once there are 1,000 of them and more than that share is dead.
   */
  note(count: number, dead: number): void {
    if (this.#most >= 1 || count === 0) return;
    this.#recent.push({ count, dead });
    this.#count += count;
    this.#dead += dead;
    for (let first; (first = this.#recent[0]) && this.#count - first.count >= WINDOW; this.#recent.shift()) {
      this.#count -= first.count;
      this.#dead -= first.dead;
    }
    // Whole batches are counted, so a share that is just allowed may show with one dead item more.
    if (this.#count >= WINDOW && this.#dead > Math.ceil(this.#most * this.#count)) {
      throw new DeadRatioError(
        `Cannot go on: ${this.#dead} of the last ${this.#count} events went to the dead letter, more than --max-dead-ratio allows`,
      );
    }
  }
}
