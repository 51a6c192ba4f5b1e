import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import fc from "fast-check";
import { SEED } from "../../tests/support/pipeline_ends.ts";
import { TransientError } from "./errors.ts";
import { delay, fullJitter, LEAST_WAIT_MS, LONGEST_WAIT_MS } from "./retry.ts";

const failure = new TransientError("Cannot connect: reset");
/** Random numbers as Math.random yields them. */
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

Deno.test("fullJitter: every wait is between 250 ms and a bound that doubles up to 30 s", () => {
  fc.assert(
    fc.property(fc.nat(5000), chance, (attempt, random) => {
      const ms = fullJitter(0, () => random)(attempt, failure)!;
      const bound = Math.min(LONGEST_WAIT_MS, LEAST_WAIT_MS * 2 ** attempt);
      ok(ms >= LEAST_WAIT_MS && ms <= bound, `${ms} is not in ${LEAST_WAIT_MS}..${bound}`);
    }),
    { seed: SEED },
  );
});

Deno.test("fullJitter: the whole range is used", () => {
  const longest = fullJitter(0, () => 1 - Number.EPSILON);
  deepEqual([0, 1, 2, 6, 7, 60].map((n) => Math.round(longest(n, failure)!)), [250, 500, 1000, 16_000, 30_000, 30_000]);
  equal(fullJitter(0, () => 0)(60, failure), 250);
});

Deno.test("fullJitter: a server's Retry-After is the least wait, also above 30 s", () => {
  fc.assert(
    fc.property(fc.nat(100), chance, fc.nat(600_000), (attempt, random, retryAfterMs) => {
      const without = fullJitter(0, () => random)(attempt, failure)!;
      const asked = fullJitter(0, () => random)(attempt, new TransientError("429", { retryAfterMs }))!;
      equal(asked, Math.max(without, retryAfterMs));
    }),
    { seed: SEED },
  );
});

Deno.test("fullJitter: gives up after maxRetries, and never with 0", () => {
  const near = fc.integer({ min: -2, max: 2 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), near, (maxRetries, beyond) => {
      const attempt = Math.max(0, maxRetries + beyond);
      equal(fullJitter(maxRetries)(attempt, failure) === undefined, attempt >= maxRetries);
      ok(fullJitter(0)(attempt, failure) !== undefined);
    }),
    { seed: SEED },
  );
});

Deno.test("fullJitter: other errors wait too", () => {
  equal(fullJitter(0, () => 0)(0, new Error("Connection reset")), 250);
});

Deno.test("delay: takes its time", async () => {
  const begin = performance.now();
  await delay(20);
  ok(performance.now() - begin >= 19);
});

Deno.test("delay: an abort ends it with its reason, and leaves no timer", async () => {
  const controller = new AbortController();
  const waiting = delay(60_000, controller.signal);
  controller.abort(new Error("Enough"));
  await rejects(waiting, /Enough/);
  await rejects(delay(60_000, controller.signal), /Enough/);
});
