import assert from "node:assert/strict";
import fc from "fast-check";
import { SEED } from "../../../tests/support/pipeline_ends.ts";
import { parseCreatedAt, timeText } from "./created_at.ts";
import { TIME_US } from "./test_events.ts";

const FALLBACK = "2025-11-26T19:04:43.593Z";
const fallback = { text: FALLBACK, us: TIME_US, flag: "fallback" };
const read = (text: unknown) => parseCreatedAt(text, TIME_US);

Deno.test("E72: what Elasticsearch takes for a date stays as the author wrote it", () => {
  const cases: [text: string, utc: string, micros?: number][] = [
    ["2025-10-30T12:34:56.789Z", "2025-10-30T12:34:56.789Z"],
    ["2025-10-30T14:34:56+02:00", "2025-10-30T12:34:56.000Z"],
    ["2025-10-30T12:34:56Z", "2025-10-30T12:34:56.000Z"],
    ["2025-10-30T12:34:56.7Z", "2025-10-30T12:34:56.700Z"],
    ["2025-10-30T12:34:56.123456789Z", "2025-10-30T12:34:56.123Z", 456],
    ["2025-10-30T12:34:56.9999999Z", "2025-10-30T12:34:56.999Z", 999],
    ["2025-10-30T00:00:00.5-18:00", "2025-10-30T18:00:00.500Z"],
    ["2024-02-29T23:59:59+18:00", "2024-02-29T05:59:59.000Z"],
    ["2000-02-29T00:00:00-00:00", "2000-02-29T00:00:00.000Z"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"],
    ["0099-12-31T00:00:00.001Z", "0099-12-31T00:00:00.001Z"],
    ["1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999Z", 999],
    ["9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999Z"],
  ];
  for (const [text, utc, micros = 0] of cases) {
    const result = read(text);
    assert.deepEqual(result, { text, us: Date.parse(utc) * 1000 + micros, flag: undefined }, text);
    assert.equal(timeText(result.us), utc);
  }
});

Deno.test("M8, M9, M10: layout classic keeps the author's text, UTC with milliseconds is cut from its time", () => {
  const cases = [
    ["2025-01-27T12:34:56Z", "2025-01-27T12:34:56.000Z"],
    ["2025-01-27T17:34:56+05:00", "2025-01-27T12:34:56.000Z"],
    ["2025-01-27T12:34:56.789123Z", "2025-01-27T12:34:56.789Z"],
    ["2025-01-27T12:34:56.9999Z", "2025-01-27T12:34:56.999Z"],
  ] as const;
  for (const [text, utc] of cases) {
    const created = read(text);
    assert.deepEqual([created.text, timeText(created.us), created.flag], [text, utc, undefined]);
  }
});

Deno.test("M11, M12: forms that are repaired", () => {
  const cases = [
    ["2025-01-27 12:34:56", "2025-01-27T12:34:56.000Z"],
    ["2025-01-27t12:34:56z", "2025-01-27T12:34:56.000Z"],
    ["2025-01-27T17:34:56+0500", "2025-01-27T12:34:56.000Z"],
    ["2025-01-27T24:00:00Z", "2025-01-28T00:00:00.000Z"],
    ["2025-01-27T23:59:60Z", "2025-01-28T00:00:00.000Z"],
  ] as const;
  for (const [text, utc] of cases) {
    assert.deepEqual(read(text), { text: utc, us: Date.parse(utc) * 1000, flag: "repaired" }, text);
  }
});

Deno.test("M13: what says nothing gives way to the event's time", () => {
  for (const text of ["", "not-a-date", "2025-02-30T00:00:00Z", 1737981296, "10000-01-01T00:00:00Z"]) {
    assert.deepEqual(read(text), fallback);
  }
});

Deno.test("what was clearly meant for a time is repaired", () => {
  const cases: [text: string, utc: string][] = [
    ["2025-10-30t12:34:56z", "2025-10-30T12:34:56.000Z"],
    [" \n2025-10-30T12:34:56Z\t", "2025-10-30T12:34:56.000Z"],
    ["2025-10-30 12:34:56Z", "2025-10-30T12:34:56.000Z"],
    ["2025-10-30T12:34:56+0130", "2025-10-30T11:04:56.000Z"],
    ["2025-10-30T12:34:56-03", "2025-10-30T15:34:56.000Z"],
    ["2025-10-30T12:34Z", "2025-10-30T12:34:00.000Z"],
    ["2025-10-30T12:34:56", "2025-10-30T12:34:56.000Z"],
    ["2025-10-30", "2025-10-30T00:00:00.000Z"],
    ["2025-10-30T12:34:56,78Z", "2025-10-30T12:34:56.780Z"],
    ["2025-10-30T12:34:56.Z", "2025-10-30T12:34:56.000Z"],
    ["2025-10-30T12:34:56.1239999999Z", "2025-10-30T12:34:56.123Z"],
    ["2025-12-31T24:00:00Z", "2026-01-01T00:00:00.000Z"],
    ["2025-12-31T24:00:00.000+01:00", "2025-12-31T23:00:00.000Z"],
    ["2025-12-31T23:59:60Z", "2026-01-01T00:00:00.000Z"],
    ["2025-12-31T23:59:60.25Z", "2026-01-01T00:00:00.250Z"],
    [" 2025-10-30 12:34-0330 ", "2025-10-30T16:04:00.000Z"],
    ["0050-10-30", "0050-10-30T00:00:00.000Z"],
  ];
  for (const [text, utc] of cases) {
    const { us, ...rest } = read(text);
    assert.deepEqual(rest, { text: utc, flag: "repaired" }, text);
    assert.equal(timeText(us), utc);
  }
});

Deno.test("E73: what says nothing gives way to the fallback", () => {
  const hopeless: unknown[] = [undefined, null, "", " ", "not-a-date", 1764183883, {}, [], true];
  const noDates = [
    ...["2025-02-29T12:00:00Z", "1900-02-29T00:00:00Z", "2025-13-01T00:00:00Z", "2025-00-01T00:00:00Z"],
    ...["2025-04-31T00:00:00Z", "2025-01-00T00:00:00Z", "2025-01-01T25:00:00Z", "2025-01-01T24:00:01Z"],
    ...["2025-01-01T24:01:00Z", "2025-01-01T24:00:00.1Z", "2025-01-01T12:60:00Z", "2025-01-01T12:00:61Z"],
    ...["2025-01-01T12:00:00+18:01", "2025-01-01T12:00:00-19:00", "2025-01-01T12:00:00+01:60"],
    ...["0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "-001-01-01T00:00:00Z", "9999-12-31T24:00:00Z"],
    ...["2025-01-01Z", "2025-01-01T", "2025-01-01T12", "2025-01-01T12:00:00 +01:00", "2025-1-1", "20250101"],
    ...["2025-01-01T12:00:00Z\u0000", "2025-01-01T12:00:00ZZ", "\u0662025-01-01", "Thu, 30 Oct 2025 12:34:56 GMT"],
  ];
  for (const text of [...hopeless, ...noDates]) assert.deepEqual(read(text), fallback, String(text));
});

Deno.test("E73: every real time in any zone is taken as it stands, and in UTC it is what Date says", () => {
  const range = { min: new Date("0001-01-02T00:00:00Z"), max: new Date("9999-12-30T00:00:00Z"), noInvalidDate: true };
  const digits = fc.string({ unit: fc.constantFrom(..."0123456789"), maxLength: 9 });
  fc.assert(
    fc.property(fc.date(range), digits, fc.integer({ min: -1080, max: 1080 }), (date, fraction, minutes) => {
      const size = Math.abs(minutes);
      const clock = [Math.floor(size / 60), size % 60].map((part) => String(part).padStart(2, "0")).join(":");
      const zone = minutes === 0 ? "Z" : `${minutes < 0 ? "-" : "+"}${clock}`;
      const local = date.toISOString().slice(0, 19);
      const text = `${local}${fraction && `.${fraction}`}${zone}`;
      const ms = Date.parse(`${local}Z`) - minutes * 60_000 + Number(fraction.padEnd(3, "0").slice(0, 3));
      const result = parseCreatedAt(text, 0);
      assert.equal(result.text, text);
      assert.equal(result.flag, undefined);
      assert.equal(timeText(result.us), new Date(ms).toISOString());
    }),
    { seed: SEED },
  );
});

Deno.test("E73: whatever the text, the answer is a time that is taken as it stands", () => {
  const noise = fc.oneof(
    fc.anything(),
    fc.string(),
    fc.stringMatching(/^ ?\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d([.,]\d{0,12})?)?([Zz]|[+-]\d\d(:?\d\d)?)?)? ?$/),
  );
  fc.assert(
    fc.property(noise, fc.maxSafeInteger(), (text, us) => {
      const result = parseCreatedAt(text, us);
      if (result.flag === undefined) assert.equal(result.text, text);
      else assert.match(result.text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      if (result.flag === "fallback") assert.equal(result.us, us);
      const again = parseCreatedAt(result.text, 0);
      assert.equal(again.flag, undefined);
      assert.equal(timeText(again.us), timeText(result.us));
    }),
    { numRuns: 1000, seed: SEED },
  );
});

Deno.test("times are cut to milliseconds, before 1970 too, and stay within four digits of a year", () => {
  assert.equal(timeText(TIME_US), FALLBACK);
  assert.equal(timeText(-1), "1969-12-31T23:59:59.999Z");
  assert.equal(timeText(9_000_000_000_000_999), new Date(9e12).toISOString());
  assert.equal(timeText(8.64e18), "9999-12-31T23:59:59.999Z");
  assert.equal(timeText(-8.64e18), "0001-01-01T00:00:00.000Z");
});
