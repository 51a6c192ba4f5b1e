/**
 * Points in time on the command line.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { parseTimestamp } from "../../lib/atproto/time.ts";

/** Names for a time, UTC: in microseconds since 1970. @throws {ConfigError} */
export function timestamp(text: string): number {
  const us = parseTimestamp(text);
  if (us === undefined) {
    throw new ConfigError("it must be YYYY-MM-DD, YYYY-MM-DD-HH:MM:SS (both UTC) or RFC 3339 with a zone");
  }
  return us;
}
