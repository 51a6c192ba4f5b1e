import assert from "node:assert/strict";
import { deflateRawSync, deflateSync } from "node:zlib";
import fc from "fast-check";
import { base85 } from "./test_vectors.ts";
import { SEED } from "../../../tests/support/pipeline_ends.ts";
import { decodeVector, type VectorFault } from "./codec.ts";

const bytesOf = (vector: Float32Array<ArrayBuffer>) => new Uint8Array(vector.buffer);
const textOf = (bytes: Uint8Array) => base85(deflateSync(bytes));

/** What {@link decodeVector} finds wrong. */
function fault(text: unknown, dims: number): VectorFault | undefined {
  const decoded = decodeVector(text, dims);
  return "reason" in decoded ? decoded.reason : undefined;
}

/** The numbers that it finds. */
function numbers(text: unknown, dims: number): number[] {
  const decoded = decodeVector(text, dims);
  assert.ok("vector" in decoded, JSON.stringify(decoded));
  return [...decoded.vector];
}

Deno.test("M5: the vectors of the specification", () => {
  assert.deepEqual(numbers("c${NkV6X=O07C#k", 1), [0.5]);
  assert.deepEqual(numbers("c${NkXs~BsU^u|Q&|n7u3_$`u", 3), [1, -2, 0.25]);
  assert.deepEqual(
    numbers("c%1wHzrLQ4fuVunLA^TzkOlxd-vy)", 4),
    [3.4028235e38, -1e-45, 65504, -0].map(Math.fround),
  );
  assert.equal(fault("c${Nkzz+ZbAOHa", 8), "zero");
  assert.equal(fault("c${NkI8YA&0s{d+", 1), "not_finite");
  assert.equal(fault("c${NkXsBmkXs`zW2EqZq", 2), "not_finite");
  assert.equal(fault("c${Nk00RI32LJ&<", 1), "length");
});

Deno.test("M6: floats come back bit by bit, compressed in whatever way", () => {
  const float = fc.float({ noNaN: true, noDefaultInfinity: true });
  const vector = fc.array(float, { minLength: 384, maxLength: 384 }).filter((all) => all.some((each) => each !== 0));
  fc.assert(
    fc.property(vector, fc.integer({ min: 0, max: 9 }), (values, level) => {
      const expected = Float32Array.from(values);
      const decoded = decodeVector(base85(deflateSync(bytesOf(expected), { level })), 384);
      assert.ok("vector" in decoded);
      assert.deepEqual(bytesOf(decoded.vector as Float32Array<ArrayBuffer>), bytesOf(expected));
    }),
    { numRuns: 30, seed: SEED },
  );
  const extremes = Float32Array.of(3.4028235e38, -3.4028235e38, 1e-45, -1e-45, 1.1754944e-38, 65504, 0, -0);
  assert.ok(numbers(textOf(bytesOf(extremes)), 8).every((value, i) => Object.is(value, extremes[i])));
  const largest = Float32Array.from({ length: 4096 }, (_, i) => Math.sin(i));
  assert.deepEqual(numbers(textOf(bytesOf(largest)), 4096), [...largest]);
});

Deno.test("M7: every fault of a vector has its reason", () => {
  const four = bytesOf(Float32Array.of(1, 2, 3, 4));
  const good = textOf(four);
  assert.equal(fault(good, 4), undefined);
  for (const text of [5, null, undefined, {}, [good], true]) assert.equal(fault(text, 4), "type");
  for (const text of ["~~~~~", "VE ", "c\n", "V", `${good} `]) assert.equal(fault(text, 4), "base85", text);
  const damaged = deflateSync(four);
  damaged[damaged.length - 1]! ^= 1;
  const noZlib = {
    "nothing": "",
    "no zlib": "VE",
    "cut off": good.slice(0, -5),
    "another checksum": base85(damaged),
    "bytes after the end": base85(new Uint8Array([...deflateSync(four), 0])),
    "two streams": base85(new Uint8Array([...deflateSync(four), ...deflateSync(four)])),
    "no header": base85(deflateRawSync(four)),
    "1 MB of zeros": textOf(new Uint8Array(1_000_000)),
    "a number more than fits": textOf(new Uint8Array(16_388)),
  };
  for (const [name, text] of Object.entries(noZlib)) assert.equal(fault(text, 4), "zlib", name);
  assert.equal(fault(textOf(new Uint8Array(7)), 4), "length");
  assert.equal(fault(textOf(new Uint8Array(0)), 4), "dims");
  assert.equal(fault(good, 384), "dims");
  assert.equal(fault(good, 3), "dims");
  for (const odd of [NaN, Infinity, -Infinity]) {
    assert.equal(fault(textOf(bytesOf(Float32Array.of(1, odd))), 2), "not_finite");
  }
  assert.equal(fault(textOf(bytesOf(Float32Array.of(0, -0))), 2), "zero");
});

Deno.test("M7: whatever the text, decoding never throws", () => {
  const noise = fc.oneof(fc.anything(), fc.string(), fc.uint8Array().map(base85), fc.uint8Array().map(textOf));
  fc.assert(
    fc.property(noise, fc.integer({ min: 1, max: 4 }), (text, dims) => {
      const decoded = decodeVector(text, dims);
      assert.ok("reason" in decoded || decoded.vector.length === dims);
    }),
    { numRuns: 500, seed: SEED },
  );
});
