/**
 * Batches of several hosts as one.
 *
 * @module
 */
import { type Batch, type Cursor, merge } from "../../pipeline/batch.ts";

/** A batch of one host, without the copies. */
export interface Part<T> {
  /** Under which the host's position is kept. */
  readonly key: string;
  readonly batch: Batch<T>;
  /** How many events all hosts had handed on once `count` items of this part were. */
  readonly taken: (count: number) => number;
}

/** Completes a position with how many events all hosts had handed on then. */
export type Mark = (cursor: Cursor, taken: number) => Cursor;

/** The position of all hosts together. */
export interface Common {
  readonly key: string;
  /** @param whole The group is handed on as a whole; else so many events that all hosts had handed on `taken`. */
  readonly cursorAt: (taken: number, whole: boolean) => Cursor | undefined;
}

/**
 * Joins batches that follow each other. A write of its own for every few events of each host would be a hundred times the
 * work, so all events come in one batch, with the position of all hosts where there is one, else of the first one's host; an
 * empty batch for each other position follows. Before that those positions lag behind their events, which is no harm where
 * copies are recognised.
 *
 * @param parts At least one. Poison, gaps, `urgent` and `end` must come alone.
 */
export function join<T>(parts: readonly Part<T>[], mark: Mark, common?: Common): Batch<T>[] {
  const last = new Map(parts.map((part) => [part.key, part]));
  const [first] = parts;
  const total = parts[parts.length - 1]!.taken(Infinity);
  const cursorOf = ({ batch: { cursor } }: Part<T>, taken: number) =>
    cursor === undefined ? cursor : mark(cursor, taken);
  const { key } = common ?? first!;
  const others = [...last.values()].filter((part) => part.key !== key && part.batch.cursor !== undefined);
  const sum = (of: (batch: Batch<T>) => number | undefined) => parts.reduce((n, p) => n + (of(p.batch) ?? 0), 0);
  const { poison, gaps, urgent, end } = first!.batch;
  const all: Batch<T> = {
    key,
    items: parts.length === 1 ? first!.batch.items : parts.flatMap((p) => p.batch.items),
    cursor: common ? common.cursorAt(total, true) : cursorOf(last.get(key)!, total),
    filtered: sum((b) => b.filtered),
    duplicates: sum((b) => b.duplicates),
    ...(poison && { poison }),
    ...(gaps && { gaps }),
    ...(urgent && { urgent }),
    ...(end && !common && { end }),
    cursorAfter(item) {
      let before: Part<T> | undefined;
      for (const part of parts) {
        const i = part.batch.items.indexOf(item as T);
        if (i < 0) {
          if (part.key === key) before = part;
          continue;
        }
        const taken = part.taken(i + 1);
        if (common) return common.cursorAt(taken, false);
        if (part.key !== key) return before && isCut(part.batch, i) ? cursorOf(before, taken) : undefined;
        const cursor = part.batch.cursorAfter?.(item);
        return cursor === undefined ? undefined : mark(cursor, taken);
      }
      return undefined;
    },
    joined: (item, next) => parts.some(({ batch: b }) => b.items.includes(item as T) && b.joined?.(item, next)),
  };
  return [
    all,
    ...others.map((part) => ({
      key: part.key,
      items: [],
      cursor: cursorOf(part, total),
      ...(part.batch.end && { end: true }),
    })),
  ];
}

/** Whether a batch can be cut behind its item at `index`. */
function isCut<T>({ items, joined }: Batch<T>, index: number): boolean {
  return index === items.length - 1 || !joined?.(items[index], items[index + 1]);
}

/**
 * Joins the batches of each host, in the order in which the hosts first have one: each carries its events together with its own
 * position, so that a crash between two of them doubles nothing. Only where no host's events depend on another's.
 */
export function joinApart<T>(parts: readonly Part<T>[]): Batch<T>[] {
  const byKey = Map.groupBy(parts, ({ key }) => key);
  return [...byKey].map(([key, own]) => ({ ...merge(own.map(({ batch }) => batch)), key }));
}
