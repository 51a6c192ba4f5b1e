/**
 * Positions in a Jetstream: what our cursors hold.
 *
 * @module
 */
import type { Cursor } from "../../pipeline/batch.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { MICROSECONDS_FROM, type Wire } from "./url.ts";

/** The JSON of a cursor. */
export interface Position {
  readonly v: 1;
  /** Empty where it is not known (a state file of an older tool, a bare number). */
  readonly host: string;
  readonly wire: Wire;
  /** The highest event time so far, in microseconds since 1970. */
  readonly time_us: number;
  /** The last sequence number of that host, where it sends them: belongs to this host alone. */
  readonly seq?: number;
  /**
   * Events that the run had handed on, where no sequence number tells apart the positions of events that came later than
   * newer ones: half of a legacy server's do.
   */
  readonly n?: number;
  /** 48-bit hashes of the dedupe keys of the last events, for sinks that cannot tell which they hold. */
  readonly recent?: readonly string[];
  /** Written by a run that read several hosts side by side: the position of each is kept apart, and counts for the next one. */
  readonly race?: true;
  /** Every event newer than this (microseconds), up to the position, is in `recent`. */
  readonly recent_since?: number;
}

/** The text of a position. */
export function formatPosition(position: Position): Cursor {
  return JSON.stringify(position);
}

/**
 * Reads a saved position, or a bare number of microseconds.
 *
 * @throws {ConfigError} where it is neither: a run must never start live because its position cannot be read.
 */
export function parsePosition(cursor: Cursor): Position {
  let value: unknown;
  try {
    value = JSON.parse(cursor);
  } catch {
    value = undefined;
  }
  if (isTime(value)) return { v: 1, host: "", wire: "v1", time_us: value };
  if (typeof value === "object" && value !== null) {
    const { v, host, wire, time_us, seq, recent, recent_since } = value as Record<string, unknown>;
    const valid = v === 1 && typeof host === "string" && (wire === "v1" || wire === "v2") && isTime(time_us) &&
      (seq === undefined || (Number.isSafeInteger(seq) && (seq as number) > 0)) &&
      (recent === undefined || (Array.isArray(recent) && recent.every((r) => typeof r === "string"))) &&
      (recent_since === undefined || Number.isSafeInteger(recent_since));
    if (valid) return value as Position;
  }
  throw new ConfigError(`Cannot read the saved position: it is no Jetstream position: ${cursor.slice(0, 80)}`, {
    hint: 'See "bskyingest cursor --help" for how to set or clear it',
  });
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= MICROSECONDS_FROM;
}

const MINUTE_US = 60_000_000, DAY_US = 86_400_000_000;

/**
 * The time of a position after one more event. An event more than ten minutes ahead of both the position and the clock does
 * not move it, or one record with a wrong date would skip everything until then.
 *
 * @param time The position so far; undefined: none yet.
 * @param now The local clock, in microseconds.
 */
export function advance(time: number | undefined, event: number, now: number): number | undefined {
  if (time === undefined) return event > now + DAY_US ? undefined : event;
  if (event <= time) return time;
  return event > time + 10 * MINUTE_US && event > now + 10 * MINUTE_US ? time : event;
}
