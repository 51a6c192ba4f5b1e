/**
 * Looking now and then whether a database file is still where it was, and how much waits in its write-ahead log.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { FatalError } from "../../pipeline/errors.ts";
import { sizeOf } from "../../state/sqlite_file.ts";

const log = getLogger(["bskyingest", "sqlite"]);

/** Options of {@link fileWatch}. */
export interface FileWatchOptions {
  /** The least time between two looks, in milliseconds. */
  readonly everyMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** A write-ahead log above this size (bytes) is worth a warning; default 1 GiB. */
  readonly walLimit?: number;
}

/** See {@link fileWatch}. */
export interface FileWatch {
  /** Looks if the last look is long enough ago; to be called before each write. Throws when the file is gone. */
  tick(): void;
  /** Throws a `FatalError` when `path` is not the file any more that it was. */
  check(): void;
}

/** Watches the file that is at `path` now. */
export function fileWatch(path: string, { everyMs, now, walLimit = 2 ** 30 }: FileWatchOptions): FileWatch {
  const identity = identityOf(path);
  let lookedAt = now();
  let warned = false;

  function check(): void {
    const there = identityOf(path);
    if (there === identity) return;
    const state = there === undefined ? "was removed" : "was replaced by another file";
    throw new FatalError(
      `Cannot write to ${path}: it ${state} during the run. What is stored is where the file was moved to`,
    );
  }

  function checkWal(): void {
    const bytes = sizeOf(`${path}-wal`) ?? 0;
    if (bytes > walLimit && !warned) {
      const mib = Math.round(bytes / 2 ** 20);
      log.warn("{path}-wal has grown to {mib} MiB, because a program that reads the file holds it", { path, mib });
    }
    warned = bytes > walLimit;
  }

  return {
    check,
    tick() {
      if (Math.abs(now() - lookedAt) < everyMs) return; // the clock may be set back
      lookedAt = now();
      check();
      checkWal();
    },
  };
}

/** What tells one file from another; `undefined` when there is none. */
function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = Deno.statSync(path);
    return `${dev}:${ino}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
