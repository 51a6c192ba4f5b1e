/**
 * How long a connection may be silent.
 *
 * @module
 */
import { isBusy } from "./filter.ts";
import type { Plan } from "./options.ts";
import type { Wire } from "./url.ts";

/** A filter that matches little may be silent for so many idle timeouts. */
const QUIET_FACTOR = 20;
const MOST_MS = 600_000;

/** The patience of one run, which grows while nothing comes. */
export class Silence {
  readonly #plan: Plan;
  #reconnects = 0;
  #factor = 1;

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** Milliseconds without data that end a connection. */
  limitMs(wire: Wire): number {
    const { idleTimeoutMs, filter } = this.#plan;
    return Math.min(MOST_MS, idleTimeoutMs * (isBusy(filter, wire) ? 1 : QUIET_FACTOR) * this.#factor);
  }

  /** A connection brought nothing and was ended for that. */
  reconnecting(): void {
    if (++this.#reconnects % 3 === 0) this.#factor *= 2;
  }

  /** An event came. */
  broken(): void {
    this.#reconnects = 0;
    this.#factor = 1;
  }
}
