import assert from "node:assert/strict";
import { createCounters } from "../lib/pipeline/counters.ts";
import { humanSummary, type ReportInput, summarize } from "./report.ts";

const CURSOR =
  '{"v":1,"host":"h.example","wire":"v1","time_us":1767225600000000,"seq":7,"recent":["AAAAAAAA"],"recent_since":5}';

function input(more: Partial<ReportInput> = {}): ReportInput {
  const counters = createCounters();
  Object.assign(counters, {
    received: 110,
    written: 100,
    filtered: 4,
    duplicates: 3,
    deadLettered: 2,
    rejected: 1,
    batches: 9,
  });
  counters.lastTimeUs = 1_767_225_600_000_000;
  counters.cursors.set("jetstream", CURSOR);
  counters.collections.set("app.bsky.feed.post", 20).set("app.bsky.feed.like", 80);
  return {
    command: "jetstream",
    source: "h.example",
    sink: "sqlite",
    counters,
    stats: { bytesReceived: 5_000_000, connections: 3, connected: true, ignored: 0, host: "h.example" },
    dryRun: false,
    startedAt: new Date(1_767_225_590_000),
    durationMs: 2000,
    endedBy: "count",
    error: null,
    exit: 3,
    now: 1_767_225_601_500,
    live: true,
    ...more,
  };
}

Deno.test("summary: what is neither written nor dropped nor dead is unsettled", () => {
  const summary = summarize(input());
  const { received, written, filtered, duplicates, dead_lettered, unsettled } = summary;
  assert.equal(unsettled, 1);
  assert.equal(received, written + filtered + duplicates + dead_lettered + unsettled);
  assert.deepEqual([summary.reconnects, summary.lag_ms, summary.rate_per_s], [2, 1500, 50]);
});

Deno.test("summary: the cursor goes without what only a restart needs; several are an object by key", () => {
  const one = { v: 1, host: "h.example", wire: "v1", time_us: 1_767_225_600_000_000, seq: 7 };
  assert.deepEqual(summarize(input()).cursor, one);
  const two = input();
  two.counters.cursors.set("b", "12");
  assert.deepEqual(summarize(two).cursor, { jetstream: one, b: 12 });
  two.counters.cursors.clear();
  assert.equal(summarize(two).cursor, null);
});

Deno.test("summary: a dry run writes nothing and says what it would have written", () => {
  const summary = summarize(input({ dryRun: true }));
  assert.deepEqual([summary.written, summary.would_write, summary.cursor, summary.unsettled], [0, 100, null, 1]);
});

Deno.test("summary: no lag before the first event, for files, or where clocks differ", () => {
  assert.equal(summarize(input({ live: false })).lag_ms, null);
  assert.equal(summarize(input({ now: 0 })).lag_ms, 0);
  assert.equal(summarize(input({ counters: createCounters() })).lag_ms, null);
});

Deno.test("summary: the same figures for a person", () => {
  assert.equal(
    humanSummary(summarize(input()), "./x.db (sqlite)"),
    [
      "Wrote 100 events into ./x.db (sqlite) in 2.0 s (50/s), ended by count",
      "received 110, filtered 4, duplicates 3, dead letters 2, unsettled 1, retried 0",
      "gaps 0, reconnects 2, 5.0 MB received, lag 1.5 s",
      "app.bsky.feed.like 80, app.bsky.feed.post 20",
      "position 2026-01-01T00:00:00.000Z at h.example, seq 7",
    ].join("\n"),
  );
});

Deno.test("summary: collections, most first, whatever they are called", () => {
  const odd = input();
  odd.counters.collections.set("__proto__", 90).set("constructor", 1);
  assert.deepEqual(Object.entries(summarize(odd).collections), [
    ["__proto__", 90],
    ["app.bsky.feed.like", 80],
    ["app.bsky.feed.post", 20],
    ["constructor", 1],
  ]);
  assert.match(JSON.stringify(summarize(odd)), /"collections":\{"__proto__":90,"app\.bsky\.feed\.like":80,/);
});

Deno.test("summary: hosts side by side have a connection each, and the position of all together is told", () => {
  const race = { a: { first: 3, only: 1 }, b: { first: 97, only: 0 } };
  const several = input({
    stats: { bytesReceived: 1, connections: 3, connected: true, ignored: 0, host: undefined, race },
  });
  several.counters.cursors.set("jetstream:a", CURSOR.replace('"seq":7', '"seq":5'));
  const summary = summarize(several);
  assert.deepEqual([summary.reconnects, summary.race], [1, race]);
  const text = humanSummary(summary, "./x.db (sqlite)");
  assert.match(text, /^a: first with 3 events, alone with 1\nb: first with 97 events, alone with 0$/m);
  assert.match(text, /^position 2026-01-01T00:00:00.000Z at h.example, seq 7$/m);
});
