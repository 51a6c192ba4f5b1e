import assert from "node:assert/strict";
import { DeadRatio } from "./dead_ratio.ts";
import { DeadRatioError } from "./errors.ts";

Deno.test("the share is looked at once there are enough items, and is that of the last 1,000", () => {
  for (const least of [100, 1000]) {
    const ratio = new DeadRatio(0.05, { least });
    for (let i = 1; i < least; i++) ratio.note(1, 1);
    assert.throws(() => ratio.note(1, 0), DeadRatioError, `${least}`);
  }
  const ratio = new DeadRatio(0.05, { least: 100 });
  for (let i = 0; i < 2000; i++) ratio.note(1, i % 21 === 20 ? 1 : 0);
  for (let i = 0; i < 2; i++) ratio.note(1, 1);
  assert.throws(() => {
    for (let i = 0; i < 50; i++) ratio.note(1, 1);
  }, /of the last 1000 events/);
});
