import assert from "node:assert/strict";
import { inTime } from "./in_time.ts";

Deno.test("what is waited for in vain may fail later, and nobody minds", async () => {
  const work = Promise.withResolvers<string>();
  await assert.rejects(inTime(work.promise, 5), /^Error: No answer within 0\.005 s$/);
  work.reject(new Error("Late"));
  await new Promise((resolve) => setTimeout(resolve));
});

Deno.test("after the signal nothing is waited for, and what fails then is nobody's either", async () => {
  const stop = new AbortController();
  const work = Promise.withResolvers<string>();
  const waiting = inTime(work.promise, Infinity, stop.signal);
  stop.abort(new Error("Stopped"));
  await assert.rejects(waiting, /Stopped/);
  await assert.rejects(inTime(Promise.reject(new Error("Late")), Infinity, stop.signal), /Stopped/);
  await new Promise((resolve) => setTimeout(resolve));
});

Deno.test("what comes in time is handed on, a failure too", async () => {
  assert.equal(await inTime(Promise.resolve("here"), 1000), "here");
  await assert.rejects(inTime(Promise.reject(new Error("No answer")), 1000), /No answer/);
});
