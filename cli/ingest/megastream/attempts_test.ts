import assert from "node:assert/strict";
import type { FileEntry } from "../../../lib/state/processed_files.ts";
import { type AttemptOptions, nextAttempt } from "./attempts.ts";

const T = Date.parse("2025-10-21T07:00:00Z");
const MINUTE = 60_000;

const failed = (attempts: number): FileEntry => ({
  filename: "x",
  status: "failed",
  timestamp: new Date(T).toISOString(),
  attempts,
});

const spool = { maxAttempts: 0, retryFailed: false, intervalMs: MINUTE, now: T };
const once: AttemptOptions = { ...spool, intervalMs: undefined };

Deno.test("M48: a bad file is tried again after 1, 2, 4 ... intervals, at most an hour", () => {
  const due = [[1, 1], [2, 2], [3, 4], [6, 32], [7, 60], [40, 60], [2000, 60]];
  for (const [attempts, minutes] of due) {
    const at = (ms: number) => nextAttempt(failed(attempts!), { ...spool, now: T + ms });
    assert.equal(at(minutes! * MINUTE - 1), "later");
    assert.equal(at(minutes! * MINUTE), "now");
  }
});

Deno.test("M48: attempts are used up after --max-attempts, until --retry-failed; 0 is no limit", () => {
  const late = { ...spool, now: T + 1e9 };
  assert.equal(nextAttempt(failed(2), { ...late, maxAttempts: 3 }), "now");
  assert.equal(nextAttempt(failed(3), { ...late, maxAttempts: 3 }), "never");
  assert.equal(nextAttempt(failed(3), { ...spool, maxAttempts: 3, retryFailed: true }), "now");
  assert.equal(nextAttempt(failed(300), late), "now");
});

Deno.test("with one pass only, whatever may be tried is tried now", () => {
  assert.equal(nextAttempt(failed(1), once), "now");
  assert.equal(nextAttempt(failed(3), { ...once, maxAttempts: 3 }), "never");
});

Deno.test("M49: files that never failed, were begun, or failed under early ingex are tried at once", () => {
  const { attempts: _, ...early } = failed(1);
  assert.equal(nextAttempt(undefined, { ...spool, maxAttempts: 1 }), "now");
  assert.equal(nextAttempt(early, { ...spool, maxAttempts: 1 }), "now");
  assert.equal(nextAttempt({ ...failed(4), status: "partial" }, { ...spool, maxAttempts: 3 }), "now");
});

Deno.test("a clock that was set back, or a time that is none, holds nothing up", () => {
  assert.equal(nextAttempt(failed(1), { ...spool, now: T - 1 }), "now");
  assert.equal(nextAttempt({ ...failed(1), timestamp: "yesterday" }, spool), "now");
});
