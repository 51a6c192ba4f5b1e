import assert from "node:assert/strict";
import { judge, type Outcome, waitAfter } from "./outcome.ts";

const NOW = Date.UTC(2026, 0, 1);
const answer = (status: number, retryAfter?: string) =>
  judge({ status, retryAfter, location: undefined, text: "" }, NOW);

Deno.test("W5: what every answer means", () => {
  const cases: [kind: Outcome["kind"], ...statuses: number[]][] = [
    ["delivered", 200, 201, 202, 204, 299],
    ["endpoint", 300, 301, 302, 307, 308, 304, 408, 425, 429, 502, 503, 504],
    ["event", 500, 501, 505, 507, 599],
    ["gone", 410],
    ["refused", 401, 403],
    ["rejected", 400, 402, 404, 405, 409, 411, 413, 415, 418, 422, 431, 451, 499],
  ];
  for (const [kind, ...statuses] of cases) {
    for (const status of statuses) {
      assert.deepEqual([answer(status).kind, answer(status).code], [kind, String(status)], `${status}`);
    }
  }
  for (const failure of ["connect", "tls", "dns"] as const) {
    assert.equal(judge({ failure, text: "no" }, NOW).kind, "endpoint");
  }
  assert.equal(judge({ failure: "timeout", text: "no" }, NOW).kind, "event");
});

Deno.test("W6: Retry-After is a lower bound of an hour at most; of 429 and 503 for everything", () => {
  const date = new Date(NOW + 90_000).toUTCString();
  const cases: [header: string | undefined, ms: number][] = [
    ["2", 2000],
    [date, 90_000],
    ["999999", 3_600_000],
    ["junk", 0],
    ["-5", 0],
    [undefined, 0],
  ];
  for (const [header, ms] of cases) assert.equal(answer(429, header).waitMs, ms, header);
  assert.deepEqual([429, 503, 502, 500].map((status) => answer(status, "2").waitForAll), [true, true, false, false]);
});

Deno.test("waits follow the schedule with jitter; the last one repeats, and an endpoint's is at most five minutes", () => {
  const waits = [1000, 10_000, 600_000];
  const wait = (failures: number, outcome: Outcome, random: number) =>
    waitAfter(failures, outcome, { waits, random: () => random });
  assert.deepEqual([1, 2, 3, 4, 99].map((n) => wait(n, answer(500), 0.5)), [1000, 10_000, 600_000, 600_000, 600_000]);
  assert.deepEqual([0, 1].map((random) => wait(1, answer(500), random)), [800, 1200]);
  assert.equal(wait(3, answer(502), 0.5), 300_000);
  assert.equal(wait(1, answer(503, "1800"), 0.5), 1_800_000, "a server may ask for more");
  assert.equal(wait(1, answer(500, "30"), 0.5), 30_000);
});
