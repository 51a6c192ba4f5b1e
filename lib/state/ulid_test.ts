import assert from "node:assert/strict";
import { ulids } from "./ulid.ts";

Deno.test("a ULID has 26 characters of Crockford's alphabet, the first ten are the time", () => {
  const id = ulids(() => 1469918176385)();
  assert.match(id, /^[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.equal(id.slice(0, 10), "01ARYZ6S41"); // the example of the specification
});

Deno.test("ULIDs grow within a millisecond and when the clock goes back", () => {
  const times = [5000, 5000, 5000, 4000, 1000, 5001];
  let i = 0;
  const next = ulids(() => times[i++]!);
  const ids = times.map(next);
  assert.deepEqual(ids, [...ids].sort());
  assert.equal(new Set(ids).size, times.length);
});
