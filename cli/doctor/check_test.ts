import assert from "node:assert/strict";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { type Check, ok, runChecks } from "./check.ts";

const never = () => new Promise<never>(() => {});

Deno.test("T22: a check that throws fails with its message and hint, on one line", async () => {
  const results = await runChecks([
    { name: "a", run: () => Promise.reject(new Error("Cannot\n  do it")) },
    {
      name: "b",
      run: () => {
        throw new ConfigError(["Cannot use x", "Cannot use y"], { hint: "Use z" });
      },
    },
  ]);
  assert.deepEqual(results, [
    { name: "a", verdict: "fail", detail: "Cannot do it", hint: null },
    { name: "b", verdict: "fail", detail: "Cannot use x; Cannot use y", hint: "Use z" },
  ]);
});

Deno.test("T22: checks run side by side, each has its time, results keep their order", async () => {
  const events: string[] = [];
  const slow = (name: string): Check => ({
    name,
    run(signal) {
      events.push(`${name} begins`);
      signal.addEventListener("abort", () => events.push(`${name} is late`));
      return never();
    },
  });
  const results = await runChecks(
    [slow("a"), { ...slow("b"), optional: true }, { name: "c", run: () => ok("fine") }],
    50,
  );
  assert.deepEqual(events, ["a begins", "b begins", "a is late", "b is late"]);
  assert.deepEqual(results.map(({ verdict, detail }) => [verdict, detail]), [
    ["fail", "no answer within 0.05 s"],
    ["skip", "no answer within 0.05 s"],
    ["ok", "fine"],
  ]);
});

Deno.test("what follows from another failure is skipped, a failure of its own is not", async () => {
  const broken = () => Promise.reject(new Error("Cannot connect"));
  const results = await runChecks([
    { name: "dns", run: broken },
    { name: "tls", needs: "dns", run: broken },
    { name: "sink", run: () => ok("fine") },
    { name: "gaps", needs: "sink", run: broken },
    { name: "clock", optional: true, run: broken },
  ]);
  assert.deepEqual(results.map(({ verdict, detail }) => [verdict, detail]), [
    ["fail", "Cannot connect"],
    ["skip", "see dns"],
    ["ok", "fine"],
    ["fail", "Cannot connect"],
    ["skip", "Cannot connect"],
  ]);
});

Deno.test("what servers say neither steers a terminal nor shows a password nor fills the screen", async () => {
  const [result] = await runChecks([
    { name: "a", run: () => ok(`\x1b[2Jws://user:secret@host ${"x".repeat(1000)}`) },
  ]);
  assert.match(result!.detail, /^\\u001b\[2Jws:\/\/user:\*\*\*@host x{400,}\.\.\.$/);
  assert(result!.detail.length < 520);
});
