/**
 * What a retry leaves in the dead letter: marks on what is dealt with, and new entries in place of what failed again.
 *
 * @module
 */
import type { Letter } from "../pipeline/deliver.ts";
import { deadLetterEntry, reasonOf } from "./dead_letter.ts";
import { type AppenderOptions, openAppender } from "./dead_letter_file.ts";
import type { DeadLetterEntry } from "./dead_letter_reader.ts";
import { ulids } from "./ulid.ts";

/** An entry that failed again. */
export interface FailedAgain {
  /** The entry so far. Of one whose event was read, only its id, command and state key are looked at. */
  readonly entry: Pick<DeadLetterEntry, "id" | "command" | "key"> & { readonly part?: unknown };
  /** Why; without `item`, nothing could be read of the entry. */
  readonly letter: Letter;
  /** Other events of the entry may still be on their way: the entry stays open, until it is marked. @default {false} */
  readonly part?: boolean;
}

/** The dead letter, as a retry writes to it. Both methods wait while the disk is full, until `signal` aborts. */
export interface Retries {
  /** Marks entries as retried: durable when it resolves. Does not mind the size of the file. */
  mark(ids: readonly string[], options: { readonly signal: AbortSignal }): Promise<void>;
  /**
   * Appends a new entry for each, which names the old one (`retry_of`), and marks the old one, unless only a part of that has failed.
   * Waits while the file is full, too.
   */
  replace(failed: readonly FailedAgain[], options: { readonly signal: AbortSignal }): Promise<void>;
}

/**
 * Opens the dead letter at `path` for what a retry has to say.
 *
 * @throws {ConfigError} where it cannot be written.
 */
export async function openRetries(options: AppenderOptions): Promise<Retries> {
  const appender = await openAppender(options);
  const newId = ulids();
  const linesOf = (each: FailedAgain) =>
    JSON.stringify(entryOf(each, newId())) + "\n" + (each.part ? "" : markLine(each.entry.id));
  const marks = (ids: readonly string[]) => ids.map((id) => markLine(id)).join("");
  return {
    async mark(ids, { signal }) {
      if (ids.length > 0) await appender.append([ids], marks, { signal, maxBytes: Infinity });
    },
    // The mark comes last: cut off between the two, the new entry says by itself that the old one is done with.
    replace: (failed, { signal }) => appender.append(failed, linesOf, { signal }),
  };
}

/** The spelling is fixed, so that readers may pass over other lines quickly. */
function markLine(id: string): string {
  return JSON.stringify({ mark: id, state: "retried", at: new Date().toISOString() }) + "\n";
}

/** Command and state key stay: they tell with which options an entry is to be retried. */
function entryOf({ entry: { part: _, ...entry }, letter, part }: FailedAgain, id: string): Record<string, unknown> {
  const now = Date.now();
  const { command, key } = entry;
  const relation = { retry_of: entry.id, ...(part && { part }) };
  if (letter.item !== undefined) return { ...deadLetterEntry(letter, { id, now, command, key }), ...relation };
  return { ...entry, id, at: new Date(now).toISOString(), ...reasonOf(letter.error), ...relation };
}
