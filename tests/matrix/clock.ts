/**
 * A clock of this process that a test sets; what measures time by `performance` does not see it.
 *
 * @module
 */

/** The clock, set right again at the end of the block. */
export interface Clock extends Disposable {
  /** Sets it so many milliseconds ahead of the right time, or behind it. */
  jump(ms: number): void;
}

/** Takes the clock of this process into the test's hands. */
export function takeClock(): Clock {
  const Right = Date;
  let ahead = 0;
  class Wrong extends Right {
    constructor(...given: unknown[]) {
      super(...(given.length === 0 ? [Wrong.now()] : given) as [number]);
    }

    static override now(): number {
      return Right.now() + ahead;
    }
  }
  globalThis.Date = Wrong as DateConstructor;
  return {
    jump: (ms) => void (ahead = ms),
    [Symbol.dispose]: () => void (globalThis.Date = Right),
  };
}
