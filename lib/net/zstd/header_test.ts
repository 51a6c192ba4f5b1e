import { deepEqual, equal, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { isZstdFrame, readBlockHeader, readFrameHeader } from "./header.ts";

const bytes = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(" ", ""), "hex");
const BAD = { name: "PoisonError", reason: "bad_frame" };

Deno.test("a frame is known by its magic number", () => {
  equal(isZstdFrame(bytes("28b52ffd")), true);
  equal(isZstdFrame(bytes("28b52f")), false);
  equal(isZstdFrame(bytes("7b226469")), false);
  equal(isZstdFrame(bytes("50 2a4d 18 00000000")), false, "a skippable frame");
});

Deno.test("the header of a server's frame: dictionary, size in two bytes, checksum", () => {
  deepEqual(readFrameHeader(bytes("28b52ffd 47 00 6d461560 f600")), {
    dictionaryId: 1612007021,
    contentSize: 0xf6 + 256,
    checksum: true,
    windowSize: 1024,
    length: 12,
  });
});

Deno.test("the header of a small frame says no size", () => {
  const { contentSize, dictionaryId, length } = readFrameHeader(bytes("28b52ffd 07 00 6d461560"));
  deepEqual({ contentSize, dictionaryId, length }, { contentSize: undefined, dictionaryId: 1612007021, length: 10 });
});

Deno.test("headers of every width", () => {
  const read = (hex: string) => {
    const { dictionaryId, contentSize, windowSize, length, checksum } = readFrameHeader(bytes(`28b52ffd${hex}`));
    return [dictionaryId, contentSize, windowSize, length, checksum];
  };
  deepEqual(read("20 05"), [0, 5, 5, 6, false]);
  deepEqual(read("21 07 05"), [7, 5, 5, 7, false]);
  deepEqual(read("62 0201 0000"), [0x102, 256, 256, 9, false]);
  deepEqual(read("a4 00000100"), [0, 65536, 65536, 9, true]);
  deepEqual(read("e0 0000000001000000"), [0, 2 ** 32, 2 ** 32, 13, false]);
  deepEqual(read("00 0a"), [0, undefined, 1024 * 2 + 2 * 256, 6, false]);
  deepEqual(read("00 ff"), [0, undefined, 2 ** 41 + 7 * 2 ** 38, 6, false]);
});

Deno.test("what is no frame, or ends within the header, is a bad frame", () => {
  throws(() => readFrameHeader(bytes("7b7d")), { ...BAD, message: /magic number/ });
  throws(() => readFrameHeader(bytes("28b52ffd 28 05")), { ...BAD, message: /reserved bit/ });
  const whole = bytes("28b52ffd c7 00 6d461560 f600000000000000");
  equal(readFrameHeader(whole).length, whole.length);
  for (let length = 4; length < whole.length; length++) {
    throws(() => readFrameHeader(whole.subarray(0, length)), { ...BAD, message: /header is cut off/ });
  }
});

Deno.test("the header of a block", () => {
  deepEqual(readBlockHeader(bytes("180000 616263"), 0, 1024), { type: "raw", size: 3, last: false, start: 3, end: 6 });
  deepEqual(readBlockHeader(bytes("00 1b0000 61"), 1, 1024), {
    type: "repeated",
    size: 3,
    last: true,
    start: 4,
    end: 5,
  });
  throws(() => readBlockHeader(bytes("180000 6162"), 0, 1024), { ...BAD, message: /cut off/ });
  throws(() => readBlockHeader(bytes("1800"), 0, 1024), { ...BAD, message: /cut off/ });
  throws(() => readBlockHeader(bytes("180000 616263"), 0, 2), { ...BAD, message: /cannot be/ });
  throws(() => readBlockHeader(bytes("1f0000 616263"), 0, 1024), { ...BAD, message: /cannot be/ });
});
