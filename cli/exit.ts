/**
 * Which exit status an error leads to.
 *
 * @module
 */
import {
  ConfigError,
  DeadRatioError,
  FatalError,
  GapError,
  LockHeldError,
  OutputClosedError,
  PoisonError,
  RewoundError,
  TransientError,
} from "../lib/pipeline/errors.ts";

/** Exit statuses of the program. */
export const EXIT = { ok: 0, failed: 1, misuse: 2, deadLetters: 3, locked: 75 } as const;

/** The exit status for what a command threw. */
export function exitStatus(error: unknown): number {
  if (error instanceof ConfigError || error instanceof Deno.errors.NotCapable) return EXIT.misuse;
  if (error instanceof LockHeldError) return EXIT.locked;
  // Whoever read our output has enough of it: that is success.
  if (error instanceof OutputClosedError || error instanceof Deno.errors.BrokenPipe) return EXIT.ok;
  return EXIT.failed;
}

/** Whether the error is one that the program foresees: its message says it all, a stack would not help. */
export function isForeseen(error: unknown): boolean {
  const foreseen = [
    ConfigError,
    LockHeldError,
    TransientError,
    FatalError,
    GapError,
    DeadRatioError,
    PoisonError,
    RewoundError,
    Deno.errors.NotCapable, // it says which permission is missing
  ];
  return foreseen.some((type) => error instanceof type);
}
