import assert from "node:assert/strict";
import { cell, cellsOf, fit } from "./text_width.ts";

Deno.test("a text is cut to the cells that there are, wide characters count twice", () => {
  assert.deepEqual(["abc", "日本", "é", "e\u0301", "🦋"].map(cellsOf), [3, 4, 1, 1, 2]);
  assert.deepEqual([fit("abcdef", 6), fit("abcdef", 4), fit("日本語", 4), fit("abc", 0)], [
    "abcdef",
    "abc…",
    "日…",
    "",
  ]);
  assert.deepEqual([cell("ab", 4), cell("ab", 4, "right"), cell("日本語", 4)], ["ab  ", "  ab", "日… "]);
});

Deno.test("control characters from outside are written out", () => {
  assert.equal(fit("a\x1b[2Jb\u202E", 40), "a\\u001b[2Jb\\u202e");
});
