/**
 * Passes over the files of a folder or bucket: each one listed, chosen, opened, read and noted as done, once or for ever.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { messageOf, TransientError } from "../../../lib/pipeline/errors.ts";
import { fullJitter } from "../../../lib/pipeline/retry.ts";
import type { ListedFile } from "../../../lib/sources/megastream/files.ts";
import { failedAttempts } from "../../../lib/state/processed_files.ts";
import { pause, SYSTEM_CLOCK } from "./clock.ts";
import { selectFiles, vanishedFiles } from "./eligible.ts";
import { type Ahead, LOOK_AGAIN_MS, openAhead, openInTurn } from "./opening.ts";
import { createPassesFigures, type FailedFile, type PassesOptions, type PassesResult, type Run } from "./options.ts";
import { removeProcessed, take, vanish } from "./turn.ts";

export type { FailedFile, FileRun, PassesFigures, PassesOptions, PassesResult } from "./options.ts";
export { createPassesFigures } from "./options.ts";

const log = getLogger(["bskyingest", "megastream"]);

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
  const keepsPositions = options.isDone !== undefined;
  const sets = { eligible: new Set<string>(), tried: new Set<string>(), vanished: new Set<string>() };
  const run: Run = { ...options, clock, backoff, figures, isDone, keepsPositions, ...sets };
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
    figures.nextPassAt = undefined;
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
  const lost = await lostFiles(run, listed);
  if (run.deleteAfter) await removeProcessed(run, listed.filter(({ name }) => !lost.has(name)));
  const { eligible, ignored, givenUp } = selectFiles(listed, {
    state,
    lost,
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

/** The sink wins over the state: it may be another database than the one that the files went to. */
async function lostFiles({ state, keepsPositions, isDone }: Run, listed: readonly ListedFile[]): Promise<Set<string>> {
  const lost = new Set<string>();
  if (!keepsPositions) return lost;
  for (const file of listed) {
    // What early ingex has processed went to a sink of its own.
    const isOurs = state.entry(file.name)?.size !== undefined;
    if (isOurs && state.isProcessed(file) && !await isDone(file)) lost.add(file.name);
  }
  if (lost.size > 0) log.warn("{n} processed files are not in the sink: they are read again", { n: lost.size });
  return lost;
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

function countUnfinished({ state, figures }: Run): void {
  const { failed, partial } = state.figures();
  Object.assign(figures.files, { failed, partial });
}

function resultOf({ state, figures, tried }: Run, endedBy: PassesResult["endedBy"]): PassesResult {
  const entries = state.unfinished().map(({ entry }) => entry).filter(({ status }) => status === "failed");
  const failed = entries.map((entry): FailedFile => ({
    name: entry.filename,
    error: entry.error ?? "",
    attempts: failedAttempts(entry),
    tried: tried.has(entry.filename),
  }));
  return { endedBy, figures, failed };
}
