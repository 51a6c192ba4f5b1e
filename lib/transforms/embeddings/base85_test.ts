import assert from "node:assert/strict";
import fc from "fast-check";
import { base85 } from "./test_vectors.ts";
import { SEED } from "../../../tests/support/pipeline_ends.ts";
import { decodeBase85 } from "./base85.ts";

Deno.test("M5: the texts of the specification, both ways", () => {
  const pairs = [
    ["", ""],
    ["a", "VE"],
    ["at", "VRQ"],
    ["atp", "VRUc"],
    ["repo", "a%FID"],
    ["rkey5", "a%*LIH2"],
    ["bskyingest", "VsmSGX>Mm_b94"],
  ] as const;
  for (const [bytes, text] of pairs) {
    assert.equal(new TextDecoder().decode(decodeBase85(text)), bytes);
    assert.equal(base85(new TextEncoder().encode(bytes)), text);
  }
  assert.deepEqual(decodeBase85("|NsC0"), Uint8Array.of(255, 255, 255, 255), "the last group that fits");
});

Deno.test("M6: bytes come back, as many as there were", () => {
  const bytes = fc.uint8Array({ maxLength: 40 });
  fc.assert(fc.property(bytes, (bytes) => assert.deepEqual(decodeBase85(base85(bytes)), bytes)), { seed: SEED });
  for (let length = 0; length <= 9; length++) {
    const full = new Uint8Array(length).fill(255);
    assert.deepEqual(decodeBase85(base85(full)), full);
  }
});

Deno.test("M7: what is no base85", () => {
  for (const text of ["~~~~~", "|NsC1", "VRUc~~~~~~", "|~"]) {
    assert.equal(decodeBase85(text), undefined, `${text} overflows`);
  }
  for (const text of ["VE ", "c\n", "c\\kQ1", '"E', "V/", "VE,", "V.", "V'", "[E", "]E", ":E", "VÀ", "V\u0100", "😀"]) {
    assert.equal(decodeBase85(text), undefined, `${JSON.stringify(text)} has another character`);
  }
  for (const text of ["V", "a%FIDV"]) assert.equal(decodeBase85(text), undefined, `${text} has one left over`);
});
