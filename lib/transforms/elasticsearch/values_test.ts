import assert from "node:assert/strict";
import fc from "fast-check";
import { SEED } from "../../../tests/support/pipeline_ends.ts";
import { fitsInto, textOrNone } from "../../net/text.ts";
import { cleaner, cutTo, listIn, memberOf, textsOf } from "./values.ts";

Deno.test("texts are measured and cut by their bytes, between two code points", () => {
  assert.ok(fitsInto("aé€", 6) && !fitsInto("aé€", 5));
  assert.equal(cutTo("aé€", 5), "aé");
  assert.equal(cutTo("ab\u{1f600}c", 5), "ab");
  assert.equal(cutTo("ab\u{1f600}c", 6), "ab\u{1f600}");
  const text = fc.string({ unit: "grapheme", maxLength: 60 });
  fc.assert(
    fc.property(text, fc.integer({ min: 0, max: 120 }), (text, bytes) => {
      const cut = cutTo(text, bytes);
      const next = String.fromCodePoint(text.codePointAt(cut.length) ?? 0);
      assert.ok(text.startsWith(cut) && fitsInto(cut, bytes));
      assert.ok(cut === text || !fitsInto(cut + next, bytes), "nothing that fits is lost");
    }),
    { seed: SEED },
  );
});

Deno.test("members of anything, texts of anything", () => {
  for (const value of [null, undefined, 5, "text", [], {}]) assert.equal(memberOf(value, "uri"), undefined);
  assert.equal(memberOf({ uri: 5 }, "uri"), 5);
  for (const value of ["", 5, null, {}, undefined]) assert.equal(textOrNone(value), undefined);
  assert.equal(textOrNone("a"), "a");
});

Deno.test("lists of anything, and the texts in them", () => {
  for (const value of [null, undefined, 5, "text", {}, [[]]]) assert.deepEqual(listIn(value, "tags"), []);
  assert.deepEqual(listIn({ tags: [5, "a"] }, "tags"), [5, "a"]);
  let cuts = 0;
  const clean = cleaner(() => cuts++);
  for (const value of [null, "text", {}, 5]) assert.deepEqual(textsOf(value, clean), []);
  assert.deepEqual(textsOf(["a", "", 5, null, ["b"], "c\ud800"], clean), ["a", "c\ufffd"]);
  assert.equal(cuts, 0);
  assert.deepEqual(textsOf(["x".repeat(40_000)], clean), ["x".repeat(32 * 1024)]);
  assert.equal(cuts, 1);
});
