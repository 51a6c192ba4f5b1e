import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { type Num, SEED } from "../../tests/support/pipeline_ends.ts";
import { type Batch, type Gap, merge, split, weigh } from "./batch.ts";
import { PoisonError } from "./errors.ts";

const poison = [{ error: new PoisonError("not_json", "Cannot read it"), raw: "{" }];
const gap: Gap = { source: "s", host: "h", unit: "seq", from: 1, to: 2, reason: "clamped", state: "open" };

/** Numbers whose position is the number itself. */
function batchOf(ns: readonly number[], extra: Partial<Batch<Num>> = {}): Batch<Num> {
  const items = ns.map((n) => ({ n }));
  const cursorAfter = (item: unknown) => items.includes(item as Num) ? `${(item as Num).n}` : undefined;
  return { items, cursor: `${ns.at(-1)}`, cursorAfter, ...extra };
}

const values = (batch: Batch<Num>) => batch.items.map((item) => item.n);

Deno.test("weigh: items, poison, filtered events and copies all count", () => {
  equal(weigh({ items: [1, 2, 3], cursor: "3", poison, filtered: 10, duplicates: 100 }), 114);
  equal(weigh({ items: [], cursor: "3" }), 0);
});

Deno.test("split: the first part has the position after its last item, the second that of the batch", () => {
  const [first, second] = split(batchOf([1, 2, 3, 4], { key: "k", cursor: "9" }), 3);
  deepEqual([values(first), first.cursor, first.key], [[1, 2, 3], "3", "k"]);
  deepEqual([values(second), second.cursor, second.key], [[4], "9", "k"]);
});

Deno.test("split: the second part can be cut again", () => {
  const [, rest] = split(batchOf([1, 2, 3, 4]), 1);
  const [second] = split(rest, 2);
  deepEqual([values(second), second.cursor], [[2, 3], "3"]);
});

Deno.test("split: without cursorAfter the first part names no position", () => {
  const [first, second] = split<number>({ items: [1, 2], cursor: "2" }, 1);
  deepEqual([first.cursor, second.cursor], [undefined, "2"]);
});

Deno.test("split: gaps and counts stay with the first part, poison and the end with the second", () => {
  const marks = { gaps: [gap], filtered: 5, duplicates: 7, poison, end: true, urgent: true };
  const [first, second] = split(batchOf([1, 2], marks), 1);
  deepEqual([first.gaps, first.filtered, first.duplicates], [[gap], 5, 7]);
  deepEqual([first.poison, first.end, first.urgent], [undefined, undefined, undefined]);
  deepEqual([second.gaps, second.filtered, second.duplicates], [undefined, undefined, undefined]);
  deepEqual([second.poison, second.end, second.urgent], [poison, true, true]);
  equal(weigh(first) + weigh(second), weigh(batchOf([1, 2], marks)));
});

Deno.test("split: filtered events stay where they came, if the source can tell", () => {
  // 1, one filtered, 2, three filtered
  const filteredBehind = (item: unknown) => (item as Num).n === 1 ? 4 : 3;
  const batch = batchOf([1, 2], { filtered: 4, filteredBehind });
  deepEqual(split(batch, 1).map(({ filtered }) => filtered), [undefined, 4]);
  deepEqual(split(batch, 2).map(({ filtered }) => filtered), [1, 3]);
  const joined = merge([batch, batchOf([3], { filtered: 10 })]);
  deepEqual(split(joined, 2).map(({ filtered }) => filtered), [1, 13]);
  deepEqual(split(joined, 3).map(({ filtered }) => filtered), [14, undefined]);
});

Deno.test("merge: one batch passes as it is", () => {
  const only = batchOf([1, 2]);
  equal(merge([only]), only);
});

Deno.test("merge: items, poison, gaps and counts of all parts, the last position that is known", () => {
  const merged = merge([
    batchOf([1], { key: "k", filtered: 1, duplicates: 10, gaps: [gap] }),
    batchOf([2], { key: "k", filtered: 2, duplicates: 20, poison }),
    batchOf([3], { key: "k", cursor: undefined, end: true, urgent: true }),
  ]);
  deepEqual(values(merged), [1, 2, 3]);
  deepEqual([merged.cursor, merged.key, merged.end, merged.urgent], ["2", "k", true, true]);
  deepEqual([merged.filtered, merged.duplicates], [3, 30]);
  deepEqual([merged.poison, merged.gaps], [poison, [gap]]);
});

Deno.test("merge: positions can be named in every part", () => {
  const merged = merge([batchOf([1, 2]), batchOf([3, 4])]);
  deepEqual(merged.items.map((item) => merged.cursorAfter?.(item)), ["1", "2", "3", "4"]);
  equal(merged.cursorAfter?.({ n: 1 }), undefined, "an object that is in no part");
});

Deno.test("merge: no position is named behind the poison of an earlier part", () => {
  const merged = merge([batchOf([1, 2], { cursor: "3", poison }), batchOf([4, 5])]);
  deepEqual(merged.items.map((item) => merged.cursorAfter?.(item)), ["1", "2", undefined, undefined]);
});

Deno.test("merge: an item that two parts hold names no position", () => {
  const part = (cursor: string): Batch<string> => ({ items: ["same"], cursor, cursorAfter: () => cursor });
  equal(merge([part("1"), part("2")]).cursorAfter?.("same"), undefined);
});

Deno.test("split and merge undo each other, whatever is cut", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(), { minLength: 1 }), fc.nat(), (ns, at) => {
      const batch = batchOf(ns, { filtered: 2, duplicates: 1, gaps: [gap], poison });
      const parts = split(batch, at % (ns.length + 1));
      const whole = merge(parts);
      deepEqual(values(whole), ns);
      equal(whole.cursor, batch.cursor);
      equal(weigh(whole), weigh(batch));
      deepEqual([whole.gaps, whole.poison], [[gap], poison]);
    }),
    { seed: SEED },
  );
});
