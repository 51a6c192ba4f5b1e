import assert from "node:assert/strict";
import { countCollection } from "./counters.ts";

Deno.test("collections: 1,000 names are counted apart, what comes later under other", () => {
  const counts = new Map<string, number>();
  for (let i = 0; i < 10_000; i++) countCollection(counts, `a.b.c${i}`);
  countCollection(counts, "a.b.c0");
  assert.equal(counts.get("a.b.c0"), 2);
  assert.equal(counts.get("other"), 9000);
  assert.equal(counts.size, 1001);
  assert.equal([...counts.values()].reduce((sum, n) => sum + n, 0), 10_001);
});
