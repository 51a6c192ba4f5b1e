/**
 * The saved positions of one store, for the `cursor` commands.
 *
 * @module
 */
import { dirname } from "node:path";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { queueLock } from "../../lib/sinks/queue/names.ts";
import { isDone, redisPositions } from "../../lib/sinks/redis.ts";
import { DONE } from "../../lib/sources/list_repos/done.ts";
import { formatPosition, parsePosition } from "../../lib/sources/jetstream/position.ts";
import { MICROSECONDS_FROM } from "../../lib/sources/jetstream/url.ts";
import { clearCursors, type CursorRow, listCursors, setCursor } from "../../lib/state/cursors_table.ts";
import { fileCheckpoints } from "../../lib/state/file_checkpoint.ts";
import { acquireLock } from "../../lib/state/lock.ts";
import { databaseLock, stateLock } from "../../lib/state/paths.ts";
import { printable } from "../kit/terminal.ts";
import { spanText } from "../kit/units.ts";
import type { Values } from "../kit/declaration.ts";
import type { redisConnectionOptions } from "../options/redis.ts";
import { readableCursor } from "../report.ts";
import { redisConnectionOf } from "./redis.ts";
import type { Target } from "./target.ts";

/** A saved position; Redis does not tell when it was saved. */
export type PositionRow = Omit<CursorRow, "updated_at"> & { readonly updated_at: string | null };

/** Where positions can be looked at and changed. */
export interface PositionStore extends AsyncDisposable {
  readonly place: string;
  list(): Promise<PositionRow[]>;
  set(key: string, cursor: string): Promise<void>;
  clear(keys: readonly string[]): Promise<void>;
  /**
   * Keeps runs away that would use the positions of `keys`, until the store is disposed of.
   *
   * @throws {LockHeldError} Where there is one.
   */
  hold(keys: readonly string[]): Promise<void>;
}

/**
 * The store that a run with this target would use.
 *
 * @throws {ConfigError} where such a run keeps no position.
 */
export function positionStore(
  { position, sink, key, stream, gaps }: Target,
  values: Values<typeof redisConnectionOptions>,
): PositionStore {
  if (stream !== undefined) return inRedis(stream, dirname(gaps), values);
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
      ...holding((each) => sink === "queue" || sink === "webhook" ? queueLock(db) : databaseLock(db, each)),
    };
  }
  const { file } = position;
  const store = fileCheckpoints(file, { format: "jetstream", key });
  return {
    place: file,
    list: () => store.list(),
    set: (each, cursor) => store.save(each, cursor),
    clear: async (keys) => void await store.clear(keys),
    ...holding(() => stateLock(file)),
  };
}

/** By the lock files that runs hold. */
function holding(lockOf: (key: string) => string): Pick<PositionStore, "hold"> & AsyncDisposable {
  const locks = new AsyncDisposableStack();
  return {
    async hold(keys) {
      for (const file of new Set(keys.map(lockOf))) locks.use(await acquireLock(file, { command: "cursor" }));
    },
    [Symbol.asyncDispose]: () => locks.disposeAsync(),
  };
}

function inRedis(stream: string, lockFolder: string, values: Values<typeof redisConnectionOptions>): PositionStore {
  const positions = redisPositions({ connection: redisConnectionOf(values), stream, lockFolder });
  return {
    place: positions.describe,
    async list() {
      const state = (cursor: string) => cursor === DONE || isDone(cursor) ? "done" : "running";
      return (await positions.list()).map((row) => ({ ...row, state: state(row.cursor), updated_at: null }));
    },
    set: positions.save,
    clear: positions.clear,
    async hold(keys) {
      for (const key of keys) await positions.hold(key);
    },
    [Symbol.asyncDispose]: () => positions[Symbol.asyncDispose](),
  };
}

/** A position as `cursor show --json` prints it. */
export function positionJson({ key, cursor, state, updated_at }: PositionRow): Record<string, unknown> {
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
export function positionLine(row: PositionRow, now: number): string {
  const { key, host, wire, time, time_us, seq, state, updated_at } = positionJson(row);
  const ago = time_us === null ? "" : ` (${agoText(now - Number(time_us) / 1000)})`;
  const at = time === null ? row.cursor : `${time}${ago}`;
  const saved = updated_at === null ? "" : `  saved ${updated_at}`;
  const where = host ? `  ${host} ${wire}` : "";
  return printable(`${key}  ${at}${where}${seq === null ? "" : `  seq ${seq}`}  ${state}${saved}`);
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
  if (!isJetstream(before)) return readOther(value, before);
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

function isJetstream(cursor: string): boolean {
  return cursor.startsWith("{") || Number(cursor) >= MICROSECONDS_FROM;
}

/** Relays and labelers count their frames, rows of files have numbers; lists have texts that only the server understands. */
function readOther(value: string, before: string): string {
  if (!/^\d+$/.test(before) || /^\d+$/.test(value)) return value;
  throw new ConfigError(`Cannot set cursor "${value}": it must be an integer`);
}
