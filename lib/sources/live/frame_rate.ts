/**
 * How many frames came lately.
 *
 * @module
 */

/** Frames within the last ten minutes above which a stream is one that is never silent for long: one a second. */
const BUSY = 600;
const MINUTES = 10, MINUTE_MS = 60_000;

/** Counts frames by the minute. */
export class FrameRate {
  readonly #now: () => number;
  readonly #counts = new Map<number, number>();

  /** @param now A clock that only goes forward, in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** So many frames came. */
  add(frames: number): void {
    const minute = this.#minute();
    this.#counts.set(minute, (this.#counts.get(minute) ?? 0) + frames);
    for (const each of this.#counts.keys()) if (each <= minute - MINUTES) this.#counts.delete(each);
  }

  /** Whether over one frame a second came in the last ten minutes. */
  get busy(): boolean {
    const oldest = this.#minute() - MINUTES;
    let sum = 0;
    for (const [minute, frames] of this.#counts) if (minute > oldest) sum += frames;
    return sum > BUSY;
  }

  #minute(): number {
    return Math.floor(this.#now() / MINUTE_MS);
  }
}
