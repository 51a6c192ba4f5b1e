import assert from "node:assert/strict";
import { reasonsOf, type RunFacts } from "./readiness.ts";

const NOW = Date.UTC(2026, 0, 1, 12);

const WELL: RunFacts = {
  now: NOW,
  phase: "running",
  source: "jetstream.example",
  sink: "sqlite",
  startedAt: NOW - 600_000,
  links: [{
    host: "jetstream.example",
    connected: true,
    since: NOW - 500_000,
    lastAt: NOW - 1000,
    busyMs: 60_000,
    lastError: undefined,
  }],
  waitingSince: undefined,
  sinkError: undefined,
  full: [],
  failedSaves: 0,
  free: new Map([["/data", 2 ** 40]]),
};
const [LINK] = WELL.links;

const CASES: readonly (readonly [name: string, change: Partial<RunFacts>, expected: readonly RegExp[]])[] = [
  ["all is well", {}, []],
  ["starting", { phase: "starting" }, [/^starting: nothing was read from jetstream\.example yet$/]],
  ["draining", { phase: "draining" }, [/^draining/]],
  ["unconnected for 60 s", { links: [{ ...LINK!, connected: false, since: NOW - 60_000 }] }, []],
  [
    "unconnected for 61 s",
    { links: [{ ...LINK!, connected: false, since: NOW - 61_000, lastError: "refused" }] },
    [/^jetstream\.example is not connected for 61 s: refused$/],
  ],
  [
    "never connected",
    { links: [{ ...LINK!, connected: false, since: undefined }] },
    [/^jetstream\.example is not connected for 600 s$/],
  ],
  ["busy and silent", { links: [{ ...LINK!, lastAt: NOW - 61_000 }] }, [/^jetstream\.example is silent for 61 s$/]],
  ["quiet and silent", { links: [{ ...LINK!, lastAt: NOW - 61_000, busyMs: undefined }] }, []],
  ["events wait for a minute", { waitingSince: NOW - 60_000 }, []],
  [
    "events wait for longer",
    { waitingSince: NOW - 61_000, sinkError: "disk full" },
    [/^sqlite has taken nothing for 61 s while events wait: disk full$/],
  ],
  ["breaker open for a minute", { breakerSince: NOW - 60_000 }, []],
  ["breaker open for longer", { breakerSince: NOW - 61_000 }, [/^the webhook's breaker is open for 61 s$/]],
  ["endpoint disabled", { disabled: "it answered 410" }, [/^the webhook's endpoint is disabled: it answered 410$/]],
  ["queue full", { full: ["queue"] }, [/^the queue is full$/]],
  ["dead letter full", { full: ["dead letter"] }, [/^the dead letter is full$/]],
  ["save failed", { failedSaves: 1 }, [/^the last save of the position failed$/]],
  [
    "little space",
    { free: new Map([["/data", 63 * 2 ** 20], ["/state", 64 * 2 ** 20]]) },
    [/^\/data has only 63 MiB of free space$/],
  ],
  ["two at once", { full: ["queue"], failedSaves: 2 }, [/queue/, /save/]],
];

for (const [name, change, expected] of CASES) {
  Deno.test(`W41: readiness: ${name}`, () => {
    const reasons = reasonsOf({ ...WELL, ...change });
    assert.equal(reasons.length, expected.length, reasons.join("\n"));
    reasons.forEach((reason, i) => assert.match(reason, expected[i]!));
  });
}
