import assert from "node:assert/strict";
import fc from "fast-check";
import { closeFrame, createFrameBuffer, createFrameReader, type FrameError, OPCODE } from "./frames.ts";

/** A client's frame: as the server's, with a mask. */
function masked(opcode: number, payload: Uint8Array, final = true): Uint8Array {
  const size = payload.length;
  const length = size < 126
    ? [size]
    : size < 65_536
    ? [126, size >>> 8, size & 255]
    : [127, 0, 0, 0, 0, size >>> 24, size >>> 16 & 255, size >>> 8 & 255, size & 255];
  const mask = [7, 77, 177, 27];
  return Uint8Array.from([
    (final ? 0x80 : 0) | opcode,
    length[0]! | 0x80,
    ...length.slice(1),
    ...mask,
    ...payload.map((b, n) => b ^ mask[n & 3]!),
  ]);
}

Deno.test("client frames are put together, however the bytes arrive", () => {
  const message = fc.record({
    payload: fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constant(new Uint8Array(70_000).fill(9))),
    parts: fc.integer({ min: 1, max: 3 }),
    opcode: fc.constantFrom(OPCODE.text, OPCODE.binary),
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), fc.integer({ min: 1, max: 40_000 }), (messages, step) => {
      const bytes = messages.flatMap(({ payload, parts, opcode }) => {
        const size = Math.ceil(payload.length / parts);
        return Array.from({ length: parts }, (_, n) => [
          ...masked(n === 0 ? opcode : OPCODE.continuation, payload.slice(n * size, (n + 1) * size), n === parts - 1),
          ...n === 0 ? masked(OPCODE.ping, Uint8Array.of(n)) : [],
        ]).flat();
      });
      const read = createFrameReader(100_000);
      const got = [];
      for (let at = 0; at < bytes.length; at += step) got.push(...read(Uint8Array.from(bytes.slice(at, at + step))));
      const data = got.filter(({ opcode }) => opcode < OPCODE.close);
      assert.deepEqual(data, messages.map(({ opcode, payload }) => ({ opcode, payload: Uint8Array.from(payload) })));
      assert.equal(got.length - data.length, messages.length);
    }),
    { numRuns: 40 },
  );
});

Deno.test("a frame without a mask is 1002, a message that is too long 1009, in one piece or in several", () => {
  const code = (...frames: Uint8Array[]) => {
    const read = createFrameReader(10);
    try {
      for (const frame of frames) [...read(frame)];
    } catch (error) {
      return (error as FrameError).code;
    }
    return undefined;
  };
  assert.equal(code(Uint8Array.of(0x81, 1, 65)), 1002);
  assert.equal(code(masked(OPCODE.text, new Uint8Array(10))), undefined);
  assert.equal(code(masked(OPCODE.text, new Uint8Array(11))), 1009);
  assert.equal(
    code(masked(OPCODE.text, new Uint8Array(6), false), masked(OPCODE.continuation, new Uint8Array(6))),
    1009,
  );
});

Deno.test("server frames have the right length field at every size", () => {
  const buffer = createFrameBuffer(16);
  for (const size of [0, 1, 125, 126, 127, 65_535, 65_536, 1_100_000]) {
    buffer.text("ä".repeat(size >> 1) + "x".repeat(size & 1));
    const bytes = buffer.take().slice();
    const expected = size < 126 ? [0x81, size] : size < 65_536 ? [0x81, 126] : [0x81, 127];
    assert.deepEqual([...bytes.subarray(0, 2)], expected);
    const head = size < 126 ? 2 : size < 65_536 ? 4 : 10;
    const view = new DataView(bytes.buffer);
    if (head === 4) assert.equal(view.getUint16(2), size);
    if (head === 10) assert.equal(Number(view.getBigUint64(2)), size);
    assert.equal(bytes.length, head + size);
  }
});

Deno.test("a message above the limit is left out", () => {
  const buffer = createFrameBuffer();
  assert.equal(buffer.text("12345", 4), 0);
  assert.equal(buffer.size, 0);
  assert.equal(buffer.text("1234", 4), 4);
});

Deno.test("a close reason is cut to 123 bytes, between characters", () => {
  const bytes = closeFrame(1008, "é".repeat(100));
  assert.deepEqual([bytes[0], bytes[1]], [0x88, 124]);
  assert.equal(new TextDecoder().decode(bytes.subarray(4)), "é".repeat(61));
});
