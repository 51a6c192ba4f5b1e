import assert from "node:assert/strict";
import fc from "fast-check";
import { microsOf, microsToText, parseTimestamp } from "./time.ts";

Deno.test("J3, J4: times as users write them are UTC", () => {
  const zone = Deno.env.get("TZ");
  Deno.env.set("TZ", "America/New_York");
  try {
    assert.equal(parseTimestamp("2024-01-01"), 1704067200000000);
    assert.equal(parseTimestamp("2023-04-15-10:30:45"), 1681554645000000);
    assert.equal(parseTimestamp("2024-12-31-23:59:59"), 1735689599000000);
    assert.equal(parseTimestamp("1970-01-01"), 0);
  } finally {
    if (zone === undefined) Deno.env.delete("TZ");
    else Deno.env.set("TZ", zone);
  }
});

Deno.test("J5: only the documented forms are times, and only days that exist", () => {
  const bad = ["2023-1-1", "2023/01/01", "2023-02-30", "2023-01-01T00:00:00", "2023-13-01", "2023-01-01-25:00:00"];
  const more = ["", "now", "2023", "1704067200", "2023-02-30T00:00:00Z", "2023-01-01 ", "2023-01-01-10:30"];
  for (const text of [...bad, ...more]) assert.equal(parseTimestamp(text), undefined, text);
  assert.equal(parseTimestamp("2023-01-01T00:00:00+01:00"), 1672527600000000);
  assert.equal(parseTimestamp("2023-01-01T00:00:00.250Z"), 1672531200250000);
  assert.equal(parseTimestamp("2024-02-29"), 1709164800000000);
});

Deno.test("microsOf keeps six digits and refuses other forms", () => {
  assert.equal(microsOf("2026-11-21T03:28:01.745408Z"), 1795231681745408);
  assert.equal(microsOf("2026-11-21T03:28:01Z"), 1795231681000000);
  assert.equal(microsOf("2026-11-21T03:28:01.7454089Z"), 1795231681745408);
  for (const text of ["", "2026-11-21", "2026-11-21T03:28:01", "2026-11-21T03:28:01+00:00", "2026-13-21T03:28:01Z"]) {
    assert.equal(microsOf(text), undefined, text);
  }
});

Deno.test("a time printed is the time that is read", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 4e15 }), (us) => {
    const text = microsToText(us);
    assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    assert.equal(microsOf(text), us);
  }));
});
