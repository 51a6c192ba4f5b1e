/**
 * A priority queue.
 *
 * @module
 */

/** Things of which the least one can be looked at and taken. */
export interface Heap<T> {
  readonly size: number;
  push(thing: T): void;
  /** The least one. */
  peek(): T | undefined;
  pop(): T | undefined;
  /** All of them, in no order. */
  [Symbol.iterator](): Iterator<T>;
}

/** An empty one. `isLess`: a strict order. */
export function heap<T>(isLess: (a: T, b: T) => boolean): Heap<T> {
  const things: T[] = [];

  function swap(i: number, j: number): void {
    [things[i], things[j]] = [things[j]!, things[i]!];
  }

  function rise(i: number): void {
    for (let parent; i > 0 && isLess(things[i]!, things[parent = (i - 1) >> 1]!); i = parent) swap(i, parent);
  }

  function sink(i: number): void {
    for (;;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < things.length && isLess(things[child]!, things[least]!)) least = child;
      }
      if (least === i) return;
      swap(i, least);
      i = least;
    }
  }

  return {
    get size() {
      return things.length;
    },
    push(thing) {
      things.push(thing);
      rise(things.length - 1);
    },
    peek: () => things[0],
    pop() {
      const first = things[0];
      const last = things.pop();
      if (things.length > 0) {
        things[0] = last!;
        sink(0);
      }
      return first;
    },
    [Symbol.iterator]: () => things[Symbol.iterator](),
  };
}
