/**
 * Getting past an entry that a server cannot show: one broken account has made a relay answer 500 for a whole page for days.
 *
 * @module
 */

/** Failures, and milliseconds since the first one, from which on the page counts as bad. */
const FAILURES = 10, PATIENCE_MS = 300_000;

/** What to ask for. */
export interface Ask {
  readonly cursor: string | undefined;
  readonly limit: number;
  /** The entry before it is left out. */
  readonly skips: boolean;
}

/**
 * The search for the one bad entry, with ever smaller pages. It is only left out where the server shows what lies behind it, and
 * then fails on it once more: a server that is down altogether costs nothing.
 */
export class BadPage {
  readonly #pageSize: number;
  readonly #enabled: boolean;
  readonly #now: () => number;
  #failures = 0;
  #since = 0;
  #limit: number;
  /** Entries that were read since the search began. */
  #passed = 0;
  /** At the one entry: ask for it, for what lies behind it, for it once more, for what lies behind it and go on there. */
  #step: "ask" | "probe" | "confirm" | "skip" = "ask";

  /** @param now The clock, in milliseconds. */
  constructor(pageSize: number, enabled: boolean, now: () => number) {
    this.#pageSize = this.#limit = pageSize;
    this.#enabled = enabled;
    this.#now = now;
  }

  /** The next request at a cursor. */
  ask(cursor: string | undefined): Ask {
    const behind = this.#step === "probe" || this.#step === "skip";
    const at = behind ? String(Number(cursor ?? 0) + 1) : cursor;
    return { cursor: at, limit: this.#limit, skips: this.#step === "skip" };
  }

  /** The server answered with 5xx. */
  failed(cursor: string | undefined): void {
    if (this.#failures++ === 0) this.#since = this.#now();
    const isBad = this.#failures >= FAILURES && this.#now() - this.#since >= PATIENCE_MS;
    if (!this.#enabled || !isBad || !/^\d{1,15}$/.test(cursor ?? "0")) return;
    if (this.#limit === this.#pageSize) this.#passed = 0;
    if (this.#limit > 1) this.#limit = Math.ceil(this.#limit / 2);
    else this.#step = this.#step === "ask" ? "probe" : this.#step === "confirm" ? "skip" : "ask";
  }

  /** A page came; answers whether it is to be used. */
  succeeded(): boolean {
    if (this.#step === "probe") {
      this.#step = "confirm";
      return false;
    }
    this.#passed += this.#limit;
    // The search is over, too, when all that came together is as much as the bad page.
    if (this.#step === "ask" && this.#passed < this.#pageSize) return true;
    this.#step = "ask";
    this.#limit = this.#pageSize;
    this.#failures = 0;
    return true;
  }
}
