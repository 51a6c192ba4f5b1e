import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { textOf } from "./text.ts";

Deno.test("a message that is not UTF-8 is told from one that holds U+FFFD", () => {
  assert.equal(textOf(Buffer.from("caf\u00e9 \u{1F600}")), "caf\u00e9 \u{1F600}");
  assert.equal(textOf(Buffer.from("a\uFFFDb")), "a\uFFFDb");
  assert.equal(textOf(Buffer.from("\uFEFFa")), "\uFEFFa");
  for (const bytes of [[0xff], [0x61, 0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
    assert.throws(() => textOf(Buffer.from(bytes)), TypeError);
  }
});
