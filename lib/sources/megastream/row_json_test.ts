import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { startNumber } from "../../../tests/support/random.ts";
import { columnInferences, isObject, memberInferences, parsePost } from "./row_json.ts";

const INFERENCES = `{"text":{"a.b":{"x":0.5}},"inferences":{}}`;

Deno.test("inferences at the end of raw_post that repeat the column's are left out, however they are spaced", () => {
  const message = `{"message":{"kind":"x"}`;
  for (const name of [`,"inferences":`, `, "inferences": `, `,\n  "inferences" :\t`]) {
    deepEqual(parsePost(`${message}${name}${INFERENCES}}`, INFERENCES), { message: { kind: "x" } });
  }
});

Deno.test("inferences that are others, are elsewhere, or are not asked for stay", () => {
  const whole = `{"message":{},"inferences":${INFERENCES}}`;
  const parsed = { message: {}, inferences: JSON.parse(INFERENCES) };
  for (const column of [undefined, null, "{}", INFERENCES.replace("0.5", "0.50")]) {
    deepEqual(parsePost(whole, column), parsed);
  }
  for (
    const text of [
      `{"inferences":${INFERENCES},"message":{}}`,
      `{"message":{},"inference":${INFERENCES}}`,
      `{"message":{},"inferences":[${INFERENCES}]}`,
      `{"inferences":${INFERENCES}}`,
      `${whole} `,
      INFERENCES,
    ]
  ) deepEqual(parsePost(text, INFERENCES), JSON.parse(text));
});

Deno.test("raw_post is an object, or is not, whether its inferences are parsed or not", () => {
  const pieces = `{|}|[|]|"|\\|,|:|"message":{}|"a":1|"inferences":|,"inferences":|${INFERENCES}|{}| |\u00a0`.split(
    "|",
  );
  const members = [`"message":{}`, `"a":[1]`, `"b":"}"`, `"inferences":{}`, `"c":${INFERENCES}`];
  const text = fc.oneof(
    fc.array(fc.constantFrom(...pieces), { maxLength: 7 }).map((list) => list.join("")),
    fc.array(fc.constantFrom(...members), { maxLength: 3 }).map((list) => list.join()),
  );
  const name = fc.constantFrom(`,"inferences":`, `, "inferences" : `, `,\u00a0"inferences":`, `"inferences":`, ":");
  let left = 0;
  const property = fc.property(text, name, fc.constantFrom("{}", INFERENCES), (start, name, inferences) => {
    const whole = `{${start}${name}${inferences}}`;
    const found = parsePost(whole, inferences);
    // An object without a message is of no use: both are rejected for the same reason.
    if (found === undefined || Object.keys(found).length === 0) return equal(objectOf(whole)?.message, undefined);
    if (!("inferences" in found)) left++;
    deepEqual({ ...found, inferences }, { ...objectOf(whole), inferences });
  });
  fc.assert(property, { numRuns: 5000, seed: startNumber("raw_post") });
  ok(left > 200, `${left} times something was left out`);
});

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

Deno.test("inferences are the text of an object, or there are none, or they are bad", () => {
  for (const none of [undefined, null]) {
    equal(columnInferences(none), undefined);
    equal(memberInferences(none), undefined);
  }
  equal(columnInferences(' {"a" : 1}'), ' {"a" : 1}');
  equal(memberInferences({ a: 1 }), '{"a":1}');
  for (const bad of ["", "{", "[]", "null", 5, new Uint8Array(2)]) equal(columnInferences(bad), null);
  for (const bad of ["", "{}", [], 5, false]) equal(memberInferences(bad), null);
});
