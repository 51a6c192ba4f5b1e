/**
 * A position that lies in a server's future.
 *
 * @module
 */
import type { Cursor } from "../../pipeline/batch.ts";
import { ConfigError } from "../../pipeline/errors.ts";

/** The end of a run that the user did not tell what to do then. */
export function futureCursor(host: string, cursor: Cursor | undefined, words: string): ConfigError {
  return new ConfigError(
    `Cannot go on behind cursor ${cursor} at ${host}: ${words}; --on-future-cursor live or oldest says where to begin anew`,
    { hint: "Make sure that it is the host of that position: two relays have unrelated numbers" },
  );
}
