import { deepEqual, equal, rejects } from "node:assert/strict";
import { turns } from "../../../tests/support/pipeline_ends.ts";
import { type InFlight, limitInFlight } from "./in_flight.ts";

const never = new AbortController().signal;

/** Begins `count` pieces of work, and says how many run at once and how to end one. */
function begin(gate: InFlight, count: number) {
  const ends: (() => void)[] = [];
  const state = { running: 0, done: 0, end: () => ends.shift()!(), all: [] as Promise<void>[] };
  for (let i = 0; i < count; i++) {
    state.all.push(gate.run(never, async () => {
      state.running++;
      await new Promise<void>((resolve) => ends.push(resolve));
      state.running--;
      state.done++;
    }));
  }
  return state;
}

Deno.test("limitInFlight: so many at once, the others in turn", async () => {
  const work = begin(limitInFlight(2), 5);
  for (const wanted of [[2, 0], [2, 1], [2, 2], [2, 3], [1, 4]]) {
    await turns(2);
    deepEqual([work.running, work.done], wanted);
    work.end();
  }
  await Promise.all(work.all);
});

Deno.test("limitInFlight: half as many after a 429, one more after 50 good ones, never more than at first", async () => {
  const gate = limitInFlight(5);
  gate.busy();
  equal(gate.allowed, 2);
  const work = begin(gate, 4);
  await turns(2);
  equal(work.running, 2);
  for (let i = 0; i < 50; i++) gate.good();
  await turns(2);
  deepEqual([gate.allowed, work.running], [3, 3]);
  for (let i = 0; i < 500; i++) gate.good();
  equal(gate.allowed, 5);
  for (let i = 0; i < 5; i++) gate.busy();
  equal(gate.allowed, 1);
  for (let i = 0; i < 4; i++, await turns(1)) work.end();
  await Promise.all(work.all);
});

Deno.test("limitInFlight: whoever waits can give up, and takes no place", async () => {
  const gate = limitInFlight(1);
  const work = begin(gate, 1);
  const controller = new AbortController();
  const given = gate.run(controller.signal, () => Promise.resolve("never"));
  const next = gate.run(never, () => Promise.resolve("next"));
  controller.abort(new Error("Enough"));
  await rejects(given, /Enough/);
  await rejects(gate.run(controller.signal, () => Promise.resolve()), /Enough/);
  work.end();
  equal(await next, "next");
});
