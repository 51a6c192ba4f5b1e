import assert from "node:assert/strict";
import type { Sample } from "./bench.ts";
import { formatRows, median, rowOf } from "./rows.ts";

/** Samples of so many milliseconds for 1,000 items each. */
const samples = (...ms: number[]): Sample[] =>
  ms.map((each) => ({ items: 1000, ms: each, cpuMs: each / 2, peakRss: 1e6 * each }));
const run = () => Promise.resolve([]);

Deno.test("the median of an odd and an even number of values", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([10, 9, 1, 2]), 5.5);
});

Deno.test("a row has medians, the largest memory, and the spread", () => {
  const row = rowOf({ name: "a", run }, samples(10, 20, 40), undefined);
  assert.equal(row.itemsPerSecond, 50_000);
  assert.equal(row.usPerItem, 20);
  assert.equal(row.cpuUsPerItem, 10);
  assert.equal(row.peakRss, 40e6);
  assert.equal(row.spread, 1.5, "100,000 to 25,000 about 50,000");
  assert.equal(row.ratio, null);
});

Deno.test("ratios are those of samples from the same round", () => {
  // The machine was busy in the second round: beside each other, the case is always half as fast.
  const row = rowOf({ name: "a", reference: "b", run }, samples(20, 200, 20), samples(10, 100, 10));
  assert.equal(row.ratio, 0.5);
});

Deno.test("goals are printed beside the figures, reached or missed", () => {
  const goals = [
    { figure: "rate", atLeast: 50_000 },
    { figure: "ratio", atLeast: 0.85 },
    { figure: "ms", atMost: 0.02 },
    { figure: "rss", atMost: 19e6 },
  ] as const;
  const row = rowOf({ name: "a", reference: "b", goals, run }, samples(20), samples(10));
  assert.deepEqual(row.goals.map(({ ok }) => ok), [true, false, true, false]);
  const [head, line] = formatRows([row]).split("\n");
  assert.match(head!, /^case +items\/s +us\/item +ratio +CPU us\/item +peak RSS +spread +goals$/);
  const goalText = />= 50,000\/s ok, ratio >= 0\.85 MISSED, <= 0\.02 ms ok, <= 19 MB MISSED$/;
  assert.match(line!, /^a +50,000 +20\.00 +0\.50 +10\.00 +20 MB +0 % /);
  assert.match(line!, goalText);
});
