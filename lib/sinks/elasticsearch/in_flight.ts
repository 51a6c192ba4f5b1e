/**
 * How many bulks are on their way at once.
 *
 * @module
 */

/** After so many good bulks one more may be in flight. */
const GOOD_BULKS = 50;

/** Lets requests pass, a limited number at once. */
export interface InFlight {
  /** How many may be on their way now. */
  readonly allowed: number;
  /** Runs `work` when there is room. Rejects with the signal's reason when that aborts before. */
  run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** The server has too much to do: half as many from now on, at least one. */
  busy(): void;
  /** A bulk went well: after 50 of them one more, up to the most. */
  good(): void;
}

/** @param most Requests at once while the server does not complain. */
export function limitInFlight(most: number): InFlight {
  let allowed = most, running = 0, good = 0;
  const waiting = new Set<() => void>();
  const admit = () => {
    for (const enter of waiting) {
      if (running >= allowed) return;
      waiting.delete(enter);
      running++;
      enter();
    }
  };
  const turn = (signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        waiting.delete(enter);
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      waiting.add(enter);
    });
  return {
    get allowed() {
      return allowed;
    },
    async run(signal, work) {
      signal.throwIfAborted();
      if (running < allowed && waiting.size === 0) running++;
      else await turn(signal);
      try {
        return await work();
      } finally {
        running--;
        admit();
      }
    },
    busy() {
      allowed = Math.max(1, Math.floor(allowed / 2));
      good = 0;
    },
    good() {
      if (allowed >= most || ++good < GOOD_BULKS) return;
      allowed++;
      good = 0;
      admit();
    },
  };
}
