import assert from "node:assert/strict";
import { createCounters } from "../lib/pipeline/counters.ts";
import { progressText, showProgress } from "./progress.ts";

const options = { total: 0, totalMs: 0, mode: "line", status: () => {} } as const;
const rates = { received: 1234.6, written: 1000 };

Deno.test("progress: counts and rates; lag, what waits and what died only where there is any", () => {
  const counters = createCounters();
  assert.equal(
    progressText({ ...options, counters }, rates, 1000, 5000),
    "received 0 (1,235/s)  written 0 (1,000/s)",
  );
  Object.assign(counters, { received: 20_000, written: 15_000, inFlight: 10, retried: 2, deadLettered: 1 });
  counters.lastTimeUs = 3_500_000;
  assert.equal(
    progressText({ ...options, counters }, rates, 1000, 5000),
    "received 20,000 (1,235/s)  written 15,000 (1,000/s)  lag 1.5 s  waiting 10  retried 2  dead 1",
  );
});

Deno.test("progress: a bar and the time left where the end is known, the nearer of two ends", () => {
  const counters = { ...createCounters(), counted: 50 };
  const bar = (total: number, totalMs: number) =>
    progressText({ ...options, counters, total, totalMs }, rates, 1000, 0).split("  ")[0];
  assert.equal(bar(100, 0), "[##########..........] 50 %, 1 s left");
  assert.equal(bar(0, 10_000), "[##..................] 10 %, 9 s left");
  assert.equal(bar(100, 10_000), "[##########..........] 50 %, 1 s left");
  assert.equal(bar(10, 0), "[####################] 100 %, 0 s left");
});

Deno.test("progress: the line is taken away at the end, and `off` shows none", async () => {
  const shown: (string | undefined)[] = [];
  const first = Promise.withResolvers<void>();
  const status = (text: string | undefined) => {
    shown.push(text);
    first.resolve();
  };
  {
    using _line = showProgress({ ...options, counters: createCounters(), status });
    using _off = showProgress({ ...options, counters: createCounters(), mode: "off", status: assert.fail });
    await first.promise;
  }
  assert.match(shown[0]!, /^received 0/);
  assert.equal(shown.at(-1), undefined);
});
