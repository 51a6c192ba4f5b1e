/**
 * A folder, a sink and a clock for tests of passes: nothing is on the disk but the state, and no time passes.
 *
 * @module
 */
import {
  type BadFileCode,
  BadFileError,
  type FileStore,
  FileVanishedError,
  type ListedFile,
  type LocalFile,
} from "../../../lib/sources/megastream/files.ts";
import { megastreamName, megastreamTime } from "../../../lib/sources/megastream/name.ts";
import { type BegunFile, openProcessedFiles, type ProcessedFiles } from "../../../lib/state/processed_files.ts";
import type { Clock } from "./clock.ts";
import { type FileRun, type PassesOptions, type PassesResult, runPasses } from "./passes.ts";

/** The start of every test, in milliseconds. */
export const START = Date.parse("2025-10-21T12:00:00Z");

/** The name of the n-th file, one every five minutes from 07:00 on. */
export const nameOf = (n: number): string => megastreamName((Date.parse("2025-10-21T07:00:00Z") + n * 300_000) * 1000);

/** What is thrown for a bad file. */
export const bad = (code: BadFileCode, detail = "x"): BadFileError => new BadFileError(code, detail);

/** A file that is there. */
export interface FakeFile {
  rows: number;
  size: number;
  modifiedMs: number;
  etag?: string;
  /** Thrown when it is opened. */
  fault?: () => Error | undefined;
  /** Thrown when the row behind so many is read. */
  rowFault?: { readonly after: number; readonly error: Error };
}

/** What tests change and look at. */
export interface World {
  readonly files: Map<string, FakeFile>;
  readonly store: FileStore;
  readonly clock: Clock;
  /** Rows in the sink, as `name:row`, in the order of their arrival. */
  readonly sink: string[];
  /** What was opened, read, closed and removed, in order. */
  readonly journal: string[];
  /** How long the run waited each time, in milliseconds. */
  readonly waits: number[];
  /** Names of files that were told to be gone. */
  readonly vanished: string[];
  /** The bounds that listings were asked for. */
  readonly bounds: (number | undefined)[];
  /** Called before each wait ends. */
  onWait: (count: number) => void;
  /** Called before each row is read. */
  onRow: (name: string, row: number) => void;
  /** Thrown by the next listings. */
  readonly listFaults: Error[];
  add(n: number, file?: Partial<FakeFile>): FakeFile;
  stop: AbortController;
  openState(options?: { readonly readOnly?: boolean }): Promise<ProcessedFiles>;
  /** A run of its own, with the state as it is on the disk. */
  pass(options?: Partial<PassesOptions>): Promise<PassesResult>;
}

/** @param statePath Where the state is kept. */
export function makeWorld(statePath: string): World {
  const files = new Map<string, FakeFile>();
  let now = START;
  const world: World = {
    files,
    sink: [],
    journal: [],
    waits: [],
    vanished: [],
    bounds: [],
    listFaults: [],
    onWait: () => {},
    onRow: () => {},
    stop: new AbortController(),
    clock: {
      now: () => now,
      wait(ms, signal) {
        if (signal.aborted) return Promise.reject(signal.reason);
        now += ms;
        world.onWait(world.waits.push(ms));
        return signal.aborted ? Promise.reject(signal.reason) : Promise.resolve();
      },
    },
    store: fakeStore(files, () => world),
    add(n, file = {}) {
      const added = { rows: 3, size: 1000 + n, modifiedMs: START, ...file };
      files.set(nameOf(n), added);
      return added;
    },
    openState: (options = {}) =>
      openProcessedFiles(statePath, { timeOf: megastreamTime, nameOf: megastreamName, now: () => now, ...options }),
    pass: async (options = {}) =>
      await runPasses({
        store: world.store,
        state: await world.openState(),
        open: (file) => openFake(world, file),
        run: (file, _local, begun) => readFake(world, file, begun),
        onVanished: (name) => Promise.resolve(void world.vanished.push(name)),
        mode: "once",
        intervalMs: 60_000,
        onBadFile: "skip",
        maxAttempts: 3,
        retryFailed: false,
        deleteAfter: false,
        stop: world.stop.signal,
        clock: world.clock,
        backoff: (attempt) => 10 * (attempt + 1),
        ...options,
      }),
  };
  return world;
}

function fakeStore(files: Map<string, FakeFile>, world: () => World): FileStore {
  const listed = (name: string): ListedFile | undefined => {
    const file = files.get(name);
    if (!file) return undefined;
    const { size, modifiedMs, etag } = file;
    return { name, timeUs: megastreamTime(name)!, size, modifiedMs, ...(etag !== undefined && { etag }) };
  };
  return {
    place: "/fake",
    list({ sinceUs }) {
      world().bounds.push(sinceUs);
      const fault = world().listFaults.shift();
      if (fault) return Promise.reject(fault);
      return Promise.resolve([...files.keys()].sort().map((name) => listed(name)!));
    },
    fetch: () => Promise.reject(new Error("Cannot fetch: tests open files themselves")),
    look: (file) => Promise.resolve(listed(file.name)),
    remove(file) {
      world().journal.push(`remove ${file.name}`);
      files.delete(file.name);
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function openFake({ files, journal }: World, { name }: ListedFile): Promise<LocalFile> {
  journal.push(`open ${name}`);
  const file = files.get(name);
  const fault = file ? file.fault?.() : new FileVanishedError(`Cannot open ${name}: it is gone`);
  if (fault) return Promise.reject(fault);
  const close = () => Promise.resolve(void journal.push(`close ${name}`));
  return Promise.resolve({ path: name, [Symbol.asyncDispose]: close });
}

/** Reads row by row, and saves each position. */
async function readFake(world: World, { name }: ListedFile, begun: BegunFile): Promise<FileRun> {
  world.journal.push(`read ${name}`);
  const { rows, rowFault } = world.files.get(name)!;
  let done = 0, cursor = begun.cursor;
  const progress = () => ({ cursor, rows: done, rejected: 0, skipped: 0 });
  const { save } = begun.checkpoints(progress);
  for (let row = Number(begun.cursor ?? 0) + 1; row <= rows; row++) {
    await Promise.resolve();
    world.onRow(name, row);
    if (world.stop.signal.aborted) return { ended: "stopped", ...progress() };
    if (rowFault && row > rowFault.after) {
      if (rowFault.error instanceof BadFileError) return { ended: "bad", error: rowFault.error, ...progress() };
      throw rowFault.error;
    }
    world.sink.push(`${name}:${row}`);
    done++;
    cursor = String(row);
    await save(name, cursor);
  }
  return { ended: "done", ...progress(), cursor: "end" };
}
