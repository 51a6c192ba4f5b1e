import assert from "node:assert/strict";
import fc from "fast-check";
import { fixedTimes, liveTimes } from "./times.ts";

Deno.test("fixed times: 500 microseconds apart, and found again", () => {
  const times = fixedTimes(1_000_000);
  assert.equal(times.timeOf(1), 1_000_500);
  assert.equal(times.atOrAfter(0), 1);
  assert.equal(times.atOrAfter(1_000_500), 1);
  assert.equal(times.atOrAfter(1_000_501), 2);
  assert.equal(times.atOrAfter(times.timeOf(1_000_000)), 1_000_000);
});

Deno.test("live times rise strictly and stay, whatever the clock does and wherever reading begins", () => {
  const step = fc.record({ jump: fc.integer({ min: 1, max: 50 }), tick: fc.integer({ min: -20, max: 200 }) });
  fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
    let clock = 1_783_175_888_085_434, seq = 0;
    const times = liveTimes(() => clock);
    const seen = new Map<number, number>();
    for (const { jump, tick } of steps) {
      seq += jump;
      clock += tick;
      times.fix(seq);
      seen.set(seq, times.timeOf(seq));
    }
    let last = -Infinity;
    for (let n = 1; n <= seq; n++) { // those that were jumped over too
      const time = times.timeOf(n);
      assert.ok(time > last, `event ${n}`);
      assert.equal(times.atOrAfter(time), n);
      if (seen.has(n)) assert.equal(time, seen.get(n));
      last = time;
    }
    assert.equal(times.atOrAfter(last + 1), seq + 1);
  }));
});

Deno.test("live times take the clock's time as soon as it is ahead", () => {
  let clock = 5_000_000_000;
  const times = liveTimes(() => clock);
  times.fix(1);
  times.fix(2);
  clock += 1000;
  times.fix(3);
  assert.deepEqual([1, 2, 3].map(times.timeOf), [5_000_000_000, 5_000_000_001, 5_000_001_000]);
});
