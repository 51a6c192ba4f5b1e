import assert from "node:assert/strict";
import fc from "fast-check";
import { bytes, count, dateAndTime, percent, rate, share, short, span, visible } from "./text.ts";

Deno.test("W34: control, bidi and lone surrogate characters are written out, all others stay", () => {
  assert.equal(visible("a\u202Eb\u0000\n\u200B\uD800c"), "a\\u202eb\\u0000\\u000a\\u200b\\ud800c");
  assert.equal(visible("\u{E0041}"), "\\u{e0041}");
  assert.equal(visible("日本語 <é> 🦋 \\u0041"), "日本語 <é> 🦋 \\u0041");
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assert.doesNotMatch(visible(text), /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
    assert.equal(visible(visible(text)), visible(text));
  }));
});

Deno.test("figures: groups of three, one decimal where it says something, short for axes", () => {
  assert.deepEqual([count(1204331), count(0.6), rate(3.46), rate(0), rate(1204.4)], [
    "1,204,331",
    "1",
    "3.5",
    "0",
    "1,204",
  ]);
  assert.deepEqual([0, 950, 1250, 14e6, 2e9].map(short), ["0", "950", "1.3k", "14M", "2G"]);
  assert.deepEqual([0, 412, 18_240_000, 71e9].map(bytes), ["0 B", "412 B", "18.2 MB", "71.0 GB"]);
});

Deno.test("W25: a share has one decimal, and of nothing it is 0%", () => {
  assert.deepEqual([percent(93, 103), percent(0, 0), percent(1, 1)], ["90.3%", "0%", "100.0%"]);
  assert.deepEqual([share(1, 3000), share(1, 2000), share(0, 9), share(9, 9)], ["<0.1%", "0.1%", "0.0%", "100.0%"]);
});

Deno.test("spans: the largest unit of which there are two or more", () => {
  const spans = [-5, 412, 9960, 45_000, 119_000, 720_000, 130 * 60_000, 9 * 86_400_000];
  assert.deepEqual(spans.map(span), ["0.0 s", "0.4 s", "10.0 s", "45 s", "119 s", "12 min", "2 h", "9 days"]);
});

Deno.test("times: UTC or that of the place, and nothing for what is no time", () => {
  const ms = Date.parse("2026-11-21T19:04:31.999Z");
  assert.deepEqual(dateAndTime(ms, false), ["2026-11-21", "19:04:31"]);
  const here = new Date(ms);
  const two = (value: number) => String(value).padStart(2, "0");
  assert.equal(dateAndTime(ms, true)?.[1], [here.getHours(), here.getMinutes(), here.getSeconds()].map(two).join(":"));
  assert.deepEqual([dateAndTime(Number.NaN, false), dateAndTime(9e15, true)], [undefined, undefined]);
});
