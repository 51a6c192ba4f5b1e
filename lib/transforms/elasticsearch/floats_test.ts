import assert from "node:assert/strict";
import fc from "fast-check";
import { SEED } from "../../../tests/support/pipeline_ends.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { floatText, vectorText } from "./floats.ts";

/** Checks a vector's text: every number gives its float back, and none with fewer digits would. */
function check(vector: Float32Array): void {
  const text = vectorText(vector);
  const numbers: number[] = JSON.parse(text);
  assert.equal(numbers.length, vector.length);
  const texts = text.slice(1, -1).split(",");
  numbers.forEach((number, i) => {
    const value = vector[i]!;
    assert.ok(Object.is(Math.fround(number), value), `${texts[i]} for ${value}`);
    assert.equal(String(number), number === 0 ? "0" : texts[i], "as JSON.stringify prints it");
    const digits = number.toExponential().replace(/e.*|\D/g, "").length;
    const fewer = digits > 1 ? Number(value.toPrecision(digits - 1)) : NaN;
    assert.notEqual(Math.fround(fewer), value, `${texts[i]} could be ${fewer}`);
  });
}

Deno.test("E14: float32 0.1 is written 0.1", () => {
  assert.equal(vectorText(Float32Array.of(0.1)), "[0.1]");
  assert.equal(vectorText(Float32Array.of(0.1, -0.2, 0.3333333, 16777216)), "[0.1,-0.2,0.3333333,16777216]");
  assert.equal(vectorText(Float32Array.of(0.5, -0.25, 1, 65504, 0, -0)), "[0.5,-0.25,1,65504,0,-0]");
  assert.equal(vectorText(Float32Array.of(3.4028235e38, -1e-45, 0.99999994)), "[3.4028235e+38,-1e-45,0.99999994]");
  assert.equal(vectorText(Float32Array.of(-123456790519087104000, 1e-6)), "[-123456790000000000000,0.000001]");
  assert.equal(vectorText(new Float32Array()), "[]");
});

Deno.test("E14: every written number gives its float32 back, and is the shortest that does", () => {
  const vector = fc.float32Array({ noNaN: true, noDefaultInfinity: true, maxLength: 20 });
  fc.assert(fc.property(vector, check), { numRuns: 500, seed: SEED });
  const likeEmbeddings = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { maxLength: 20 });
  fc.assert(fc.property(likeEmbeddings, (numbers) => check(Float32Array.from(numbers))), { numRuns: 500, seed: SEED });
});

Deno.test("E14: every float16 number, all by the table", () => {
  const halves = new Float16Array(new Uint16Array(65_536).map((_, i) => i).buffer).filter(Number.isFinite);
  assert.equal(halves.length, 65_536 - 2 * 1024);
  check(Float32Array.from(halves));
  check(Float32Array.from(halves) /* filled now */);
});

Deno.test("E14: the floats around every power of ten and of two", () => {
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  const numbers: number[] = [];
  for (let exponent = -44; exponent < 39; exponent++) numbers.push(Math.fround(Number(`1e${exponent}`)));
  for (let exponent = -126; exponent < 128; exponent++) numbers.push(2 ** exponent);
  const around = numbers.flatMap((number) =>
    [-1, 0, 1].map((step) => {
      float[0] = number;
      bits[0]! += step;
      return float[0]!;
    })
  );
  check(Float32Array.from(around));
});

Deno.test("a vector that is part of a larger buffer", () => {
  const whole = Float32Array.of(9, 0.1, 0.7, 9);
  assert.equal(vectorText(whole.subarray(1, 3)), "[0.1,0.7]");
});

Deno.test("E34: NaN and infinities are refused, in vectors of both sorts", () => {
  const refused = (error: unknown) => error instanceof PoisonError && error.reason === "not_finite";
  for (const value of [NaN, Infinity, -Infinity]) {
    assert.throws(() => floatText(value), refused);
    assert.throws(() => vectorText(Float32Array.of(0.5, value)), refused);
    assert.throws(() => vectorText(Float32Array.of(0.1, value)), refused);
  }
});
