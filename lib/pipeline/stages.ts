/**
 * Plain functions on events, lifted to stages on batches. An event may vanish in a stage, its cursor never does.
 *
 * @module
 */
import { type Batch, endOfUnit, merge, type Poison, split, weigh } from "./batch.ts";
import { PoisonError } from "./errors.ts";

/** A step between a source and a sink. */
export type Stage<I, O> = TransformStream<Batch<I>, Batch<O>>;

/**
 * One event to one item, to several (an array) or to none (`undefined`, counted as filtered). An event for which `fn` throws
 * a `PoisonError` goes to the dead letter; any other error ends the run.
 *
 * @example
 * ```ts
 * import { mapEvents } from "@org/bskyingest";
 * const uris = mapEvents((event: { did: string }) => `at://${event.did}`);
 * ```
 */
export function mapEvents<I, O extends NonNullable<unknown>>(
  fn: (item: I) => O | readonly O[] | undefined,
): Stage<I, O> {
  return new TransformStream({
    transform(batch, controller) {
      const { items: events, poison, filtered = 0, ...rest } = batch;
      const items: O[] = [];
      const origins: I[] = [];
      const dead: Poison[] = [];
      /** Items before the first event that is dead: behind it no position is true before that is in the dead letter. */
      let sound = Infinity;
      /** For each event that led to nothing: how many items were there before it. */
      const none: number[] = [];
      for (const item of events) {
        try {
          const out = fn(item);
          if (Array.isArray(out)) {
            if (out.length === 0) none.push(items.length);
            for (const each of out) items.push(each), origins.push(item);
          } else if (out === undefined) none.push(items.length);
          else items.push(out as O), origins.push(item);
        } catch (error) {
          if (!(error instanceof PoisonError)) throw error;
          dead.push({ item, error });
          sound = Math.min(sound, items.length);
        }
      }
      controller.enqueue({
        ...rest,
        items,
        filtered: filtered + none.length,
        ...((poison || dead.length > 0) && { poison: [...dead, ...poison ?? []] }),
        cursorAfter: (item) => {
          const i = items.indexOf(item as O);
          // Between two items of one event there is no position, and after equal items it is not clear which one is meant.
          const known = i >= 0 && i < sound && origins[i] !== origins[i + 1] && items.lastIndexOf(item as O) === i;
          return known ? batch.cursorAfter?.(origins[i]) : undefined;
        },
        ...(batch.filteredBehind && {
          filteredBehind: (item: unknown) => {
            const i = items.lastIndexOf(item as O);
            return batch.filteredBehind!(origins[i]) + none.filter((at) => at > i).length;
          },
        }),
        joined: (item, next) => {
          const origin = origins[items.indexOf(item as O)], other = origins[items.lastIndexOf(next as O)];
          return batch.joined?.(origin, other) ?? false;
        },
      });
    },
  });
}

/** Keeps the events for which `keep` answers true; the others count as filtered. */
export function filterEvents<T>(keep: (item: T) => boolean): Stage<T, T> {
  return new TransformStream({
    transform(batch, controller) {
      const items = batch.items.filter(keep);
      const dropped = batch.items.length - items.length;
      if (dropped === 0) return controller.enqueue(batch);
      controller.enqueue({
        ...batch,
        items,
        filtered: (batch.filtered ?? 0) + dropped,
        ...(batch.filteredBehind && {
          filteredBehind: (item: unknown) => {
            const all = batch.items.length - batch.items.lastIndexOf(item as T);
            return batch.filteredBehind!(item) + all - (items.length - items.lastIndexOf(item as T));
          },
        }),
      });
    },
  });
}

/** When {@link regroup} passes a group on. */
export interface RegroupOptions {
  /**
   * Items a group, and more only to the end of what came as one: a batch that is too large is cut where its source can name the position,
   * else passed whole.
   */
  readonly size: number;
  /** Groups of so many times `size` are passed on where a batch gives as much at once. @default {1} */
  readonly multiple?: number | undefined;
  /** The longest that the first batch of a group waits, in milliseconds. */
  readonly ms: number;
}

/** Joins and cuts batches, so that each write of a sink has the size that suits it. Batches of different keys never join. */
export function regroup<T>({ size, multiple = 1, ms }: RegroupOptions): Stage<T, T> {
  type Controller = TransformStreamDefaultController<Batch<T>>;
  let parts: Batch<T>[] = [];
  let count = 0, weight = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const flush = (controller: Controller) => {
    clearTimeout(timer);
    timer = undefined;
    if (parts.length > 0) controller.enqueue(merge(parts));
    parts = [];
    count = weight = 0;
  };
  const add = (batch: Batch<T>, controller: Controller) => {
    parts.push(batch);
    count += batch.items.length;
    weight += weigh(batch);
    // Filtered events make no write larger, but a group of nothing else must not grow for ever between two ticks.
    if (count >= size || weight >= size * 100 || batch.urgent || batch.end) flush(controller);
    else timer ??= setTimeout(() => flush(controller), ms);
  };
  /** How many of `items` fill the group: so many times `size` as there are, or what is left of one. */
  const room = ({ items }: Batch<T>) => {
    const whole = Math.floor((count + items.length) / size);
    return Math.min(Math.max(whole, 1), multiple) * size - count;
  };
  return new TransformStream({
    transform(batch, controller) {
      if (parts.length > 0 && parts[0]!.key !== batch.key) flush(controller);
      let rest = batch;
      while (rest.items.length > room(rest)) {
        const end = endOfUnit(rest, room(rest));
        if (end === rest.items.length) break;
        const [first, second] = split(rest, end);
        if (first.cursor === undefined) break; // a first part without its position would be doubled by a crash
        add(first, controller);
        rest = second;
      }
      add(rest, controller);
    },
    flush,
    cancel: () => clearTimeout(timer),
  });
}
