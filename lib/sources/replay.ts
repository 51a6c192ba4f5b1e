/**
 * Recordings, event lines and frame files as a source: what was received once, from the beginning or from where a run was
 * interrupted, as fast as it goes or at the speed at which it came.
 *
 * @module
 */
import { basename } from "node:path";
import { getLogger } from "@logtape/logtape";
import type { AnyEvent } from "../atproto/event.ts";
import type { Batch, Cursor } from "../pipeline/batch.ts";
import { ConfigError } from "../pipeline/errors.ts";
import { batchStream, type OpenOptions, type Source, type SourceStats } from "../pipeline/source.ts";
import { type Chunks, fileChunks, readError, streamChunks } from "./replay/chunks.ts";
import { createCopies } from "./replay/copies.ts";
import { type Format, openContent } from "./replay/detect.ts";
import { type DictionaryOptions, findDictionary, zstdMessagesOf } from "./replay/dictionary.ts";
import { checkOptions, STDIN, type Wanted } from "./replay/options.ts";
import type { ReplayOptions } from "./replay/options.ts";
import { createPace, systemClock } from "./replay/pace.ts";
import { formatPlace, parsePlace, type Place } from "./replay/place.ts";
import { readBatches, type ReaderOptions } from "./replay/reader.ts";

export type { ReplayOptions } from "./replay/options.ts";

const log = getLogger(["bskyingest", "replay"]);

/** A replay. */
export interface ReplaySource extends Source<AnyEvent> {
  /** Live figures. */
  readonly stats: SourceStats;
  /**
   * Looks at all files without reading them whole, so that a wrong one is found before anything begins.
   *
   * @throws {ConfigError} with every fault.
   */
  check(): Promise<void>;
}

/** A file, as it was found. */
interface InputFile {
  readonly path: string;
  readonly name: string;
  /** In bytes. Undefined: a stream, which can be read once and has no positions. */
  readonly size: number | undefined;
  readonly format: Format | undefined;
}

/**
 * Events of files. Recognised by content: gzip, zstd, then recordings, lines of either Jetstream wire, and messages with their
 * length in front: of Jetstream, a relay, or a labeler. A broken line or frame is poison; the position is the number of the file and of
 * the entry in it.
 *
 * @example
 * ```ts ignore
 * import { nullSink, replay, runPipeline } from "@org/bskyingest";
 *
 * await using sink = nullSink();
 * await runPipeline({ source: replay({ files: ["jetstream.rec.zst"], speed: 10 }), sink });
 * ```
 * @throws {ConfigError} with every fault of the options.
 */
export function replay(options: ReplayOptions): ReplaySource {
  const wanted = checkOptions(options);
  const stats: SourceStats = { bytesReceived: 0, connections: 0, connected: false, ignored: 0, host: undefined };
  const key = `replay:${basename(options.files[0]!)}`;
  let restart = options.restart ?? false;
  return {
    key: options.keyPrefix === undefined ? key : `${options.keyPrefix}:${key}`,
    stats,
    check: async () => void await findFiles(options.files, options),
    open(open = {}) {
      const how = { ...options, restart };
      restart = false;
      return batchStream(open.stop, (stop) => replayBatches(how, wanted, { stats, stop }, open));
    },
  };
}

async function* replayBatches(
  options: ReplayOptions,
  wanted: Wanted,
  { stats, stop }: { readonly stats: SourceStats; readonly stop: AbortSignal },
  { cursor }: OpenOptions<AnyEvent>,
): AsyncGenerator<Batch<AnyEvent>, void> {
  const { speed = 0, loop: loops = 1, clock = systemClock, stdin } = options;
  const files = await findFiles(options.files, options);
  const hasPositions = files.every((file) => file.size !== undefined);
  const begin = hasPositions && !options.restart ? placeOf(cursor, files) : undefined;
  const pace = speed > 0 ? createPace(speed, clock) : undefined;
  const onRead = (bytes: number) => void (stats.bytesReceived += bytes);
  const cursorAt = (place: Omit<Place, "v">) => hasPositions ? formatPlace({ v: 1, ...place }) : undefined;
  for (let loop = begin?.loop ?? 1; loop <= loops; loop++) {
    const from = loop === begin?.loop ? begin : undefined;
    const recallSkipped = files.slice(0, from?.file).some(mayHaveCopies);
    const copies = files.some(mayHaveCopies) ? createCopies() : undefined;
    const reader: ReaderOptions = { ...wanted, lastSeqs: new Map(), copies, pace, clock, stats, stop };
    for (const [i, { path, name, size = 0 }] of files.entries()) {
      const skip = skipOf(from, i + 1);
      if (skip === Infinity && !recallSkipped) continue;
      const chunks: Chunks = path === STDIN
        ? streamChunks(stdin ?? Deno.stdin.readable, stop, onRead)
        : fileChunks(path, onRead);
      const content = await openContent(chunks, path);
      log.debug("Reading {file}: {format}", { file: path, format: content.format });
      const at = (entry: number) => cursorAt({ loop, file: i + 1, entry, size });
      using zstd = zstdMessagesOf(path, options);
      yield* readBatches({ name, content, zstd, skip, recallSkipped, cursorAt: at }, reader);
      if (stop.aborted) return;
    }
  }
  const last = { loop: loops, file: files.length, entry: 0, size: files.at(-1)!.size ?? 0, done: true as const };
  yield { items: [], cursor: cursorAt(last), end: true };
}

/** Only recordings tell of reconnects; what a stream is shows when it is read. */
function mayHaveCopies({ format }: InputFile): boolean {
  return format === "recording" || format === undefined;
}

/** Entries of a file that an earlier run has handed on. */
function skipOf(from: Place | undefined, file: number): number {
  if (from === undefined || file > from.file) return 0;
  return file < from.file ? Infinity : from.entry;
}

/** Where to go on; undefined: at the beginning. */
function placeOf(cursor: Cursor | undefined, files: readonly InputFile[]): Place | undefined {
  if (cursor === undefined) return undefined;
  const place = parsePlace(cursor);
  if (place.done) return undefined;
  const file = files[place.file - 1];
  const refuse = (why: string) =>
    new ConfigError(`Cannot go on where the last replay was interrupted: ${why}`, {
      hint: "Use --restart to begin anew",
    });
  if (file === undefined) throw refuse(`it was in file ${place.file}, and only ${files.length} are named now`);
  if (file.size !== place.size) {
    throw refuse(`${file.path} had ${place.size} bytes then, and has ${file.size} bytes now`);
  }
  log.info("Going on in {file} behind entry {entry}, where the last replay was interrupted", {
    file: file.path,
    entry: place.entry,
  });
  return place;
}

/** Finds all files and what they are; streams are not touched. */
async function findFiles(paths: readonly string[], options: DictionaryOptions): Promise<InputFile[]> {
  const found = await Promise.allSettled(paths.map((path) => findFile(path, options)));
  const faults = found.flatMap((each) => each.status === "rejected" ? [each.reason as unknown] : []);
  const bug = faults.find((fault) => !(fault instanceof ConfigError));
  if (bug !== undefined) throw bug;
  const [first, ...others] = faults.flatMap((fault) => (fault as ConfigError).faults);
  if (first !== undefined) throw new ConfigError([first, ...others]);
  return found.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
}

async function findFile(path: string, options: DictionaryOptions): Promise<InputFile> {
  const name = basename(path);
  const stream = { path, name, size: undefined, format: undefined };
  if (path === STDIN) return stream;
  try {
    const info = await Deno.stat(path);
    if (info.isDirectory) throw new ConfigError(`Cannot read ${path}: it is a folder`);
    if (!info.isFile) return stream;
    const { format, dictionaryId, close } = await openContent(fileChunks(path), path);
    await close();
    if (dictionaryId !== undefined) await findDictionary(dictionaryId, path, options);
    return { path, name, size: info.size, format };
  } catch (error) {
    throw readError(path, error);
  }
}
