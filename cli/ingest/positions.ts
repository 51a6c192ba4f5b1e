/**
 * The saved positions of one store, for the `cursor` commands.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { formatPosition, parsePosition } from "../../lib/sources/jetstream/position.ts";
import { MICROSECONDS_FROM } from "../../lib/sources/jetstream/url.ts";
import { clearCursors, type CursorRow, listCursors, setCursor } from "../../lib/state/cursors_table.ts";
import { fileCheckpoints } from "../../lib/state/file_checkpoint.ts";
import { databaseLock, stateLock } from "../../lib/state/paths.ts";
import { spanText } from "../kit/units.ts";
import { readableCursor } from "../report.ts";
import type { Target } from "./target.ts";

/** Where positions can be looked at and changed. */
export interface PositionStore {
  readonly place: string;
  list(): Promise<CursorRow[]>;
  set(key: string, cursor: string): Promise<void>;
  clear(keys: readonly string[]): Promise<void>;
  /** Held by a run that uses the position of `key`. */
  lockOf(key: string): string;
}

/**
 * The store that a run with this target would use.
 *
 * @throws {ConfigError} where such a run keeps no position.
 */
export function positionStore({ position, sink, key }: Target): PositionStore {
  if (position === undefined) {
    throw new ConfigError(
      `Cannot look up positions of --sink ${sink}: it keeps none without --state-file or --state-key`,
    );
  }
  if ("db" in position) {
    const { db } = position;
    return {
      place: db,
      list: () => Promise.resolve(listCursors(db)),
      set: async (each, cursor) => void await setCursor(db, each, cursor),
      clear: async (keys) => void await clearCursors(db, keys),
      lockOf: (each) => databaseLock(db, each),
    };
  }
  const { file } = position;
  const store = fileCheckpoints(file, { format: "jetstream", key });
  return {
    place: file,
    list: () => store.list(),
    set: (each, cursor) => store.save(each, cursor),
    clear: async (keys) => void await store.clear(keys),
    lockOf: () => stateLock(file),
  };
}

/** A position as `cursor show --json` prints it. */
export function positionJson({ key, cursor, state, updated_at }: CursorRow): Record<string, unknown> {
  const value = readableCursor(cursor);
  // A number is a time, or the row of a file.
  const isRow = typeof value === "number" && value < MICROSECONDS_FROM;
  const { host = null, wire = null, time_us = null, seq = null } =
    (isRow ? {} : typeof value === "number" ? { time_us: value } : value) as {
      host?: string;
      wire?: string;
      time_us?: number;
      seq?: number;
    };
  const time = time_us === null ? null : new Date(time_us / 1000).toISOString();
  return { key, host, wire, time, time_us, seq, state, updated_at, cursor };
}

/** The same as one line, with how long ago that is. */
export function positionLine(row: CursorRow, now: number): string {
  const { key, host, wire, time, time_us, seq, state, updated_at } = positionJson(row);
  const ago = time_us === null ? "" : ` (${agoText(now - Number(time_us) / 1000)})`;
  const at = time === null ? row.cursor : `${time}${ago}`;
  const where = host ? `  ${host} ${wire}` : "";
  return `${key}  ${at}${where}${seq === null ? "" : `  seq ${seq}`}  ${state}  saved ${updated_at}`;
}

function agoText(ms: number): string {
  return ms < 0 ? "ahead of the clock" : `${spanText(ms)} ago`;
}

/**
 * What a user gives as a position: what `--cursor` takes, or a whole cursor as `cursor show --json` prints it.
 *
 * @param before The position so far: its host is the one that a sequence number belongs to.
 * @throws {ConfigError} where it is neither.
 */
export function readCursorValue(value: string, before: string): string {
  if (!/^\d+$/.test(value)) return formatPosition(parsePosition(value));
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new ConfigError(`Cannot set cursor "${value}": it must be an integer`);
  const { host, wire, time_us } = parsePosition(before);
  if (number >= MICROSECONDS_FROM) return formatPosition({ v: 1, host: "", wire, time_us: number });
  if (number === 0) throw new ConfigError('Cannot set cursor "0": clear the position and begin with --cursor 0');
  if (host === "") {
    throw new ConfigError(`Cannot set cursor "${value}": a sequence number belongs to a host, and none is known`);
  }
  return formatPosition({ v: 1, host, wire, time_us, seq: number });
}
