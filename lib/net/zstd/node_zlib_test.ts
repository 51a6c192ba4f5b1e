import { equal, ok, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { zstdDecompressSync } from "node:zlib";
import { bombFrame } from "../../../tests/support/zstd_frames.ts";
import { openDecompressor } from "./decompressor.ts";
import { chooseZlib, honoursDictionaries, PROBE, type ZlibDecompress } from "./node_zlib.ts";

const { dictionary, frame, text } = PROBE;
/** A function as `node:zlib` may have one some day. */
const honest: ZlibDecompress = (_, options) => Buffer.from(options.dictionary === undefined ? "" : text);
/** A clock by which the first work takes this long, and the second one, our decoder's, 10. */
const clockOf = (theirs: number) => {
  const times = [10, theirs];
  return (work: () => void) => {
    work();
    return times.pop()!;
  };
};

/** Opens with this function, and keeps what it was called with. */
async function openWith(zlib: ZlibDecompress, maxBytes = 1 << 20) {
  const calls: { chunkSize: number; maxOutputLength: number }[] = [];
  const decompressor = await openDecompressor({
    dictionaries: [dictionary],
    maxBytes,
    zlib: (frame, options) => {
      calls.push(options);
      return zlib(frame, options);
    },
  });
  return { calls, decompressor };
}

Deno.test("node:zlib of Deno 2.9.6 does not honour dictionaries, and is not used", async () => {
  equal(honoursDictionaries(zstdDecompressSync as ZlibDecompress), false);
  equal(chooseZlib(zstdDecompressSync as ZlibDecompress), undefined);
  using decompressor = await openDecompressor({ dictionaries: [dictionary], maxBytes: 1 << 20 });
  equal(decompressor.decompress(frame).toString(), text);
});

Deno.test("the choice follows the test: a zlib is taken if it honours dictionaries and is the faster one", () => {
  equal(chooseZlib(honest, clockOf(9)), honest);
  equal(chooseZlib(honest, clockOf(11)), undefined);
  const ignoring: ZlibDecompress = () => Buffer.from('{"kind": "plum"');
  equal(chooseZlib(ignoring, clockOf(9)), undefined);
  const refusing: ZlibDecompress = () => {
    throw new Error("Dictionary mismatch");
  };
  equal(chooseZlib(refusing, clockOf(9)), undefined);
});

Deno.test("by its own clock, a zlib that takes 200 us a frame is not taken", () => {
  const slow: ZlibDecompress = (input, options) => {
    for (const until = performance.now() + 0.2; performance.now() < until;);
    return honest(input, options);
  };
  equal(chooseZlib(slow), undefined);
});

Deno.test("a zlib that was chosen decodes, with a chunk that the frame cannot exceed", async () => {
  const { calls, decompressor } = await openWith(honest);
  equal(decompressor.decompress(frame).toString(), text);
  equal(calls.length, 1);
  ok(calls[0]!.chunkSize > text.length && calls[0]!.maxOutputLength > text.length);
});

Deno.test("zlib never sees a frame that could outgrow its chunk, is cut off, or has something behind it", async () => {
  const { calls, decompressor } = await openWith(honest);
  throws(() => decompressor.decompress(bombFrame(100, 1)), { name: "PoisonError", reason: "oversize" });
  throws(() => decompressor.decompress(frame.subarray(0, -1)), { name: "PoisonError", reason: "bad_frame" });
  throws(() => decompressor.decompress(Buffer.concat([frame, frame])), { name: "PoisonError", reason: "bad_frame" });
  equal(calls.length, 0);
});

Deno.test("what zlib throws, and content of another length, is the frame's fault", async () => {
  let answer: () => Buffer = () => Buffer.from(text);
  const { decompressor } = await openWith(() => answer(), 100);
  const fails = (reason: string) => throws(() => decompressor.decompress(frame), { name: "PoisonError", reason });
  answer = () => {
    throw new Error("ZSTD_error_checksum_wrong: Restored data doesn't match checksum");
  };
  fails("bad_checksum");
  answer = () => {
    throw new Error("Data corruption detected");
  };
  fails("bad_frame");
  answer = () => Buffer.from("short");
  fails("bad_frame");
  answer = () => Buffer.alloc(101);
  throws(() => decompressor.decompress(bombFrame(1, 1)), { name: "PoisonError", reason: "oversize" });
});
