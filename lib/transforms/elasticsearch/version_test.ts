import assert from "node:assert/strict";
import fc from "fast-check";
import { SEED } from "../../../tests/support/pipeline_ends.ts";
import { commit } from "./test_events.ts";
import { commitMicros, RANK, revMicros, versionOf } from "./version.ts";

Deno.test("E22: the version text is exact beyond the integers that a number holds", () => {
  assert.equal(versionOf(1761827697123456, RANK.plain), "1804111561854418944");
  assert.equal(versionOf(1761827697123456, RANK.deleted), "1804111561854419712");
});

Deno.test("a version is a positive int64 whatever the time, and grows with time, then rank", () => {
  for (const us of [-1e18, -1, 0, NaN, 0.5, 1]) assert.equal(versionOf(us, RANK.plain), "1024");
  for (const us of [Number.MAX_SAFE_INTEGER, 2.5e17, Infinity]) {
    assert.equal(versionOf(us, RANK.deleted), String(2n ** 63n - 1024n + 768n));
  }
  const times = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 1 });
  fc.assert(
    fc.property(times, (us) => {
      const { plain, enriched, deleted } = RANK;
      const texts = [versionOf(us, plain), versionOf(us, enriched), versionOf(us, deleted), versionOf(us + 1, plain)];
      const numbers = texts.map(BigInt);
      assert.deepEqual(numbers, numbers.toSorted((a, b) => (a < b ? -1 : 1)));
      assert.equal(new Set(numbers).size, 4);
    }),
    { seed: SEED },
  );
});

Deno.test("E23: a rev more than ten minutes ahead of time_us is not believed", () => {
  const us = 1761827696789000;
  const [rev, limit] = ["3m4fxx2flkc2p", us - 600_000_000];
  assert.equal(revMicros(rev, us + 5), us);
  assert.equal(revMicros(rev, limit), us);
  assert.equal(revMicros(rev, limit - 1), limit - 1);
  assert.equal(revMicros(rev, us - 86_400_000_000), us - 86_400_000_000, "a day ahead");
  assert.equal(revMicros(rev, us + 86_400_000_000), us, "late is fine: a replay");
  for (const none of [undefined, "3k", "", 5]) assert.equal(revMicros(none, us), us);
});

Deno.test("a file's row without rev counts by the least of the times that are known", () => {
  const keyUs = 1761827696789000, rowUs = Date.parse("2025-10-30T12:39:00Z") * 1000;
  const micros = (changes: Parameters<typeof commit>[0], created_at?: string) =>
    commitMicros({
      ...commit({ rkey: "3m4fxx2flkc2p", time_us: keyUs + 5, ...changes }),
      enriched: { file: "f.db.zip", row: 1, ...(created_at && { created_at }) },
    });
  const later = "2025-10-30 12:39:00";
  assert.equal(micros({}, later), keyUs, "the key's");
  assert.equal(micros({ time_us: keyUs - 5 }, later), keyUs - 5, "time_us");
  assert.equal(micros({ time_us: rowUs + 9, rkey: "self" }, later), rowUs, "the row's");
  assert.equal(micros({ time_us: rowUs + 9000, rkey: "self" }, `${later}.005`), rowUs + 5000);
  assert.equal(micros({ time_us: keyUs, rkey: "self" }, "yesterday"), keyUs);
  assert.equal(micros({ time_us: keyUs, rkey: "self", rev: "no rev" }), keyUs);
  assert.equal(micros({ rev: "3m4fxx2ps6222" }, later), revMicros("3m4fxx2ps6222", keyUs + 5), "a rev comes first");
  assert.equal(micros({ operation: "delete" }, later), keyUs + 5, "a delete comes after what it deletes");
  assert.equal(commitMicros(commit({ rkey: "3m4fxx2flkc2p", time_us: keyUs + 5 })), keyUs + 5, "a live event");
});
