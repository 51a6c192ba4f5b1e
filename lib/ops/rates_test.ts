import assert from "node:assert/strict";
import { Chart, Window } from "./rates.ts";

Deno.test("a rate is that of the last ten seconds", () => {
  const window = new Window<"n">();
  assert.equal(window.perSecond("n"), 0);
  for (let s = 0; s <= 30; s++) window.add({ at: s * 1000, n: s <= 20 ? 0 : (s - 20) * 50 });
  assert.equal(window.perSecond("n"), 50);
  window.clear();
  assert.equal(window.perSecond("n"), 0);
});

Deno.test("a share of the time is between 0 and 1", () => {
  const window = new Window<"ms">();
  for (let s = 0; s <= 10; s++) window.add({ at: s * 1000, ms: s * 250 });
  assert.equal(window.share("ms"), 0.25);
  window.add({ at: 11_000, ms: 1e9 });
  assert.equal(window.share("ms"), 1);
});

Deno.test("a sum that was put back, and a clock that was, give no negative rate", () => {
  const window = new Window<"n">();
  window.add({ at: 1000, n: 10 });
  window.add({ at: 2000, n: 0 });
  assert.equal(window.perSecond("n"), 0);
  window.add({ at: 500, n: 100 });
  assert.equal(window.perSecond("n"), 0);
});

Deno.test("W38: the chart keeps 15 minutes, a point a second, and gives those after a time", () => {
  const chart = new Chart();
  for (let s = 0; s <= 1000; s++) chart.add({ at: s * 1000, received: s * 10, written: s * 5 });
  const all = chart.after(0);
  assert.equal(all.length, 900);
  assert.deepEqual([all[0], all.at(-1)], [[101, 10, 5], [1000, 10, 5]]);
  assert.deepEqual(chart.after(998).map(([at]) => at), [999, 1000]);
  assert.deepEqual(chart.after(1000), []);
  chart.add({ at: 500_000, received: 1e6, written: 1e6 });
  assert.equal(chart.after(0).at(-1)![0], 1000, "a clock that was put back draws nothing");
});
