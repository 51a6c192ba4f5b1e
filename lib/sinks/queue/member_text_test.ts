import assert from "node:assert/strict";
import fc from "fast-check";
import { memberText } from "./member_text.ts";

const head = (kind: string, more = "") =>
  `{"did":"did:plc:a","time_us":1783175888390226,${more}"kind":"${kind}","${kind}":`;

Deno.test("memberText: the object of the event, byte for byte", () => {
  for (const text of [`{}`, `{ "a" : 1.0, "b":"}\\"{\\\\" }`, `{"a":{"b":[{}]},"c":"\\\\"}`, `{"é":"\\u00e9\n"}`]) {
    assert.equal(memberText(`${head("commit")}${text}}`, "commit"), text);
    assert.equal(memberText(`${head("commit", '"cursor":7,')}${text}}`, "commit"), text);
  }
  const deep = `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`;
  assert.equal(memberText(`${head("identity")}${deep}}`, "identity"), deep);
});

Deno.test("memberText: another order, other members or another kind are left to a parser", () => {
  for (
    const text of [
      `${head("commit")}{},"x":1}`,
      `${head("commit")}{},"commit":{"a":1}}`,
      `${head("commit")}{} }`,
      `${head("commit")}[]}`,
      `${head("account")}{}}`,
      ` ${head("commit")}{}}`,
      `{"kind":"commit","did":"did:plc:a","time_us":1,"commit":{}}`,
      `{"did":"a","time_us":1,"kind":"commit","identity":{}}`,
      `{}`,
      ``,
    ]
  ) {
    assert.equal(memberText(text, "commit"), undefined, text);
  }
});

Deno.test("memberText: whatever the object is, it is found or left alone", () => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (value, did) => {
    const event = { did, time_us: 1, kind: "commit", commit: value };
    const found = memberText(JSON.stringify(event), "commit");
    if (found !== undefined) assert.deepEqual(JSON.parse(found), JSON.parse(JSON.stringify(value)));
    else assert.match(JSON.stringify(did), /\\/);
  }));
});

Deno.test("memberText: text that is cut or broken comes to an end", () => {
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom('"', "\\", "{", "}", "a") }), (text) => {
    memberText(head("commit") + text, "commit");
    memberText(`${head("commit")}{${text}`, "commit");
  }));
});
