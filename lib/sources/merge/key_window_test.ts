import assert from "node:assert/strict";
import fc from "fast-check";
import { KeyWindow } from "./key_window.ts";

const SECOND = 1e6;

Deno.test("J44: the window knows the newest keys, and no event that is newer than `since` is unknown", () => {
  const batch = fc.record({
    keys: fc.array(fc.nat(400), { minLength: 1, maxLength: 60 }),
    step: fc.integer({ min: -2 * SECOND, max: 30 * SECOND }),
    lag: fc.integer({ min: 0, max: 20 * SECOND }),
  });
  fc.assert(
    fc.property(
      fc.array(batch, { maxLength: 60 }),
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 0, max: 120 }),
      (batches, most, seconds) => {
        const window = new KeyWindow({ most, spanUs: seconds * SECOND });
        /** When each key was taken last, and in which order. */
        const taken = new Map<string, { readonly at: number; readonly time: number }>();
        let time = 0, count = 0;
        for (const { keys, step, lag } of batches) {
          time += step;
          for (const key of keys.map(String)) {
            const isNew = window.take(key);
            const before = taken.get(key);
            if (before && before.time > window.since) assert(!isNew, `${key} is newer than since`);
            if (!before) assert(isNew, `${key} was never taken`);
            if (isNew) taken.set(key, { at: count++, time });
          }
          window.date(time);
          window.forget(time - lag);
          assert.equal(window.taken, count);
          assert(window.size <= most, "too many keys");
          const chapters = window.chapters();
          assert.equal(chapters.reduce((n, { keys }) => n + keys.length, 0), window.size);
          for (const { keys, before } of chapters) {
            keys.forEach((key, i) => assert.equal(taken.get(key)!.at, before + i));
          }
        }
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("keys are forgotten when they are more than the span behind, or too many", () => {
  const window = new KeyWindow({ most: 1000, spanUs: 300 * SECOND });
  const take = (from: number, count: number, time: number) => {
    for (let i = from; i < from + count; i++) window.take(`k${i}`);
    window.date(time);
  };
  take(0, 300, 10 * SECOND);
  take(300, 300, 200 * SECOND);
  window.forget(300 * SECOND);
  assert.deepEqual([window.size, window.since], [600, -Infinity]);
  window.forget(311 * SECOND);
  assert.deepEqual([window.size, window.since], [300, 10 * SECOND]);
  assert.equal(window.take("k299"), true);
  assert.equal(window.take("k300"), false);
  take(1000, 800, 320 * SECOND);
  window.forget(0);
  assert.deepEqual([window.size, window.since], [801, 200 * SECOND]);
});

Deno.test("far: more than half of the span, or of the keys", () => {
  const window = new KeyWindow({ most: 1000, spanUs: 300 * SECOND });
  assert.equal(window.isFar(150 * SECOND, 0), false);
  assert.equal(window.isFar(151 * SECOND, 0), true);
  assert.equal(window.isFar(0, 151 * SECOND), false);
  for (let i = 0; i < 501; i++) window.take(`k${i}`);
  window.date(20 * SECOND);
  assert.equal(window.isFar(20 * SECOND, 10 * SECOND), true);
  assert.equal(window.isFar(30 * SECOND, 20 * SECOND), false);
});
