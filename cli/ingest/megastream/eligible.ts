/**
 * Which of the files that are listed a pass reads.
 *
 * @module
 */
import type { ListedFile } from "../../../lib/sources/megastream/files.ts";
import type { KnownFile, ProcessedFiles } from "../../../lib/state/processed_files.ts";
import { type AttemptOptions, nextAttempt } from "./attempts.ts";

/** The options that leave earlier files alone. */
export interface TimeBounds {
  /** In microseconds since 1970. */
  readonly since?: number | undefined;
  /** How far back from the start of the run, in milliseconds. */
  readonly maxRewindMs?: number | undefined;
  /** Nothing from before the start of the run. */
  readonly noRewind?: boolean | undefined;
}

/**
 * The latest of the bounds, in microseconds; undefined: there is none.
 *
 * @param startedAt The start of the run in milliseconds. The bound stays where it is: a file that this run could not read yet must
 * not fall behind it.
 */
export function timeBound({ since, maxRewindMs, noRewind }: TimeBounds, startedAt: number): number | undefined {
  const bounds = [
    ...since === undefined ? [] : [since],
    ...maxRewindMs === undefined ? [] : [(startedAt - maxRewindMs) * 1000],
    ...noRewind ? [startedAt * 1000] : [],
  ];
  return bounds.length === 0 ? undefined : Math.max(...bounds);
}

/** How {@link selectFiles} chooses. */
export interface SelectOptions extends AttemptOptions {
  readonly state: Pick<ProcessedFiles, "entry" | "isProcessed" | "isChanged">;
  /** Names of processed files that the sink does not have. Default: none. */
  readonly lost?: ReadonlySet<string>;
  /** Earlier files are left alone: microseconds since 1970. */
  readonly boundUs: number | undefined;
}

/** The files of a listing that are not processed, each in one of the lists, in the order of the listing. */
export interface Selection {
  /** To be read in this pass. */
  readonly eligible: readonly ListedFile[];
  /** Left alone because of their time. */
  readonly ignored: readonly ListedFile[];
  /** Bad ones whose next attempt is not due yet. */
  readonly waiting: readonly ListedFile[];
  /** Bad ones whose attempts are used up. */
  readonly givenUp: readonly ListedFile[];
}

/** Chooses file by file: whatever newer ones are done, an older one that is not stays eligible. */
export function selectFiles(listed: readonly ListedFile[], options: SelectOptions): Selection {
  const { state, boundUs = -Infinity, lost } = options;
  const lists = { now: [] as ListedFile[], later: [] as ListedFile[], never: [] as ListedFile[] };
  const ignored: ListedFile[] = [];
  for (const file of listed) {
    if (state.isProcessed(file) && !lost?.has(file.name)) continue;
    if (file.timeUs < boundUs) ignored.push(file);
    else lists[state.isChanged(file) ? "now" : nextAttempt(state.entry(file.name), options)].push(file);
  }
  return { eligible: lists.now, ignored, waiting: lists.later, givenUp: lists.never };
}

/**
 * Failed and partial files that a listing should show and does not.
 *
 * @param sinceUs The listing need not show earlier files: microseconds since 1970.
 */
export function vanishedFiles(
  listed: readonly ListedFile[],
  unfinished: readonly KnownFile[],
  sinceUs: number | undefined,
): string[] {
  const there = new Set(listed.map(({ name }) => name));
  return unfinished
    .filter(({ timeUs }) => sinceUs === undefined || (timeUs ?? -Infinity) >= sinceUs)
    .map(({ entry }) => entry.filename)
    .filter((name) => !there.has(name));
}
