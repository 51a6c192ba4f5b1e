import assert from "node:assert/strict";
import { createCounters } from "../../../lib/pipeline/counters.ts";
import { captureSummary, type SummaryInput } from "./summary.ts";

const input: SummaryInput = {
  counters: {
    ...createCounters(),
    received: 160,
    written: 152,
    counted: 150,
    collections: new Map([["b.post", 140], ["a.like", 10]]),
    lastWrittenUs: 1783175888390226,
  },
  ignored: 2,
  queueLength: 2,
  dryRun: false,
  limit: 1000,
  hasEnd: false,
  endedBy: "time",
  durationMs: 4000,
};

Deno.test("the summary has the members of the MET connector's", () => {
  const { members, lines, failed } = captureSummary(input);
  assert.deepEqual(members, {
    records_stored: 152,
    records_counted: 150,
    messages_received: 162,
    total_time: 4,
    records_per_second: 38,
    collections: ["a.like", "b.post"],
    target_reached: false,
    latest_cursor: "1783175888390226",
    queue_length: 2,
    current_date: "2026-07-04",
    end_cursor_reached: null,
  });
  assert.deepEqual(lines, ["counted 150 of 1,000, 2 rows in the queue", "b.post 140, a.like 10"]);
  assert.equal(failed, false);
});

Deno.test("nothing was read: no cursor, no date, no rate; -n 0 is never reached", () => {
  const { members, lines } = captureSummary({ ...input, counters: undefined, queueLength: undefined, limit: 0 });
  const { latest_cursor, current_date, queue_length, records_per_second, target_reached } = members;
  assert.deepEqual(
    [latest_cursor, current_date, queue_length, records_per_second, target_reached],
    [null, null, null, 0, false],
  );
  assert.deepEqual(lines, ["counted 0"]);
});

Deno.test("the end of -e is reached where the run ended by it, and by nothing else", () => {
  const reached = (endedBy: SummaryInput["endedBy"]) =>
    captureSummary({ ...input, hasEnd: true, endedBy }).members.end_cursor_reached;
  assert.deepEqual([reached("end"), reached("count")], [true, false]);
});

Deno.test("in a dry run nothing is stored, and what would count counts", () => {
  const { members } = captureSummary({ ...input, dryRun: true, limit: 150 });
  const { records_stored, records_counted, records_per_second, target_reached } = members;
  assert.deepEqual([records_stored, records_counted, records_per_second, target_reached], [0, 150, 0, true]);
});
