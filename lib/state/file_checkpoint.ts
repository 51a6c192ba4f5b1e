/**
 * Positions in a file, for sinks that do not keep them with the events.
 *
 * @module
 */
import type { Cursor } from "../pipeline/batch.ts";
import { ConfigError } from "../pipeline/errors.ts";
import type { CheckpointStore } from "../pipeline/sink.ts";
import { removeIfThere, writeTextAtomic } from "./atomic_file.ts";
import type { CursorRow } from "./cursors_table.ts";
import { fileError } from "./files.ts";

/** How {@link fileCheckpoints} reads and writes. */
export interface FileCheckpointOptions {
  /**
   * - `jetstream`: `{"last_time_us": N, "updated_at": T, "cursor": {...}}`, one position; an older tool's file has only the
   *   first two members and loads as the microseconds alone. `"state": "done"` once the source, or the run, came to its end.
   *   Positions of hosts that are read side by side (`KEY:HOST`) are kept beside it: `"cursors": {key: text}`.
   * - `cursors`: `{"updated_at": T, "cursors": {key: text}, "done": [key, ...]}`.
   */
  readonly format: "jetstream" | "cursors";
  /** What {@link FileCheckpoints.list} calls the one position of format `jetstream`. @default {"jetstream"} */
  readonly key?: string;
}

/** A store whose positions can be looked at and removed. */
export interface FileCheckpoints extends CheckpointStore {
  /** All positions, by key. */
  list(): Promise<CursorRow[]>;
  /** Forgets the positions of `keys`, those that are there, and answers what they were. */
  clear(keys: readonly string[]): Promise<CursorRow[]>;
}

type Positions = Map<string, Pick<CursorRow, "cursor" | "state">>;

/** The error for a file in this state. */
type Damaged = (state: string) => ConfigError;

/** What a format makes of the parsed file, and the other way round. */
interface Format {
  parse(value: Record<string, unknown>, damaged: Damaged): Positions;
  print(positions: Positions, updatedAt: string): Record<string, unknown>;
  /** Under which name a key is kept. */
  nameOf(key: string): string;
}

/**
 * Keeps positions in the file at `path`; the caller holds its lock. Every save replaces the file atomically (0600). A missing
 * file means no position.
 *
 * @throws {ConfigError} from every method where the file is empty, damaged, a folder, or cannot be read: never "start from now".
 * @throws {TransientError} from `save` and `clear`: disk full, I/O error; the file is as before.
 */
export function fileCheckpoints(path: string, options: FileCheckpointOptions): FileCheckpoints {
  const format = options.format === "jetstream" ? onePosition(options.key ?? "jetstream") : MANY_POSITIONS;
  let known: { readonly positions: Positions; updatedAt: string } | undefined;
  const read = async () => known ??= await readPositions(path, format);
  const inTurn = oneAtATime();

  async function write(positions: Positions): Promise<void> {
    const updatedAt = new Date().toISOString();
    if (positions.size === 0) await removeIfThere(path).catch((e) => Promise.reject(fileError("remove", path, e)));
    else await writeTextAtomic(path, JSON.stringify(format.print(positions, updatedAt)) + "\n");
    known = { positions, updatedAt };
  }

  async function list(): Promise<CursorRow[]> {
    const { positions, updatedAt } = await read();
    const rows = [...positions].map(([key, position]) => ({ key, ...position, updated_at: updatedAt }));
    return rows.sort((a, b) => a.key < b.key ? -1 : 1);
  }

  return {
    list,
    async load(key) {
      return (await read()).positions.get(format.nameOf(key))?.cursor;
    },
    async ended(key) {
      return (await read()).positions.get(format.nameOf(key))?.state === "done";
    },
    save: (key, cursor, end = false) =>
      inTurn(async () => {
        const { positions } = await read();
        await write(new Map(positions).set(format.nameOf(key), { cursor, state: end ? "done" : "running" }));
      }),
    clear: (keys) =>
      inTurn(async () => {
        const gone = (await list()).filter((row) => keys.includes(row.key));
        const { positions } = await read();
        if (gone.length > 0) await write(new Map([...positions].filter(([key]) => !keys.includes(key))));
        return gone;
      }),
  };
}

async function readPositions(path: string, format: Format): Promise<{ positions: Positions; updatedAt: string }> {
  const text = await readText(path);
  if (text === undefined) return { positions: new Map(), updatedAt: "" };
  const damaged: Damaged = (state) =>
    new ConfigError(`Cannot read position from ${path}: ${state}`, {
      hint: "Put a good copy in its place, or remove it to begin without a position",
    });
  const value = parseObject(text, damaged);
  const updatedAt = typeof value.updated_at === "string" ? value.updated_at : "";
  return { positions: format.parse(value, damaged), updatedAt };
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fileError("read position from", path, error);
  }
}

function parseObject(text: string, damaged: Damaged): Record<string, unknown> {
  if (text.trim() === "") throw damaged("the file is empty");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw damaged("the file is not JSON");
  }
  if (!isObject(value)) throw damaged("it must be a JSON object");
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function onePosition(name: string): Format {
  const one = {
    parse({ last_time_us, cursor, state }: Record<string, unknown>, damaged: Damaged): Positions {
      if (!Number.isSafeInteger(last_time_us) || (last_time_us as number) < 0) {
        throw damaged(`"last_time_us" must be microseconds since 1970`);
      }
      if (cursor !== undefined && !isObject(cursor)) throw damaged(`"cursor" must be an object`);
      const text: Cursor = cursor === undefined ? String(last_time_us) : JSON.stringify(cursor);
      return new Map([[name, { cursor: text, state: state === "done" ? "done" : "running" }]]);
    },
    print({ cursor: text, state }: Pick<CursorRow, "cursor" | "state">, updated_at: string) {
      const cursor = JSON.parse(text) as number | { readonly time_us: number };
      const done = { updated_at, ...(state === "done" && { state }) };
      return typeof cursor === "number"
        ? { last_time_us: cursor, ...done }
        : { last_time_us: cursor.time_us, ...done, cursor };
    },
  };
  return {
    nameOf: (key) => key.startsWith(`${name}:`) ? key : name,
    parse(value, damaged) {
      const { last_time_us, cursor, cursors } = value;
      const hosts = cursors === undefined ? new Map() : MANY_POSITIONS.parse({ cursors }, damaged);
      const hostsOnly = hosts.size > 0 && last_time_us === undefined && cursor === undefined;
      return hostsOnly ? hosts : new Map([...one.parse(value, damaged), ...hosts]);
    },
    print(positions, updated_at) {
      const { [name]: own, ...hosts } = Object.fromEntries(positions);
      return {
        ...(own ? one.print(own, updated_at) : { updated_at }),
        ...(Object.keys(hosts).length > 0 && {
          cursors: Object.fromEntries(Object.entries(hosts).map(([key, { cursor }]) => [key, cursor])),
        }),
      };
    },
  };
}

const MANY_POSITIONS: Format = {
  nameOf: (key) => key,
  parse({ cursors, done = [] }, damaged) {
    if (!isObject(cursors)) throw damaged(`"cursors" must be an object`);
    if (!Array.isArray(done)) throw damaged(`"done" must be a list`);
    return new Map(
      Object.entries(cursors).map(([key, cursor]) => {
        if (typeof cursor !== "string") throw damaged(`the position of "${key}" must be a text`);
        return [key, { cursor, state: done.includes(key) ? "done" : "running" }];
      }),
    );
  },
  print(positions, updated_at) {
    const all = [...positions];
    const done = all.filter(([, { state }]) => state === "done").map(([key]) => key);
    const cursors = Object.fromEntries(all.map(([key, { cursor }]) => [key, cursor]));
    return { updated_at, cursors, ...(done.length > 0 && { done }) };
  },
};

/** Runs jobs one after the other: two saves must not share a temporary file. */
function oneAtATime(): <T>(job: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (job) => {
    const next = last.then(job, job);
    last = next;
    return next;
  };
}
