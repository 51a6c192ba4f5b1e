/**
 * When a run that has an end is over.
 *
 * @module
 */

/** After the first event past the end, late earlier ones may come for so long. */
const LINGER_MS = 500;
/** A past end is taken as reached when an open connection has nothing more to say for so long. */
const QUIET_END_MS = 10_000;

/** The end of one run: `signal` aborts when it is reached. */
export class End implements Disposable {
  readonly #endUs: number | undefined;
  readonly #now: () => number;
  readonly #reached = new AbortController();
  #lingering: ReturnType<typeof setTimeout> | undefined;
  #wallClock: ReturnType<typeof setTimeout> | undefined;

  /** `endUs` in microseconds since 1970, undefined: never; `now` in milliseconds. */
  constructor(endUs: number | undefined, now: () => number) {
    this.#endUs = endUs;
    this.#now = now;
  }

  get signal(): AbortSignal {
    return this.#reached.signal;
  }

  /** Ends at that time by the clock too, a second later, if no event tells. */
  startTimer(): void {
    const ms = this.#endUs === undefined ? 0 : this.#endUs / 1000 + 1000 - this.#now();
    // A timer longer than 2^31 ms would fire at once.
    if (ms > 0 && ms < 2 ** 31) this.#wallClock = setTimeout(() => this.#reached.abort(), ms);
  }

  /** An event past the end came; `now`: it is so far past it that nothing late is to be waited for. */
  passed(now: boolean): void {
    if (now) this.#reached.abort();
    else this.#lingering ??= setTimeout(() => this.#reached.abort(), LINGER_MS);
  }

  /** Milliseconds of silence that mean that all has come: only where the end is in the past. */
  get quietMs(): number | undefined {
    return this.#endUs !== undefined && this.#endUs < this.#now() * 1000 ? QUIET_END_MS : undefined;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#lingering);
    clearTimeout(this.#wallClock);
  }
}
