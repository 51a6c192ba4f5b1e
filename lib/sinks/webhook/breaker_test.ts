import assert from "node:assert/strict";
import { type Breaker, CLOSED, createBreaker } from "./breaker.ts";

const make = (random = 1, state = CLOSED) => createBreaker({ concurrency: 8, random: () => random, state });

function failTimes(breaker: Breaker, times: number, now = 0): void {
  for (let i = 0; i < times; i++) breaker.fail(now, 0);
}

Deno.test("W14: five failures in a row open it, and one success between keeps it closed", () => {
  const breaker = make();
  failTimes(breaker, 4);
  breaker.succeed();
  failTimes(breaker, 4);
  assert.deepEqual([breaker.stage(0), breaker.allowed(0)], ["closed", 8]);
  breaker.fail(0, 0);
  assert.deepEqual([breaker.stage(0), breaker.allowed(0), breaker.stage(999), breaker.since], ["open", 0, "open", 0]);
  assert.deepEqual([breaker.stage(1000), breaker.allowed(1000)], ["half-open", 1]);
});

Deno.test("the wait doubles from 1 s to 5 min with full jitter, and is never less than what the server asks for", () => {
  const breaker = make();
  failTimes(breaker, 5);
  const waits = [];
  for (let i = 0, now = 0; i < 11; i++) {
    waits.push(breaker.state.until - now);
    now = breaker.state.until;
    breaker.fail(now, 0);
  }
  assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].map((s) => s * 1000));
  const jittered = make(0.25);
  failTimes(jittered, 5);
  assert.equal(jittered.state.until, 250);
  jittered.fail(250, 60_000);
  assert.equal(jittered.state.until, 60_250);
});

Deno.test("failures of requests that were under way when it opened change nothing", () => {
  const breaker = make();
  failTimes(breaker, 12);
  assert.equal(breaker.state.until, 1000);
});

Deno.test("after a success requests come back one, two, four, eight at a time", () => {
  const breaker = make();
  failTimes(breaker, 5);
  const lanes = [];
  for (let i = 0; i < 5; i++) {
    breaker.succeed();
    lanes.push(breaker.allowed(2000));
  }
  assert.deepEqual(lanes, [1, 2, 4, 8, 8]);
  assert.deepEqual([breaker.stage(2000), breaker.since], ["closed", undefined]);
});

Deno.test("its state survives a restart, and a hold needs no failure", () => {
  const breaker = make();
  failTimes(breaker, 5);
  breaker.fail(1000, 0);
  const again = make(1, breaker.state);
  assert.deepEqual([again.stage(2999), again.stage(3000), again.allowed(3000)], ["open", "half-open", 1]);
  const held = make();
  held.hold(500);
  assert.deepEqual([held.stage(499), held.allowed(499), held.allowed(500)], ["closed", 0, 8]);
});
