import assert from "node:assert/strict";
import { requestCounter } from "./figures.ts";

Deno.test("W40: what was told of requests does not change with those that come later", () => {
  const counter = requestCounter();
  counter.note("200", 0.001);
  const { requests, durations } = counter;
  counter.note("200", 0.001);
  counter.note("500", 99);
  assert.deepEqual(requests, { 200: 1 });
  assert.deepEqual([durations.count, durations.counts.reduce((a, b) => a + b)], [1, 1]);
  assert.deepEqual(counter.requests, { 200: 2, 500: 1 });
  assert.deepEqual([counter.durations.count, counter.durations.counts.reduce((a, b) => a + b)], [3, 2]);
});
