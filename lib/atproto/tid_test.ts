import assert from "node:assert/strict";
import fc from "fast-check";
import { SEED } from "../../tests/support/pipeline_ends.ts";
import { tidMicros } from "./tid.ts";

const DIGITS = "234567abcdefghijklmnopqrstuvwxyz";

/** The TID of a time and a clock, by the definition: 64 bits as 13 digits of base 32. */
function tidOf(us: number, clock: number): string {
  let rest = BigInt(us) * 1024n + BigInt(clock);
  let text = "";
  for (let i = 0; i < 13; i++, rest /= 32n) text = DIGITS[Number(rest % 32n)] + text;
  return text;
}

Deno.test("the time in a TID comes back, whatever the clock's number", () => {
  assert.equal(tidMicros("3m4fxx2flkc2p"), 1761827696789000);
  const times = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  fc.assert(
    fc.property(times, fc.integer({ min: 0, max: 1023 }), (us, clock) => {
      assert.equal(tidMicros(tidOf(us, clock)), us);
    }),
    { seed: SEED },
  );
});

Deno.test("what is no TID has no time", () => {
  const texts = ["", "self", "3m4fxx2flkc2", "3m4fxx2flkc2pp", "3m4fxx2flkc21", "3M4FXX2FLKC2P", "zzzzzzzzzzzzz"];
  for (const text of [...texts, "3m4fxx2flkc2\u0133", "3m4fxx2flkc2\u{1f600}".slice(0, 13), undefined, 7, null]) {
    assert.equal(tidMicros(text), undefined, String(text));
  }
});
