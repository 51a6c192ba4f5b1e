import { deepEqual } from "node:assert/strict";
import { Beginning } from "./beginning.ts";

Deno.test("a source begins until something of what it read is saved, and from then on goes on", () => {
  const beginning = new Beginning();
  const saved = ["1000", "1000", "500", "700", "1000", undefined];
  deepEqual(saved.map((each) => beginning.isAt(each)), [true, true, false, false, true, false]);
  const first = new Beginning();
  deepEqual([first.isAt(undefined), first.isAt("5"), first.isAt(undefined)], [true, false, true]);
});
