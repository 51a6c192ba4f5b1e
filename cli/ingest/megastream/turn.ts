/**
 * The turn of one file: read, and noted as what became of it.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { messageOf, TransientError } from "../../../lib/pipeline/errors.ts";
import { BadFileError, type ListedFile, type LocalFile } from "../../../lib/sources/megastream/files.ts";
import type { BegunFile, FileProgress } from "../../../lib/state/processed_files.ts";
import { pause } from "./clock.ts";
import { isSame, type Opened } from "./opening.ts";
import type { FileRun, PassesResult, Run } from "./options.ts";

const log = getLogger(["bskyingest", "megastream"]);

/** Attempts to note what became of a file, before the run gives up. */
const SAVES = 5;

/** Deals with one file that is open, or is not. */
export async function take(run: Run, opened: Opened, { name }: ListedFile): Promise<PassesResult["endedBy"]> {
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
      await save(run, () => begun.processed({ rows: 0, rejected: 0, skipped: 0 }));
      run.figures.files.processed++;
      return "done";
    }
    case "bad":
      return await fail(run, name, await begin(run, opened.file), opened.error);
    case "file": {
      await using local = opened.local;
      return await read(run, opened.file, local);
    }
  }
}

async function read(run: Run, file: ListedFile, local: LocalFile): Promise<PassesResult["endedBy"]> {
  const begun = await begin(run, file);
  let ended: FileRun;
  try {
    ended = await run.run(file, local, begun);
  } catch (error) {
    if (error instanceof BadFileError) return await fail(run, file.name, begun, error);
    await run.state.flush().catch((e) => log.warn("Cannot save the state of files: {error}", { error: messageOf(e) }));
    throw error;
  }
  if (ended.ended === "bad") return await fail(run, file.name, begun, ended.error, ended);
  if (ended.ended === "done") return await finish(run, file, begun, ended);
  await begun.partial(ended);
  await save(run, () => run.state.flush());
  return "stopped";
}

/** A sink's position of a file that is not the same any more goes first: noted the other way round, a crash would keep it. */
async function begin(run: Run, file: ListedFile): Promise<BegunFile> {
  const { state, forget } = run;
  return await save(run, async () => {
    if (state.isChanged(file) && !state.readOnly) await forget?.(file);
    return await state.begin(file);
  });
}

/** @param progress Default: how far it was when that was last noted. */
async function fail(
  run: Run,
  name: string,
  begun: BegunFile,
  { message: error }: BadFileError,
  progress?: FileProgress,
): Promise<PassesResult["endedBy"]> {
  await save(run, () => begun.failed(error, progress));
  run.tried.add(name);
  log.warn("Cannot read {name}: {error}", { name, error });
  return run.onBadFile === "fail" ? "bad_file" : "done";
}

/** The file may be removed only once the disk says that it is processed. */
async function finish(run: Run, file: ListedFile, begun: BegunFile, counts: FileProgress): Promise<"done"> {
  await save(run, () => begun.processed(counts));
  run.figures.files.processed++;
  run.figures.bytesDone += file.size;
  log.debug("{name}: {rows} rows", { name: file.name, rows: counts.rows });
  if (run.deleteAfter && !run.state.readOnly) await remove(run, file);
  return "done";
}

/** A run must not go on without its state: what is transient is tried a few times. */
async function save<T>({ clock, backoff, stop }: Run, write: () => Promise<T>): Promise<T> {
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

/** Removes files that an earlier run has processed and could not remove any more, or was not asked to. */
export async function removeProcessed(run: Run, listed: readonly ListedFile[]): Promise<void> {
  const { state } = run;
  if (state.readOnly) return;
  for (const file of listed) {
    const { size, rows = 0 } = state.entry(file.name) ?? {};
    // Of others it is not certain that they are the ones that were read.
    if (size !== undefined && rows > 0 && state.isProcessed(file)) await remove(run, file);
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

/** Says once that a file is gone. */
export async function vanish({ vanished, state, onVanished }: Run, name: string): Promise<void> {
  if (vanished.has(name)) return;
  vanished.add(name);
  log.warn("{name} is gone before all of it was read", { name });
  if (!state.readOnly) await onVanished?.(name);
}
