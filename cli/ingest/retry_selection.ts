/**
 * Which dead letters a retry takes, and how far it has come.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { Cursor } from "../../lib/pipeline/batch.ts";
import type { CheckpointStore } from "../../lib/pipeline/sink.ts";
import { type DeadEntry, whyItStays } from "../../lib/sources/dead_letters.ts";
import type { DeadLetterFilter, DeadLetterSnapshot } from "../../lib/state/dead_letter_reader.ts";
import type { Retries } from "../../lib/state/dead_letter_retry.ts";

/** What the user chose. */
export interface Choice extends Pick<DeadLetterFilter, "reason" | "stage" | "since"> {
  readonly ids?: readonly string[];
}

/** Of that, what goes to one sink. */
export interface Selection extends Choice {
  readonly stages: readonly string[];
}

/** What there is to do. */
export interface Survey {
  /** Entries that are retried. */
  readonly count: number;
  /**
   * Their stages, in the order in which they come first, with the collections of their events; undefined: they are not known
   * before they are read.
   */
  readonly stages: ReadonlyMap<string, ReadonlySet<string> | undefined>;
  /** The state keys of the runs that wrote them. */
  readonly keys: ReadonlySet<string>;
  /** Entries that nothing can be made of. */
  readonly left: number;
  /** How many of them for which reason. */
  readonly reasons: ReadonlyMap<string, number>;
}

/**
 * Looks at all that was chosen.
 *
 * @param path For messages.
 * @throws {ConfigError} for an id that is not in the file.
 */
export async function surveyOf(snapshot: DeadLetterSnapshot, choice: Choice, path: string): Promise<Survey> {
  await checkIds(snapshot, choice, path);
  const stages = new Map<string, Set<string> | undefined>();
  const reasons = new Map<string, number>();
  const keys = new Set<string>();
  let count = 0, left = 0;
  for await (const { entry } of snapshot.entries(filterOf(choice))) {
    const why = whyItStays(entry);
    if (why === undefined) {
      count++;
      keys.add(entry.key);
      if (!stages.has(entry.stage)) stages.set(entry.stage, entry.stage === "source" ? undefined : new Set());
      const collection = collectionOf(entry);
      if (collection !== undefined) stages.get(entry.stage)?.add(collection);
    } else {
      left++;
      reasons.set(why, (reasons.get(why) ?? 0) + 1);
    }
  }
  return { count, stages, keys, left, reasons };
}

function collectionOf({ event }: DeadEntry): string | undefined {
  try {
    const { collection } = JSON.parse(String(event)).commit;
    return typeof collection === "string" ? collection : undefined;
  } catch {
    return undefined; // it has none, or cannot be read: that will be met again
  }
}

async function checkIds(snapshot: DeadLetterSnapshot, { ids = [] }: Choice, path: string): Promise<void> {
  if (ids.length === 0) return;
  const missing = new Set(ids);
  for await (const { entry } of snapshot.entries({ ids: new Set(ids), all: true })) missing.delete(entry.id);
  const [first, ...others] = [...missing].map((id) => `Cannot retry "${id}": ${path} has no such entry`);
  if (first !== undefined) throw new ConfigError([first, ...others]);
}

function filterOf({ reason, stage, since, ids }: Choice): DeadLetterFilter {
  return { reason, stage, since, ...(ids && { ids: new Set(ids) }) };
}

/** The open entries of a selection that can be tried, oldest first. */
export async function* selected(snapshot: DeadLetterSnapshot, selection: Selection): AsyncGenerator<DeadEntry> {
  for await (const { entry, state } of walk(snapshot, selection)) if (state === "open") yield entry;
}

/** The same with those that were retried. */
async function* walk(snapshot: DeadLetterSnapshot, selection: Selection) {
  const stages = new Set(selection.stages);
  for await (const each of snapshot.entries({ ...filterOf(selection), all: true })) {
    if (stages.has(each.entry.stage) && whyItStays(each.entry) === undefined) yield each;
  }
}

/** What a sink that keeps positions is told once a retry is over: there is nothing to be recovered. */
export const DONE: Cursor = JSON.stringify({ v: 1, done: true });

/** The position behind an entry. It says what was selected, so that a later retry knows what lies before it. */
export function placeAt(upto: string, selection: Selection): Cursor {
  return JSON.stringify({ v: 1, upto, ...selection });
}

/**
 * The open entries before a position, which a sink has saved together with their events: a kill came before they were marked.
 */
export async function recover(snapshot: DeadLetterSnapshot, cursor: Cursor | undefined): Promise<Set<string>> {
  const { upto, ...selection }: { readonly upto?: string } & Selection = JSON.parse(cursor ?? DONE);
  const ids = new Set<string>();
  if (upto === undefined) return ids;
  for await (const { entry, state } of walk(snapshot, selection)) {
    if (state === "open") ids.add(entry.id);
    if (entry.id === upto) return ids;
  }
  return new Set(); // purged meanwhile, or of another file of that name
}

/** Marks entries as retried, once everything up to a position is dealt with. */
export interface Marker {
  /** An entry is on its way. */
  handOn(id: string): void;
  /** It failed again, and that is in the dead letter: it has its mark. */
  replaced(id: string): void;
  readonly checkpoints: CheckpointStore;
}

/** Makes a {@link Marker}. `signal` ends its waiting for space on the disk. */
export function marker(retries: Retries, signal: AbortSignal): Marker {
  /** In order; whether they have their mark. */
  const onTheirWay = new Map<string, boolean>();
  return {
    handOn: (id) => void onTheirWay.set(id, false),
    replaced: (id) => void onTheirWay.set(id, true),
    checkpoints: {
      load: () => Promise.resolve(undefined),
      async save(_key, cursor) {
        const { upto } = JSON.parse(cursor);
        const before: string[] = [];
        for (const id of onTheirWay.keys()) {
          before.push(id);
          if (id === upto) break;
        }
        await retries.mark(before.filter((id) => !onTheirWay.get(id)), { signal });
        for (const id of before) onTheirWay.delete(id);
      },
    },
  };
}
