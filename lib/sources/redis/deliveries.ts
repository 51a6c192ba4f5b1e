/**
 * Entries that were handed on and are not acknowledged.
 *
 * @module
 */

/** One of them. */
export interface Delivery {
  /** Its place among all that were handed on, from 1. */
  readonly index: number;
  readonly stream: string;
  readonly id: string;
  /** When it was handed on, in milliseconds since 1970. */
  readonly since: number;
}

/** Keeps them in the order in which they were handed on. */
export class Deliveries {
  readonly #open = new Map<string, Delivery>();
  #last = 0;
  #changed = Promise.withResolvers<void>();

  /** The index of the newest one. */
  get last(): number {
    return this.#last;
  }

  /** How many there are. */
  get size(): number {
    return this.#open.size;
  }

  /** Adds one. */
  add(stream: string, id: string, since = Date.now()): Delivery {
    const delivery = { index: ++this.#last, stream, id, since };
    this.#open.set(`${stream} ${id}`, delivery);
    return delivery;
  }

  /** Whether an entry is one of them. */
  has(stream: string, id: string): boolean {
    return this.#open.has(`${stream} ${id}`);
  }

  /** Those with this index and all before. */
  upTo(index: number): Delivery[] {
    const found: Delivery[] = [];
    for (const delivery of this.#open.values()) {
      if (delivery.index > index) break;
      found.push(delivery);
    }
    return found;
  }

  /** Those that were handed on `ms` ago or longer. */
  olderThan(ms: number): Delivery[] {
    const before = Date.now() - ms;
    return [...this.#open.values()].filter((delivery) => delivery.since <= before);
  }

  /** Forgets some that are acknowledged. */
  remove(deliveries: readonly Delivery[]): void {
    for (const { stream, id } of deliveries) this.#open.delete(`${stream} ${id}`);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Forgets all: they are to be handed on again. */
  clear(): void {
    this.#open.clear();
  }

  /** Resolves when all up to `index` are acknowledged, or when `signal` aborts. */
  async settled(index: number, signal: AbortSignal): Promise<void> {
    const { promise: aborted, resolve } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => resolve(), { once: true });
    while (this.upTo(index).length > 0 && !signal.aborted) await Promise.race([this.#changed.promise, aborted]);
    resolve();
  }
}

/** Ids by stream, at most `most` in each group. */
export function* byStream(deliveries: readonly Delivery[], most: number): Generator<[stream: string, ids: string[]]> {
  const streams = Map.groupBy(deliveries, ({ stream }) => stream);
  for (const [stream, all] of streams) {
    for (let i = 0; i < all.length; i += most) yield [stream, all.slice(i, i + most).map(({ id }) => id)];
  }
}
