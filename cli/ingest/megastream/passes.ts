/**
 * Passes over the files of a folder or bucket: each one listed, chosen, opened, read and noted as done, once or for ever.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { messageOf, TransientError } from "../../../lib/pipeline/errors.ts";
import { type Backoff, fullJitter } from "../../../lib/pipeline/retry.ts";
import {
  BadFileError,
  type FileStore,
  type ListedFile,
  type LocalFile,
} from "../../../lib/sources/megastream/files.ts";
import {
  type BegunFile,
  failedAttempts,
  type FileEntry,
  type FileProgress,
  type ProcessedFiles,
} from "../../../lib/state/processed_files.ts";
import { type Clock, pause, SYSTEM_CLOCK } from "./clock.ts";
import { selectFiles, vanishedFiles } from "./eligible.ts";
import { type Ahead, isSame, LOOK_AGAIN_MS, openAhead, type Opened, openInTurn } from "./opening.ts";

const log = getLogger(["bskyingest", "megastream"]);

/** Attempts to note what became of a file, before the run gives up. */
const SAVES = 5;

/** What one run of a file led to; counts are of this run only. */
export type FileRun =
  & FileProgress
  & (
    /** All its rows are settled, or it was left before that because the run is to end. */
    | { readonly ended: "done" | "stopped" }
    /** It cannot be read any further. */
    | { readonly ended: "bad"; readonly error: BadFileError }
  );

/** How {@link runPasses} works. */
export interface PassesOptions {
  readonly store: FileStore;
  /** Where it is kept what became of each file. Of a dry run it is read-only: then nothing is removed or recorded either. */
  readonly state: ProcessedFiles;
  /** Fetches a file and unpacks its database. What it returns is disposed of once the file is read. */
  readonly open: (file: ListedFile, options: { readonly signal: AbortSignal }) => Promise<LocalFile>;
  /**
   * Reads a file into the sink, until its end or until `stop` aborts. A `BadFileError` that it throws counts as `bad` without any
   * row; whatever else it throws ends the run, and the file goes on at its position the next time.
   */
  readonly run: (file: ListedFile, local: LocalFile, begun: BegunFile) => Promise<FileRun>;
  /** Whether a sink that keeps positions has all of a file already. */
  readonly isDone?: (file: ListedFile) => Promise<boolean>;
  /** Has a sink that keeps positions forget the one of this file: it is another file now, with the same name. Durable when it resolves. */
  readonly forget?: (file: ListedFile) => Promise<void>;
  /** Told once a run of each file that should be there and is not. */
  readonly onVanished?: (name: string) => Promise<void>;
  /** One listing, or one after the other until `stop` aborts. */
  readonly mode: "once" | "spool";
  /** Between two passes, in milliseconds. */
  readonly intervalMs: number;
  /** Earlier files are left alone: microseconds since 1970. */
  readonly boundUs?: number | undefined;
  /** How far behind the newest processed file later passes list, in microseconds. Default: everything. */
  readonly lateWindowUs?: number | undefined;
  /** What a bad file leads to. */
  readonly onBadFile: "skip" | "fail";
  /** Passes in which a bad file is tried; 0 = no limit. */
  readonly maxAttempts: number;
  /** Try bad files in the first pass whatever they have been through. */
  readonly retryFailed: boolean;
  /** Remove a file from the store once it is processed. */
  readonly deleteAfter: boolean;
  /** Aborting ends the run: no further file is begun. */
  readonly stop: AbortSignal;
  readonly clock?: Clock;
  /** When to repeat what is transient. It is tried for ever. Default: full jitter. */
  readonly backoff?: Backoff;
  /** Filled while running. */
  readonly figures?: PassesFigures;
}

/** Live figures, for progress, summary and metrics. */
export interface PassesFigures {
  /** Files by what became of them. `failed` and `partial` are those of the state, `ignored` and `not_ready` those of the last pass. */
  readonly files: {
    eligible: number;
    processed: number;
    failed: number;
    partial: number;
    ignored: number;
    not_ready: number;
  };
  /** The file that is being read, and which of how many in this pass it is. */
  current: { readonly file: ListedFile; readonly number: number; readonly of: number } | undefined;
  /** Bytes of the files of this pass that come after `current`. */
  bytesLeft: number;
  /** Bytes of all files that were read to their end. */
  bytesDone: number;
  /** When the next pass begins, in milliseconds since 1970; undefined: one is running. */
  nextPassAt: number | undefined;
  /** The time of the newest file that was listed, in microseconds since 1970. */
  newestUs: number | undefined;
}

/** A file that is failed at the end of a run. */
export interface FailedFile {
  readonly name: string;
  /** `<code>: <detail>`. */
  readonly error: string;
  readonly attempts: number;
  /** Whether this run tried it. */
  readonly tried: boolean;
}

/** How a run ended by itself. */
export interface PassesResult {
  /** `bad_file`: there was one, and `onBadFile` is `fail`. */
  readonly endedBy: "done" | "stopped" | "bad_file";
  readonly figures: PassesFigures;
  /** By time. */
  readonly failed: readonly FailedFile[];
}

/** All zero. */
export function createPassesFigures(): PassesFigures {
  return {
    files: { eligible: 0, processed: 0, failed: 0, partial: 0, ignored: 0, not_ready: 0 },
    current: undefined,
    bytesLeft: 0,
    bytesDone: 0,
    nextPassAt: undefined,
    newestUs: undefined,
  };
}

/** The options, complete, and what is known of this run. */
interface Run extends Omit<PassesOptions, "isDone"> {
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly figures: PassesFigures;
  readonly isDone: (file: ListedFile) => Promise<boolean>;
  /** Names of files that were eligible, that turned out to be bad, that are gone. */
  readonly eligible: Set<string>;
  readonly tried: Set<string>;
  readonly vanished: Set<string>;
}

/**
 * Reads files until there are none left (`once`), or until `stop` aborts.
 *
 * A file is noted as processed only when `run` has said that all its rows are settled. Files are read one after the other, by time;
 * the next one is opened meanwhile, never more. What `open` or `run` find wrong with a file is noted and other files go on.
 *
 * @throws {ConfigError} Of the store, of `open`, of the state. @throws {TransientError} Where the state cannot be saved.
 * @throws What `run` throws.
 */
export async function runPasses(options: PassesOptions): Promise<PassesResult> {
  const { clock = SYSTEM_CLOCK, backoff = fullJitter(), figures = createPassesFigures(), state, stop } = options;
  const isDone = async (file: ListedFile) => !state.isChanged(file) && (await options.isDone?.(file) ?? false);
  const sets = { eligible: new Set<string>(), tried: new Set<string>(), vanished: new Set<string>() };
  const run: Run = { ...options, clock, backoff, figures, isDone, ...sets };
  try {
    for (let pass = 0;; pass++) {
      const files = await findFiles(run, pass === 0);
      const endedBy = files ? await readAll(run, files) : "stopped";
      if (endedBy !== "done" || run.mode === "once") return resultOf(run, endedBy);
      figures.nextPassAt = clock.now() + run.intervalMs;
      if (!await pause(clock, run.intervalMs, stop)) return resultOf(run, "stopped");
      figures.nextPassAt = undefined;
    }
  } finally {
    countUnfinished(run);
  }
}

/** Lists and chooses; undefined: stopped. */
async function findFiles(run: Run, first: boolean): Promise<readonly ListedFile[] | undefined> {
  const { state, store, figures, boundUs, mode, clock } = run;
  const sinceUs = first ? boundUs : laterOf(boundUs, lateBound(run));
  const listed = await list(run, sinceUs);
  if (!listed) return undefined;
  if (!store.partOnly) {
    for (const name of vanishedFiles(listed, state.unfinished(), sinceUs)) await vanish(run, name);
  }
  const { eligible, ignored, givenUp } = selectFiles(listed, {
    state,
    boundUs,
    maxAttempts: run.maxAttempts,
    retryFailed: run.retryFailed && first,
    intervalMs: mode === "spool" ? run.intervalMs : undefined,
    now: clock.now(),
  });
  for (const { name } of eligible) run.eligible.add(name);
  figures.files.eligible = run.eligible.size;
  figures.files.ignored = ignored.length;
  figures.newestUs = listed.at(-1)?.timeUs ?? figures.newestUs;
  countUnfinished(run);
  log[eligible.length > 0 ? "info" : "debug"]("{place}: {listed} files, {eligible} to read, {ignored} ignored", {
    place: store.place,
    listed: listed.length,
    eligible: eligible.length,
    ignored: ignored.length,
  });
  if (first && givenUp.length > 0) {
    const [{ name }, n] = [givenUp[0]!, givenUp.length];
    log.warn("{n} bad files are not tried any more, the oldest is {name}: see --retry-failed", { n, name });
  }
  return eligible;
}

function lateBound({ state, lateWindowUs }: Run): number | undefined {
  const { newestUs } = state.figures();
  return newestUs === undefined || lateWindowUs === undefined ? undefined : newestUs - lateWindowUs;
}

function laterOf(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? a ?? b : Math.max(a, b);
}

/** Lists until it succeeds; undefined: stopped. */
async function list(run: Run, sinceUs: number | undefined): Promise<readonly ListedFile[] | undefined> {
  const { store, stop, clock, backoff } = run;
  for (let attempt = 0; !stop.aborted; attempt++) {
    try {
      return await store.list({ sinceUs, signal: stop });
    } catch (error) {
      if (stop.aborted) return undefined;
      if (!(error instanceof TransientError)) throw error;
      log.warn("{error}: trying again", { error: messageOf(error) });
      await pause(clock, backoff(attempt, error) ?? 0, stop);
    }
  }
  return undefined;
}

async function readAll(run: Run, files: readonly ListedFile[]): Promise<PassesResult["endedBy"]> {
  const { figures, mode, clock, stop } = run;
  for (let left = files; left.length > 0;) {
    const notReady: ListedFile[] = [];
    const endedBy = await readEach(run, left, notReady);
    figures.files.not_ready = notReady.length;
    if (endedBy !== "done" || mode === "spool") return endedBy;
    // Nobody will come back for them.
    if (notReady.length > 0 && !await pause(clock, LOOK_AGAIN_MS, stop)) return "stopped";
    left = notReady;
  }
  return "done";
}

/** @param notReady Gets the files that are still being copied. */
async function readEach(
  run: Run,
  files: readonly ListedFile[],
  notReady: ListedFile[],
): Promise<PassesResult["endedBy"]> {
  const { figures, stop } = run;
  let ahead: Ahead | undefined;
  figures.bytesLeft = files.reduce((sum, { size }) => sum + size, 0);
  try {
    for (const [i, file] of files.entries()) {
      if (stop.aborted) return "stopped";
      figures.current = { file, number: i + 1, of: files.length };
      figures.bytesLeft -= file.size;
      const opened = await openInTurn(file, ahead, run);
      const next = files[i + 1];
      ahead = opened.what === "file" && next ? openAhead(next, run) : undefined;
      if (opened.what === "not_ready") notReady.push(opened.file);
      const endedBy = await take(run, opened, file);
      countUnfinished(run);
      if (endedBy !== "done") return endedBy;
    }
    return "done";
  } finally {
    figures.current = undefined;
    await ahead?.cancel();
  }
}

/** Deals with one file that is open, or is not. */
async function take(run: Run, opened: Opened, { name }: ListedFile): Promise<PassesResult["endedBy"]> {
  switch (opened.what) {
    case "stopped":
      return "stopped";
    case "not_ready":
      log.info("{name} is not ready: it is still being written", { name });
      return "done";
    case "vanished":
      await vanish(run, name);
      return "done";
    case "done": {
      log.debug("{name}: the sink has it already", { name });
      const begun = await begin(run, opened.file);
      await save(run, () => begun.processed(NOTHING));
      return "done";
    }
    case "bad":
      return await settle(run, opened.file, await begin(run, opened.file), { ...NOTHING, ...opened, ended: "bad" });
    case "file": {
      await using local = opened.local;
      return await read(run, opened.file, local);
    }
  }
}

const NOTHING: FileProgress = { cursor: undefined, rows: 0, rejected: 0, skipped: 0 };

async function read(run: Run, file: ListedFile, local: LocalFile): Promise<PassesResult["endedBy"]> {
  const begun = await begin(run, file);
  let ended: FileRun;
  try {
    ended = await run.run(file, local, begun);
  } catch (error) {
    if (!(error instanceof BadFileError)) {
      await run.state.flush().catch((e) =>
        log.warn("Cannot save the state of files: {error}", { error: messageOf(e) })
      );
      throw error;
    }
    ended = { ...NOTHING, ended: "bad", error };
  }
  return await settle(run, file, begun, ended);
}

/** A sink's position of a file that is not the same any more goes first: noted the other way round, a crash would keep it. */
async function begin({ state, forget }: Run, file: ListedFile): Promise<BegunFile> {
  if (state.isChanged(file) && !state.readOnly) await forget?.(file);
  return await state.begin(file);
}

/** Notes what became of a file. */
async function settle(
  run: Run,
  file: ListedFile,
  begun: BegunFile,
  ended: FileRun,
): Promise<PassesResult["endedBy"]> {
  const { name } = file;
  if (ended.ended === "stopped") {
    await begun.partial(ended);
    await save(run, () => run.state.flush());
    return "stopped";
  }
  if (ended.ended === "bad") {
    const error = messageOf(ended.error);
    await save(run, () => begun.failed(error, ended));
    run.tried.add(name);
    log.warn("Cannot read {name}: {error}", { name, error });
    return run.onBadFile === "fail" ? "bad_file" : "done";
  }
  await save(run, () => begun.processed(ended));
  run.figures.files.processed++;
  run.figures.bytesDone += file.size;
  log.debug("{name}: {rows} rows", { name, rows: ended.rows });
  if (run.deleteAfter && !run.state.readOnly) await remove(run, file);
  return "done";
}

/** A run must not go on without its state: what is transient is tried a few times. */
async function save({ clock, backoff, stop }: Run, write: () => Promise<void>): Promise<void> {
  for (let attempt = 0;; attempt++) {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof TransientError) || attempt + 1 >= SAVES) throw error;
      log.warn("{error}: trying again", { error: messageOf(error) });
      await pause(clock, backoff(attempt, error) ?? 0, stop);
    }
  }
}

/** Whoever has replaced the file meanwhile wants the new one to be read. */
async function remove({ store }: Run, file: ListedFile): Promise<void> {
  try {
    const now = store.look ? await store.look(file) : file;
    if (now && isSame(now, file)) await store.remove?.(file);
  } catch (error) {
    log.warn("Cannot remove {name}: {error}", { name: file.name, error: messageOf(error) });
  }
}

async function vanish({ vanished, state, onVanished }: Run, name: string): Promise<void> {
  if (vanished.has(name)) return;
  vanished.add(name);
  log.warn("{name} is gone before all of it was read", { name });
  if (!state.readOnly) await onVanished?.(name);
}

function countUnfinished({ state, figures }: Run): void {
  const { failed, partial } = state.figures();
  Object.assign(figures.files, { failed, partial });
}

function resultOf({ state, figures, tried }: Run, endedBy: PassesResult["endedBy"]): PassesResult {
  const entries = state.unfinished().map(({ entry }) => entry).filter(({ status }) => status === "failed");
  const failed = entries.map((entry: FileEntry): FailedFile => ({
    name: entry.filename,
    error: entry.error ?? "",
    attempts: failedAttempts(entry),
    tried: tried.has(entry.filename),
  }));
  return { endedBy, figures, failed };
}
