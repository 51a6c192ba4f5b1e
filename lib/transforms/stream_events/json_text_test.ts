import assert from "node:assert/strict";
import fc from "fast-check";
import { jsonText } from "./json_text.ts";

Deno.test("plain text is what JSON.stringify makes", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.equal(jsonText(value), JSON.stringify(value))));
  assert.equal(jsonText({ a: undefined, b: [1] }), '{"b":[1]}');
});

Deno.test("text in the style of rsky means the same, its members sorted at every depth", () => {
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value)); // there is no -0 in JSON
  fc.assert(
    fc.property(fc.jsonValue(), (value) => assert.deepEqual(JSON.parse(jsonText(value, "rsky")), plain(value))),
  );
  assert.equal(jsonText({ b: [{ d: 1, c: 2 }], a: {} }, "rsky"), '{"a":{},"b":[{"c":2,"d":1}]}');
  assert.equal(jsonText({ $bytes: "AQL/", more: 1 }, "rsky"), '{"$bytes":"AQL/","more":1}');
});

Deno.test("depth is no limit", () => {
  const deep = JSON.parse(`${'{"a":['.repeat(50_000)}1${"]}".repeat(50_000)}`);
  assert.equal(jsonText(deep, "rsky").length, 50_000 * 8 + 1);
});
