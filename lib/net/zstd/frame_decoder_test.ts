import { deepEqual, equal, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { newFrameDecoder } from "./frame_decoder.ts";
import { readFrameHeader } from "./header.ts";
import { loadLibrary } from "./library.ts";

const decode = newFrameDecoder(undefined, 1 << 20);

/** A frame without size, dictionary and checksum, of blocks given as type and data in hex. */
function frameOf(...blocks: readonly [type: number, data: string][]): Buffer {
  const parts = blocks.map(([type, hex], i) => {
    const data = Buffer.from(hex.replaceAll(" ", ""), "hex");
    const head = Buffer.alloc(3);
    head.writeUIntLE(data.length << 3 | type << 1 | Number(i === blocks.length - 1), 0, 3);
    return Buffer.concat([head, data]);
  });
  return Buffer.concat([Buffer.from("28b52ffd0038", "hex"), ...parts]);
}

const decodeFrame = (frame: Buffer): Buffer => decode(frame, readFrameHeader(frame));
const EIGHT: [number, string] = [0, Buffer.from("abcdefgh").toString("hex")];
/** No literals, then this many sequences of one kind: three bytes by the offset before the last. They take no bits. */
const sequences = (count: number): [number, string] => {
  const rest = Buffer.alloc(2);
  rest.writeUInt16LE(count - 0x7f00);
  return [2, `00 ff ${rest.toString("hex")} 54 00 00 00 01`];
};

Deno.test("a block of 40,000 sequences, which take turns with two offsets", async () => {
  const frame = frameOf(EIGHT, sequences(40_000));
  const expected = Buffer.alloc(8 + 3 * 40_000, "abcdefgh".slice(0, 8));
  for (let i = 0, at = 8; i < 40_000; i++) {
    for (let j = 0; j < 3; j++, at++) expected[at] = expected[at - (i % 2 === 0 ? 4 : 1)]!;
  }
  equal(decodeFrame(frame).equals(expected), true);
  const library = await loadLibrary();
  equal(expected.equals(library.decompress(frame, { defaultHeapSize: 1 << 20 })), true);
});

Deno.test("blocks that make no sense are refused, each for its reason, and a good one is decoded after it", () => {
  const good = frameOf(EIGHT, [0, "69"]);
  for (
    const [frame, message] of [
      [frameOf(EIGHT, sequences(43_691)), /a block is too large/],
      [frameOf(sequences(40_000)), /an offset leads to nowhere/],
      [frameOf([2, "134000 01 00"]), /repeats a Huffman table that it does not have/],
      [frameOf([2, "00 01 c0 01"]), /repeats a table that it does not have/],
      [frameOf([2, "00 01 01 01"]), /a reserved bit is set/],
      [frameOf([2, "00 01 54 24 00 00 01"]), /a table has a wrong symbol/],
      [frameOf(EIGHT, [2, "00 01 54 00 1f 00 01"]), /sequences make no sense/],
      [frameOf(EIGHT, [2, "00 01 54 00 00 00 00"]), /no end mark/],
      [frameOf(EIGHT, [2, "00 01 54 00 00 00 02"]), /do not end where they should/],
      [frameOf([2, "00 00 00"]), /a rest that means nothing/],
      [frameOf([2, "08"]), /cut off/],
      [frameOf([2, "08 61"]), /cut off/],
      [frameOf([2, "24 02 61 00"]), /cut off/],
      [frameOf([2, "fdff3f 61 00"]), /too many literals/],
      [frameOf([3, "61"]), /block that cannot be/],
    ] as const
  ) {
    throws(() => decodeFrame(frame), { name: "PoisonError", reason: "bad_frame", message });
    equal(decodeFrame(good).toString(), "abcdefghi");
  }
});

Deno.test("literals as they are, and one of them many times, with lengths of every width", () => {
  const lengths = [[1, "09 61"], [31, "f9 61"], [32, "0502 61"], [4095, "f5ff 61"], [4096, "0d0001 61"]] as const;
  for (const [length, hex] of lengths) equal(decodeFrame(frameOf([2, `${hex} 00`])).toString(), "a".repeat(length));
  const text = "b".repeat(5000);
  const data = `8c3801 ${Buffer.from(text).toString("hex")} 00`;
  equal(decodeFrame(frameOf([2, data])).toString(), text);
  deepEqual([...decodeFrame(frameOf([2, "00 00"]))], []);
});
