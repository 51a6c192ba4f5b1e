/**
 * What travels through a pipeline.
 *
 * @module
 */
import type { PoisonError } from "./errors.ts";

/** Opaque resume position. Only the source that made it may interpret it. */
export type Cursor = string;

/** Something that can never reach the sink, and why. */
export interface Poison {
  /** Why. */
  readonly error: PoisonError;
  /** The event, where it could be decoded. */
  readonly item?: unknown;
  /** The message as it came, where it could not. */
  readonly raw?: Uint8Array | string;
  /** What the source or stage knows besides: `host`, `wire`, `position`, ... */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** A hole in the upstream's stream: something that was asked for and did not come. */
export interface Gap {
  /** Which source met it: `jetstream`, ... */
  readonly source: string;
  /** Where. */
  readonly host: string;
  /** What `from` and `to` count: microseconds since 1970, sequence numbers, pages, files. */
  readonly unit: "us" | "seq" | "page" | "file";
  /** Where the hole begins. */
  readonly from: number | undefined;
  /** Inclusive; undefined while the end is unknown. */
  readonly to: number | undefined;
  /** A short code: `clamped`, `outdated_cursor`, ... */
  readonly reason: string;
  /** A DID, a file name, the server's words. */
  readonly detail?: string;
  /** `accepted`: asked for by the user, nothing to report. `healed`: whole again already. */
  readonly state: "open" | "accepted" | "healed";
}

/** Events in order, and the position to resume from once all of them (and all before) are safe. */
export interface Batch<T> {
  /** The events. */
  readonly items: readonly T[];
  /** `undefined`: no position can be named here, a later batch's position covers these items too. */
  readonly cursor: Cursor | undefined;
  /** Position key, where one stream carries several (files, hosts). Default: the source's. */
  readonly key?: string;
  /** What could not be decoded or used. From a source, it comes after every item of the batch. */
  readonly poison?: readonly Poison[];
  /** Events that were dropped on purpose. */
  readonly filtered?: number;
  /** Events that were recognised as copies of earlier ones. */
  readonly duplicates?: number;
  /** Holes before or in this batch: recorded before `cursor` is. */
  readonly gaps?: readonly Gap[];
  /** Nothing will follow soon: stages must not wait for more. */
  readonly urgent?: boolean;
  /** The source has come to its end with this batch, its position is final. */
  readonly end?: boolean;
  /**
   * The position once `item` and everything before it are safe, so that a batch can be cut; `undefined` for an item that
   * the source does not know. A batch without this method can be cut only with `cursor: undefined` in the first part.
   */
  cursorAfter?(item: unknown): Cursor | undefined;
  /**
   * How many of `filtered` came behind `item`, so that a batch can be cut. A batch without this method is taken for one whose filtered
   * events came first.
   */
  filteredBehind?(item: unknown): number;
  /** Whether two items that follow each other came as one, and must not be parted for a limit. Default: none. */
  joined?(item: unknown, next: unknown): boolean;
}

/** How many events a batch stands for, whatever became of them. */
export function weigh(batch: Batch<unknown>): number {
  return batch.items.length + (batch.poison?.length ?? 0) + (batch.filtered ?? 0) + (batch.duplicates ?? 0);
}

/** The least number of items from `count` on behind which a batch may be cut: what came as one stays together. */
export function endOfUnit({ items, joined }: Batch<unknown>, count: number): number {
  while (count < items.length && joined?.(items[count - 1], items[count])) count++;
  return count;
}

/**
 * Cuts a batch behind its first `count` items. The first part gets the position after its last item where the source can
 * name it. All that is not an item stays with the part where it is true: gaps with the first, poison with the second, filtered events
 * where they came.
 */
export function split<T>(batch: Batch<T>, count: number): [Batch<T>, Batch<T>] {
  const { gaps, filtered = 0, duplicates, poison, end, urgent, ...rest } = batch;
  const last = batch.items[count - 1];
  const behind = last === undefined ? 0 : batch.filteredBehind?.(last) ?? 0;
  const first: Batch<T> = {
    ...rest,
    items: batch.items.slice(0, count),
    cursor: last === undefined ? undefined : batch.cursorAfter?.(last),
    ...(gaps && { gaps }),
    ...(filtered > behind && { filtered: filtered - behind }),
    ...(duplicates && { duplicates }),
  };
  const second: Batch<T> = {
    ...rest,
    items: batch.items.slice(count),
    ...(behind > 0 && { filtered: behind }),
    ...(poison && { poison }),
    ...(end && { end }),
    ...(urgent && { urgent }),
  };
  return [first, second];
}

/** Joins batches of one key that follow each other. */
export function merge<T>(parts: readonly Batch<T>[]): Batch<T> {
  const [only] = parts;
  if (parts.length === 1 && only) return only;
  const last = parts[parts.length - 1]!;
  const poison = parts.flatMap((p) => p.poison ?? []);
  const gaps = parts.flatMap((p) => p.gaps ?? []);
  const sum = (of: (p: Batch<T>) => number | undefined, from = 0) =>
    parts.slice(from).reduce((n, p) => n + (of(p) ?? 0), 0);
  return {
    items: parts.flatMap((p) => p.items),
    cursor: parts.findLast((p) => p.cursor !== undefined)?.cursor,
    ...(last.key !== undefined && { key: last.key }),
    ...(poison.length > 0 && { poison }),
    ...(gaps.length > 0 && { gaps }),
    filtered: sum((p) => p.filtered),
    duplicates: sum((p) => p.duplicates),
    ...(last.urgent && { urgent: true }),
    ...(last.end && { end: true }),
    cursorAfter: (item) => {
      const [part, another] = parts.filter((p) => p.items.includes(item as T));
      // Behind the poison of an earlier part no position is true before that is in the dead letter.
      const behind = parts.slice(0, parts.indexOf(part!)).some((p) => p.poison?.length);
      return behind || another ? undefined : part?.cursorAfter?.(item);
    },
    ...(parts.some((p) => p.filteredBehind) && {
      filteredBehind: (item: unknown) => {
        const i = parts.findLastIndex((p) => p.items.includes(item as T));
        return (parts[i]?.filteredBehind?.(item) ?? 0) + sum((p) => p.filtered, i + 1);
      },
    }),
    joined: (item, next) =>
      parts.some((p) => p.items.includes(item as T) && p.items.includes(next as T) && p.joined?.(item, next)),
  };
}
