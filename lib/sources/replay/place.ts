/**
 * Positions in what is replayed: what the cursors of this source hold.
 *
 * @module
 */
import type { Cursor } from "../../pipeline/batch.ts";
import { ConfigError } from "../../pipeline/errors.ts";

/** The JSON of a cursor. */
export interface Place {
  readonly v: 1;
  /** Which reading of all files, from 1 on. */
  readonly loop: number;
  /** Which file, from 1 on, in the order in which they were named. */
  readonly file: number;
  /** The last entry (line, frame) of that file that was read; 0 = none yet. */
  readonly entry: number;
  /** That file's size in bytes: of another size, it is another file. */
  readonly size: number;
  /** Everything was read: the next run begins anew. */
  readonly done?: true;
}

/** The text of a place. */
export function formatPlace(place: Place): Cursor {
  return JSON.stringify(place);
}

/**
 * Reads a saved position.
 *
 * @throws {ConfigError} where it is none.
 */
export function parsePlace(cursor: Cursor): Place {
  try {
    const place = JSON.parse(cursor) as Place;
    const { v, loop, file, entry, size } = place;
    const isCount = (n: unknown, least: number) => Number.isSafeInteger(n) && (n as number) >= least;
    if (v === 1 && isCount(loop, 1) && isCount(file, 1) && isCount(entry, 0) && isCount(size, 0)) return place;
  } catch {
    // Said below.
  }
  throw new ConfigError(`Cannot read the saved position: it is no position in a recording: ${cursor.slice(0, 80)}`, {
    hint: "Use --restart to begin anew",
  });
}
