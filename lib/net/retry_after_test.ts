import assert from "node:assert/strict";
import { retryAfterMs } from "./retry_after.ts";

Deno.test("Retry-After in seconds, as a date, and junk", () => {
  const now = Date.parse("2026-07-04T12:00:00Z");
  assert.equal(retryAfterMs("2", now), 2000);
  assert.equal(retryAfterMs(" 0 ", now), 0);
  assert.equal(retryAfterMs("Sat, 04 Jul 2026 12:00:30 GMT", now), 30_000);
  assert.equal(retryAfterMs("Sat, 04 Jul 2026 11:00:00 GMT", now), 0, "a date that has passed");
  for (const junk of [undefined, null, "", "soon", "-1", "1.5", "1e3"]) {
    assert.equal(retryAfterMs(junk, now), undefined, `${junk}`);
  }
});
