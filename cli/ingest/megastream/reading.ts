/**
 * Megastream files as what a run reads: passes over files, each one a run of the pipeline.
 *
 * @module
 */
import { tmpdir } from "node:os";
import { FatalError } from "../../../lib/pipeline/errors.ts";
import type { CheckpointStore } from "../../../lib/pipeline/sink.ts";
import type { Source } from "../../../lib/pipeline/source.ts";
import type { AnyEvent } from "../../../lib/atproto/event.ts";
import { openContainer } from "../../../lib/sources/megastream/container.ts";
import { createRowCounters, END } from "../../../lib/sources/megastream/file_source.ts";
import type { FileStore, ListedFile } from "../../../lib/sources/megastream/files.ts";
import { megastreamName, megastreamTime } from "../../../lib/sources/megastream/name.ts";
import { tempFiles } from "../../../lib/sources/megastream/temp_files.ts";
import { openProcessedFiles, type ProcessedFiles } from "../../../lib/state/processed_files.ts";
import { clearCursors } from "../../../lib/state/cursors_table.ts";
import { modelsOf } from "../../../lib/transforms/embeddings/models.ts";
import type { Delivery, Reading } from "../reading.ts";
import type { Target } from "../target.ts";
import { dryRunPrinter } from "./dry_run.ts";
import { timeBound } from "./eligible.ts";
import { createPassesFigures, type PassesOptions, type PassesResult, runPasses } from "./passes.ts";
import { progressOf } from "./progress.ts";
import { fileReader, type Live } from "./read_file.ts";
import { partOf } from "./report.ts";
import { type MegastreamContext, openStore } from "./store.ts";

/** The one collection that the files are about. */
const POSTS = "app.bsky.feed.post";

/**
 * Prepares to read.
 *
 * @param only The one file that is read. Default: all that are there.
 * @throws {ConfigError} for what is wrong with the options, the folders, or the names of models.
 */
export async function makeReading(context: MegastreamContext, target: Target, only?: string): Promise<Reading> {
  const { values } = context;
  const startedAt = Date.now();
  const models = modelsOf(values.embeddings);
  const temp = await tempFiles(values.tempDir ?? tmpdir());
  const store = justOne(await openStore(context, temp), only);
  const figures = createPassesFigures();
  const rows = createRowCounters();
  const live: Live = { figures, rows, source: undefined };
  let state: ProcessedFiles | undefined;
  let result: PassesResult | undefined;
  const keyOf = ({ name }: ListedFile) => `${context.given("stateKey") ? `${target.key}:` : ""}megastream:${name}`;

  async function run(delivery: Delivery): Promise<"source" | "stop"> {
    await using _store = store;
    delivery.announce(stateText(state!));
    const { positions, stop, figures: sinkFigures } = delivery;
    const { stdout: print, globals: { json } } = context;
    const printer = values.dryRun ? dryRunPrinter({ print, json, figures: sinkFigures }) : undefined;
    result = await runPasses({
      store,
      state: state!,
      figures,
      open: async (file, { signal }) => {
        const local = await store.fetch(file, { signal });
        return await openContainer(local, { name: file.name, temp, maxDbBytes: values.maxDbBytes, signal });
      },
      run: fileReader({
        delivery,
        live,
        keyOf,
        purgeAccounts: values.purgeAccounts.filter((status) => status !== "none"),
        inferences: target.sink !== "elasticsearch" || models.length > 0,
        ...(printer && { onRead: printer.file }),
      }),
      ...(positions && { isDone: async (file) => await positions.load(keyOf(file)) === END }),
      ...forgetting(target, positions, keyOf),
      onVanished: async (name) => void await delivery.pipe(vanished(target.key, name)),
      mode: values.mode,
      intervalMs: values.spoolInterval,
      boundUs: timeBound({ since: values.since, maxRewindMs: values.maxRewind, noRewind: values.noRewind }, startedAt),
      lateWindowUs: values.source === "s3" ? values.lateWindow * 1000 : undefined,
      onBadFile: values.onBadFile,
      maxAttempts: values.maxAttempts,
      retryFailed: values.retryFailed,
      deleteAfter: values.deleteAfter,
      stop,
    });
    await printer?.sums(rows);
    if (result.endedBy === "bad_file") throw badFile(result);
    return result.endedBy === "done" ? "source" : "stop";
  }

  return {
    name: store.place,
    collections: [POSTS],
    late: true,
    ratioOfAll: true,
    stats: {
      get bytesReceived() {
        return figures.bytesDone;
      },
    },
    progress: progressOf(live),
    async begin() {
      state = await openState(target, values.dryRun);
    },
    run,
    report: (sink) => partOf({ figures, rows, failed: result?.failed ?? [], sink }),
  };
}

/** The same folder or bucket as if it had one file only. */
function justOne(store: FileStore, only: string | undefined): FileStore {
  if (only === undefined) return store;
  const list: FileStore["list"] = async (options) => (await store.list(options)).filter(({ name }) => name === only);
  return { ...store, partOnly: true, list };
}

/** Which files are done. @throws {ConfigError} Where the state file cannot be read. */
export function openState({ stateFile }: Target, readOnly: boolean): Promise<ProcessedFiles> {
  return openProcessedFiles(stateFile, { nameOf: megastreamName, timeOf: megastreamTime, readOnly });
}

/** How many files are in which state. */
export function stateText(state: ProcessedFiles): string {
  const { processed, failed, partial } = state.figures();
  if (processed + failed + partial === 0) return "no file is processed yet";
  return `${processed} files are processed, ${failed} failed, ${partial} begun`;
}

/** The position of a file that was replaced by another one goes: the next row of that is its first. */
function forgetting(
  { position }: Target,
  positions: CheckpointStore | undefined,
  keyOf: (file: ListedFile) => string,
): Pick<PassesOptions, "forget"> {
  if (position && "db" in position) {
    return { forget: async (file) => void await clearCursors(position.db, [keyOf(file)]) };
  }
  return positions?.forget ? { forget: (file) => positions.forget!(keyOf(file)) } : {};
}

/** A hole and nothing else. The file is the host, so that each one has a row of its own. */
function vanished(key: string, name: string): Source<AnyEvent> {
  const gap = {
    source: "megastream",
    host: name,
    unit: "file",
    from: undefined,
    to: undefined,
    reason: "file_vanished",
    detail: name,
    state: "open",
  } as const;
  return { key, open: () => ReadableStream.from([{ items: [], cursor: undefined, gaps: [gap] }]) };
}

function badFile({ failed }: PassesResult): FatalError {
  const { name, error } = failed.find(({ tried }) => tried)!;
  return new FatalError(`Cannot go on with --on-bad-file fail: ${name}: ${error}`);
}
