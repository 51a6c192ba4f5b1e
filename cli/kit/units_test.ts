import assert from "node:assert/strict";
import { parseDuration, parseSize, spanText } from "./units.ts";

Deno.test("durations have a unit, or the one that the option names", () => {
  const cases = {
    "500ms": 500,
    "30s": 30_000,
    "5m": 300_000,
    "2h": 7_200_000,
    "30d": 2_592_000_000,
    "1.5s": 1500,
    "7": 7000,
    " 7s ": 7000,
  };
  for (const [text, ms] of Object.entries(cases)) assert.equal(parseDuration(text), ms, text);
  assert.equal(parseDuration("7", "m"), 420_000);
  assert.equal(parseDuration("7", "ms"), 7);
});

Deno.test("what is no duration is refused", () => {
  for (const text of ["", "s", "-1s", "1 s", "1S", "1h30m", "5w", "1e3", "NaN", "Infinity", "99999999999999999d"]) {
    assert.equal(parseDuration(text), undefined, text);
  }
});

Deno.test("sizes are decimal or binary, bare numbers bytes", () => {
  const cases = {
    "0": 0,
    "64KiB": 65_536,
    "5MB": 5_000_000,
    "1GiB": 2 ** 30,
    "1.5kb": 1500,
    "12 B": 12,
    "2tib": 2 ** 41,
  };
  for (const [text, bytes] of Object.entries(cases)) assert.equal(parseSize(text), bytes, text);
  for (const text of ["", "B", "-1", "64K", "5 M B", "ib", "5ib", "1e3", "9999999999TB"]) {
    assert.equal(parseSize(text), undefined, text);
  }
});

Deno.test("spans are told in the largest unit of which there are two or more", () => {
  const texts = [0, 1500, 119_900, 120_000, 3_600_000, 7_200_000, 172_700_000, 172_800_000].map(spanText);
  assert.deepEqual(texts, ["0.0 s", "1.5 s", "119.9 s", "2 min", "60 min", "2 h", "48 h", "2 days"]);
});
