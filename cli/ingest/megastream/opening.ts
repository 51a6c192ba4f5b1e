/**
 * Files on their way from the listing to an open database: fetched ahead, and told apart from those that are still being copied.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { messageOf, TransientError } from "../../../lib/pipeline/errors.ts";
import type { Backoff } from "../../../lib/pipeline/retry.ts";
import {
  BadFileError,
  type FileStore,
  FileVanishedError,
  type ListedFile,
  type LocalFile,
} from "../../../lib/sources/megastream/files.ts";
import { type Clock, pause } from "./clock.ts";

const log = getLogger(["bskyingest", "megastream"]);

/** After what time a file that looks incomplete is looked at again, in milliseconds. */
export const LOOK_AGAIN_MS = 1_000;

/** What {@link openAhead} and {@link openInTurn} work with. */
export interface OpeningOptions {
  readonly store: Pick<FileStore, "look">;
  /** Fetches a file and unpacks its database. What it returns is disposed of once the file is read. */
  readonly open: (file: ListedFile, options: { readonly signal: AbortSignal }) => Promise<LocalFile>;
  /** Whether the sink has all of a file already, so that it need not be opened. */
  readonly isDone: (file: ListedFile) => Promise<boolean>;
  readonly stop: AbortSignal;
  readonly clock: Clock;
  readonly backoff: Backoff;
}

/** What opening a file led to. `file` is the file as it was then: it may have changed since it was listed. */
export type Opened =
  | { readonly what: "file"; readonly file: ListedFile; readonly local: LocalFile }
  | { readonly what: "done" | "not_ready"; readonly file: ListedFile }
  | { readonly what: "bad"; readonly file: ListedFile; readonly error: BadFileError }
  | { readonly what: "vanished" | "stopped" };

/** A file that is being opened although its turn has not come. */
export interface Ahead {
  /** Rejects with what is not the file's fault; nobody is told before its turn. */
  readonly opened: Promise<Opened>;
  /** Gives up, and disposes of what there is. */
  cancel(): Promise<void>;
}

/** Begins to open a file. */
export function openAhead(file: ListedFile, options: OpeningOptions): Ahead {
  const cancelled = new AbortController();
  const opened = open(file, options, AbortSignal.any([options.stop, cancelled.signal]));
  opened.catch(() => {}); // reported in its turn
  return {
    opened,
    async cancel() {
      cancelled.abort();
      const result = await opened.catch(() => undefined);
      if (result?.what === "file") await result.local[Symbol.asyncDispose]();
    },
  };
}

/**
 * Waits until a file is open; what is transient is tried again for ever.
 *
 * @throws What is not the file's fault and will not pass.
 */
export async function openInTurn(file: ListedFile, ahead: Ahead | undefined, options: OpeningOptions): Promise<Opened> {
  const { stop, clock, backoff } = options;
  let begun = ahead?.opened;
  for (let attempt = 0;;) {
    try {
      return await (begun ?? open(file, options, stop));
    } catch (error) {
      if (stop.aborted) return { what: "stopped" };
      if (!(error instanceof TransientError)) throw error;
      log.warn("{error}: trying again", { error: messageOf(error) });
      // What failed ahead of its turn may have lacked the space that the file before it has given back by now.
      if (!begun && !await pause(clock, backoff(attempt++, error) ?? 0, stop)) return { what: "stopped" };
      begun = undefined;
    }
  }
}

async function open(file: ListedFile, options: OpeningOptions, signal: AbortSignal): Promise<Opened> {
  if (await options.isDone(file)) return { what: "done", file };
  try {
    return await openAsItIs(file, options, signal);
  } catch (error) {
    if (error instanceof FileVanishedError) return { what: "vanished" };
    if (error instanceof BadFileError) return await judge(file, error, options, signal);
    throw error;
  }
}

/** A file that changes while it is opened is not used: what is known of it would not be what was read. */
async function openAsItIs(file: ListedFile, options: OpeningOptions, signal: AbortSignal): Promise<Opened> {
  const look = options.store.look ?? ((each) => Promise.resolve(each));
  const before = await look(file);
  if (!before) return { what: "vanished" };
  await using opened = new AsyncDisposableStack();
  const local = opened.use(await options.open(before, { signal }));
  const after = await look(file);
  if (!after) return { what: "vanished" };
  if (!isSame(after, before)) return { what: "not_ready", file: after };
  opened.move();
  return { what: "file", file: before, local };
}

/** A file that moves is not bad but not ready: somebody is still copying it. */
async function judge(
  file: ListedFile,
  error: BadFileError,
  { store, clock }: OpeningOptions,
  signal: AbortSignal,
): Promise<Opened> {
  if (!store.look) return { what: "bad", file, error };
  const incomplete = error.code === "truncated" || error.code === "empty";
  if (incomplete && !await pause(clock, LOOK_AGAIN_MS, signal)) return { what: "stopped" };
  const now = await store.look(file);
  if (!now) return { what: "vanished" };
  return isSame(now, file) ? { what: "bad", file, error } : { what: "not_ready", file: now };
}

/** Whether nothing shows that a file has changed. */
export function isSame(a: ListedFile, b: ListedFile): boolean {
  return a.size === b.size && a.modifiedMs === b.modifiedMs && a.etag === b.etag;
}
