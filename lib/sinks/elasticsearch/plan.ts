/**
 * What a batch of events comes to: one write for each document, and purges.
 *
 * @module
 */
import type { AnyEvent } from "../../atproto/event.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import type { Kind } from "../../transforms/elasticsearch/kinds.ts";
import type { Purge, Write } from "../../transforms/elasticsearch/writes.ts";
import type { Line } from "./body.ts";

/** Where a document of the batch has its line, by kind and `_id`. */
export type Places = ReadonlyMap<Kind, ReadonlyMap<string, number>>;

/** A batch before it is sent. */
export interface Plan {
  /** One a document, its newest write. */
  readonly lines: readonly Line[];
  /** Which documents those are. */
  readonly places: Places;
  /** Writes that were left out because another of the batch, at `place` of `lines`, is newer. */
  readonly folded: readonly { readonly item: number; readonly place: number }[];
  /** Accounts whose documents have to go once the lines are written. */
  readonly purges: readonly { readonly item: number; readonly purge: Purge }[];
  /** Events that cannot become documents. */
  readonly dead: ReadonlyMap<number, PoisonError>;
  /** The writes of each event. */
  readonly writes: readonly (readonly Write[])[];
}

/** How events become writes. */
export interface PlanOptions {
  /** Throws `PoisonError`. */
  readonly toWrites: (event: AnyEvent) => readonly Write[];
  /** The account that an event purges. */
  readonly purgeOf: (event: AnyEvent) => Purge | undefined;
  /** The alias of a kind. */
  readonly indexOf: (kind: Kind) => string;
}

/** Folds the writes of a batch: of each document the highest version stays, the last one on a tie. */
export function planBatch(items: readonly AnyEvent[], { toWrites, purgeOf, indexOf }: PlanOptions): Plan {
  const lines: Line[] = [], writes: (readonly Write[])[] = [];
  const folded: { item: number; place: number }[] = [], purges: { item: number; purge: Purge }[] = [];
  const dead = new Map<number, PoisonError>();
  const places = new Map<Kind, Map<string, number>>();

  const add = (write: Write, item: number): void => {
    let ids = places.get(write.kind);
    if (ids === undefined) places.set(write.kind, ids = new Map());
    const place = ids.get(write.id);
    if (place === undefined) {
      ids.set(write.id, lines.length);
      lines.push({ write, index: indexOf(write.kind), item });
      return;
    }
    const line = lines[place]!;
    const newer = !isOlder(write.version, line.write.version);
    folded.push({ item: newer ? line.item : item, place });
    if (newer) lines[place] = { write, index: line.index, item };
  };

  items.forEach((event, item) => {
    const purge = purgeOf(event);
    if (purge !== undefined) purges.push({ item, purge });
    try {
      const own = toWrites(event);
      writes.push(own);
      for (const write of own) add(write, item);
    } catch (error) {
      if (!(error instanceof PoisonError)) throw error;
      writes.push([]);
      dead.set(item, error);
    }
  });
  return { lines, places, folded, purges, dead, writes };
}

/** Compares versions: positive integers in decimal digits, beyond what a JavaScript number can print. */
export function isOlder(version: string, than: string): boolean {
  return version.length === than.length ? version < than : version.length < than.length;
}

/** The documents that two batches have in common: where their lines are in the first one. */
export function commonPlaces(some: Places, others: Places): number[] {
  const common: number[] = [];
  for (const [kind, ids] of some) {
    const there = others.get(kind);
    if (there === undefined) continue;
    for (const [id, place] of ids) if (there.has(id)) common.push(place);
  }
  return common;
}
