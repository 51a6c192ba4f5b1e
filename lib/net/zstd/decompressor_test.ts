import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { realTest } from "../../../tests/support/real_data.ts";
import { bombFrame, framesOf, storedFrame, withId } from "../../../tests/support/zstd_frames.ts";
import { openCompressor } from "./compressor.ts";
import { type Decompressor, openDecompressor } from "./decompressor.ts";
import { readFrameHeader } from "./header.ts";
import { V1_DICTIONARY_ID } from "./ids.ts";
import { PROBE } from "./node_zlib.ts";

const MiB = 2 ** 20;
const { dictionary, frame: good, text } = PROBE;
const V1_DICTIONARY = "legacy_subscribe.zdict";
const V2_DICTIONARY = "subscribe_events_20260811.zdict";

const open = (maxBytes = 32 * MiB): Promise<Decompressor> => openDecompressor({ dictionaries: [dictionary], maxBytes });

/** The frame is refused for this reason, and the good one decoded as ever. */
function refused({ decompress }: Decompressor, frame: Uint8Array, reason: string, message: RegExp): void {
  throws(() => decompress(frame), { name: "PoisonError", reason, message });
  equal(decompress(good).toString(), text);
}

function edited(frame: Uint8Array, at: number, byte: number): Buffer {
  const copy = Buffer.from(frame);
  copy[at < 0 ? copy.length + at : at]! ^= byte;
  return copy;
}

realTest(
  "J16: the 152 real frames decode to the lines of E, 146 of them with content size",
  [V1_DICTIONARY, "v1_zstd_frames.bin", "expected_v1.jsonl"],
  async ([path, frames, lines]) => {
    const expected = Deno.readTextFileSync(lines!).trimEnd().split("\n");
    using decompressor = await openDecompressor({ dictionaries: [Deno.readFileSync(path!)], maxBytes: 32 * MiB });
    deepEqual(decompressor.ids, [V1_DICTIONARY_ID]);
    const found = framesOf(Deno.readFileSync(frames!));
    deepEqual(found.map((frame) => decompressor.decompress(frame).toString()), expected);
    const sizes = found.map((frame) => readFrameHeader(frame).contentSize).filter((size) => size !== undefined);
    deepEqual([found.length, sizes.length], [152, 146]);
  },
);

realTest(
  "frames of a real 2026 server decode to what it sent as text, on both wires by one decompressor",
  [V1_DICTIONARY, V2_DICTIONARY, "golden_v2_zstd_frames.bin", "golden_v2.jsonl", "golden_v2server_v1wire_zstd.bin"]
    .concat("golden_v2server_v1wire.jsonl"),
  async ([v1, v2, ...files]) => {
    const dictionaries = [v1!, v2!].map((path) => Deno.readFileSync(path));
    using decompressor = await openDecompressor({ dictionaries, maxBytes: 32 * MiB });
    deepEqual(decompressor.ids, [1612007021, 20260811]);
    for (const [frames, lines] of [files.slice(0, 2), files.slice(2)]) {
      const texts = framesOf(Deno.readFileSync(frames!)).map((frame) => decompressor.decompress(frame).toString());
      deepEqual(texts, Deno.readTextFileSync(lines!).trimEnd().split("\n"));
    }
  },
);

realTest("J17: each real frame that is spoiled is refused, and the next one decodes", [
  V1_DICTIONARY,
  "v1_zstd_frames.bin",
  "expected_v1.jsonl",
], async ([path, frames, lines]) => {
  const expected = Deno.readTextFileSync(lines!).trimEnd().split("\n");
  using decompressor = await openDecompressor({ dictionaries: [Deno.readFileSync(path!)], maxBytes: 32 * MiB });
  const { decompress } = decompressor;
  for (const [i, frame] of framesOf(Deno.readFileSync(frames!)).entries()) {
    throws(() => decompress(withId(frame, 5, 6)), { name: "PoisonError", reason: "unknown_dictionary" });
    throws(() => decompress(edited(frame, -1, 0x80)), { name: "PoisonError", reason: "bad_checksum" });
    throws(() => decompress(frame.subarray(0, i % frame.length)), { name: "PoisonError", reason: "bad_frame" });
    equal(decompress(frame).toString(), expected[i]);
  }
});

Deno.test("J17: another dictionary's id is refused, and the message names both", async () => {
  using decompressor = await open();
  refused(decompressor, edited(good, 5, 6), "unknown_dictionary", /needs dictionary 7, there is 1$/);
  using without = await openDecompressor({ maxBytes: MiB });
  deepEqual(without.ids, []);
  throws(() => without.decompress(good), {
    reason: "unknown_dictionary",
    message: /needs dictionary 1, there is none$/,
  });
});

Deno.test("J17: a flipped bit of the checksum is refused, whichever it is", async () => {
  using decompressor = await open();
  for (let at = -4; at < 0; at++) {
    for (let bit = 0; bit < 8; bit++) refused(decompressor, edited(good, at, 1 << bit), "bad_checksum", /checksum/);
  }
});

Deno.test("J17: a frame that is cut off anywhere is refused", async () => {
  using decompressor = await open();
  for (let length = 0; length < good.length; length++) {
    refused(decompressor, good.subarray(0, length), "bad_frame", /magic number|cut off/);
  }
});

Deno.test("a frame with something behind it is refused, be it another frame", async () => {
  using decompressor = await open();
  refused(decompressor, Buffer.concat([good, Buffer.alloc(1)]), "bad_frame", /something follows/);
  refused(decompressor, Buffer.concat([good, good]), "bad_frame", /something follows/);
});

Deno.test("J17: headers that claim 4 GiB, and frames that become it, cost no memory", async () => {
  using decompressor = await open();
  const claims = Buffer.from("28b52ffde101000000000100000019000061", "hex");
  const bomb = bombFrame(32 * 1024, 1);
  // What the decompressor and the engine need once is there before measuring.
  for (let i = 0; i < 5; i++) refused(decompressor, bomb, "oversize", /more than 33554432 bytes/);
  const before = Deno.memoryUsage().rss;
  for (let i = 0; i < 40; i++) {
    refused(decompressor, claims, "oversize", /it has 4294967296 bytes, the limit is 33554432$/);
    refused(decompressor, bomb, "oversize", /more than 33554432 bytes/);
  }
  const grown = Deno.memoryUsage().rss - before;
  ok(grown < 64 * MiB, `${grown} bytes more`);
});

Deno.test("content up to the limit is decoded, one byte more is not, whether or not the header says so", async () => {
  using compressor = await openCompressor({ dictionary });
  const frame = compressor.compress(Buffer.alloc(300_000, "abcdefg"));
  const bomb = bombFrame(3, 1);
  for (const [whole, size] of [[frame, 300_000], [bomb, 3 * 128 * 1024]] as const) {
    using enough = await open(size);
    equal(enough.decompress(whole).length, size);
    using tight = await open(size - 1);
    throws(() => tight.decompress(whole), { name: "PoisonError", reason: "oversize" });
  }
});

Deno.test("a frame with another length than its header says is refused", async () => {
  using decompressor = await open();
  const stored = storedFrame("hello", 1);
  equal(decompressor.decompress(stored).toString(), "hello");
  refused(decompressor, edited(stored, 9, 5 ^ 6), "bad_frame", /less content/);
  refused(decompressor, edited(stored, 9, 5 ^ 4), "bad_frame", /cannot be|more content/);
});

Deno.test("a frame without a dictionary is decoded, with or without one at hand", async () => {
  const hello = Buffer.from("28b52ffd20052900 0068656c6c6f".replaceAll(" ", ""), "hex");
  using some = await open();
  equal(some.decompress(hello).toString(), "hello");
  using none = await openDecompressor({ maxBytes: 5 });
  equal(none.decompress(hello).toString(), "hello");
});

Deno.test("a large frame spoils no small one", async () => {
  using compressor = await openCompressor({ dictionary });
  using decompressor = await open();
  const content = Buffer.alloc(3 * MiB, "a fairly long text, again and again. ");
  const frame = compressor.compress(content);
  for (let i = 0; i < 3; i++) {
    equal(decompressor.decompress(frame).equals(content), true);
    equal(decompressor.decompress(good).toString(), text);
  }
});

Deno.test("bytes that are no dictionary, or a damaged one, cannot be used", async () => {
  const options = { maxBytes: MiB };
  await rejects(openDecompressor({ ...options, dictionaries: [Buffer.from("none")] }), { name: "ConfigError" });
  await rejects(openDecompressor({ ...options, dictionaries: [dictionary.subarray(0, 50)] }), { name: "ConfigError" });
});
