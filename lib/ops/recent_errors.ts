/**
 * The newest warnings and errors of the log.
 *
 * @module
 */
import type { LogRecord } from "@logtape/logtape";
import type { ErrorJson } from "./snapshot.ts";

const MOST_KEPT = 50;
const MOST_CHARACTERS = 2000;

/** Keeps the newest warnings and errors. */
export interface RecentErrors {
  /** Takes a record of the log; less than a warning is passed over. */
  readonly sink: (record: LogRecord) => void;
  /** Newest first. */
  readonly list: readonly ErrorJson[];
  /** Forgets all of them. */
  clear(): void;
}

/** @param textOf The message of a record, without secrets. */
export function recentErrors(textOf: (record: LogRecord) => string): RecentErrors {
  const list: ErrorJson[] = [];
  return {
    list,
    sink(record) {
      const { level, category, timestamp } = record;
      if (level !== "warning" && level !== "error" && level !== "fatal") return;
      list.unshift({
        at: new Date(timestamp).toISOString(),
        level,
        category: category.slice(1).join(".") || category.join("."),
        message: textOf(record).slice(0, MOST_CHARACTERS).toWellFormed(),
      });
      if (list.length > MOST_KEPT) list.pop();
    },
    clear: () => void list.splice(0),
  };
}
