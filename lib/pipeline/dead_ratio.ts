/**
 * Too many dead items: then not they are wrong, but something else.
 *
 * @module
 */
import { DeadRatioError } from "./errors.ts";

/** How many settled items are looked at. */
const WINDOW = 1000;

/** Which items are looked at. */
export interface DeadRatioOptions {
  /** All of them, and not only the last 1,000. @default {false} */
  readonly all?: boolean;
  /** How many there must be. @default {1000} */
  readonly least?: number;
}

/** Watches the share of dead items among the last 1,000, or among all once there are so many. */
export class DeadRatio {
  readonly #most: number;
  readonly #all: boolean;
  readonly #least: number;
  readonly #recent: { readonly count: number; readonly dead: number }[] = [];
  #count = 0;
  #dead = 0;

  /**
   * Nothing is noted yet.
   *
   * @param most The largest share that is allowed; 1 = any.
   */
  constructor(most: number, { all = false, least = WINDOW }: DeadRatioOptions = {}) {
    this.#most = most;
    this.#all = all;
    this.#least = least;
  }

  /**
   * Takes note of items that are settled.
   *
   * @param dead How many of the `count` items went to the dead letter.
   * @throws {DeadRatioError} Once there are enough of them and more than that share is dead.
   */
  note(count: number, dead: number): void {
    if (this.#most >= 1 || count === 0) return;
    if (!this.#all) this.#recent.push({ count, dead });
    this.#count += count;
    this.#dead += dead;
    for (let first; (first = this.#recent[0]) && this.#count - first.count >= WINDOW; this.#recent.shift()) {
      this.#count -= first.count;
      this.#dead -= first.dead;
    }
    // Whole batches are counted, so a share that is just allowed may show with one dead item more.
    if (this.#count >= this.#least && this.#dead > Math.ceil(this.#most * this.#count)) {
      throw new DeadRatioError(
        `Cannot go on: ${this.#dead} of ${
          this.#all ? "" : "the last "
        }${this.#count} events went to the dead letter, more than --max-dead-ratio allows`,
      );
    }
  }
}
