/**
 * The connections that recordings tell of.
 *
 * @module
 */
import type { Origin } from "../../atproto/event.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import type { Wire } from "../jetstream/url.ts";

/** What an `opened` entry says. */
export interface RecordedConnection {
  readonly url: string;
  readonly host: string;
  readonly wire: Wire | "relay";
}

/** Of events that are replayed. */
export function originOf(host: string, wire: Wire | "relay"): Origin {
  return Object.freeze({ source: "replay", wire, host });
}

/**
 * Reads an `opened` entry.
 *
 * @param relay Whether the recording is one of frames.
 * @throws {PoisonError} where it does not say where.
 */
export function connectionOf(text: string, relay: boolean): RecordedConnection {
  try {
    const { url, host, wire } = JSON.parse(text);
    const known = relay ? wire === "relay" : wire === "v1" || wire === "v2";
    if (URL.canParse(url) && typeof host === "string" && known) return { url, host, wire };
  } catch {
    // Said below.
  }
  throw new PoisonError("invalid", "Cannot read entry: it does not say which connection was opened");
}
