import { deepEqual, equal, rejects } from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { realTest } from "../../../tests/support/real_data.ts";
import { openCompressor } from "./compressor.ts";
import { openDecompressor } from "./decompressor.ts";
import { readFrameHeader } from "./header.ts";
import { PROBE } from "./node_zlib.ts";

const { dictionary } = PROBE;
/** Bytes as they come: noise, text that the dictionary knows, one byte many times, and parts of all. */
const contents: fc.Arbitrary<Buffer> = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom('{"kind": "plum", "size": ', ', "colour": "green", ', '"n": 171}').map((text) => Buffer.from(text)),
    fc.tuple(fc.nat(255), fc.nat(5000)).map(([byte, length]) => Buffer.alloc(length, byte)),
    fc.json().map((text) => Buffer.from(text)),
  ),
  { maxLength: 12 },
).map((parts) => Buffer.concat(parts));

Deno.test("A6: a frame names its dictionary and has a checksum", async () => {
  using compressor = await openCompressor({ dictionary });
  for (const length of [0, 1, 255, 256, 100_000]) {
    const { dictionaryId, checksum } = readFrameHeader(compressor.compress(Buffer.alloc(length, "ab")));
    deepEqual({ dictionaryId, checksum }, { dictionaryId: 1, checksum: true });
  }
});

Deno.test("property: what was compressed comes back, at every level", async () => {
  using decompressor = await openDecompressor({ dictionaries: [dictionary], maxBytes: 1 << 20 });
  for (const level of [-5, 1, 3, 9, 19]) {
    using compressor = await openCompressor({ dictionary, level });
    fc.assert(
      fc.property(contents, (content) => deepEqual(decompressor.decompress(compressor.compress(content)), content)),
      { numRuns: 60 },
    );
  }
});

Deno.test("compressors do not disturb each other, nor does one that was closed", async () => {
  using decompressor = await openDecompressor({ dictionaries: [dictionary], maxBytes: 1 << 20 });
  using first = await openCompressor({ dictionary });
  (await openCompressor({ dictionary, level: 1 }))[Symbol.dispose]();
  using second = await openCompressor({ dictionary, level: 19 });
  for (const { compress } of [first, second, first]) {
    equal(decompressor.decompress(compress(Buffer.from(PROBE.text))).toString(), PROBE.text);
  }
});

Deno.test("a message of 33 MiB becomes a frame too", async () => {
  const content = Buffer.alloc(33 * 2 ** 20, '{"did":"did:plc:');
  using compressor = await openCompressor({ dictionary });
  using decompressor = await openDecompressor({ dictionaries: [dictionary], maxBytes: content.length });
  equal(decompressor.decompress(compressor.compress(content)).equals(content), true);
});

Deno.test("what is no dictionary, or a damaged one, cannot be used", async () => {
  const config = { name: "ConfigError", message: /^Cannot use zstd dictionary/ };
  await rejects(openCompressor({ dictionary: Buffer.from("none") }), config);
  await rejects(openCompressor({ dictionary: dictionary.subarray(0, 60) }), config);
});

realTest("A6: frames by the v1 dictionary are half as large", ["legacy_subscribe.zdict", "expected_v1.jsonl"], async (
  [path, lines],
) => {
  const real = Deno.readFileSync(path!);
  const content = Deno.readTextFileSync(lines!).trimEnd().split("\n");
  using compressor = await openCompressor({ dictionary: real });
  using decompressor = await openDecompressor({ dictionaries: [real], maxBytes: 1 << 20 });
  let bytes = 0;
  for (const line of content) {
    const frame = compressor.compress(Buffer.from(line));
    bytes += frame.length;
    equal(decompressor.decompress(frame).toString(), line);
  }
  const share = bytes / content.join("").length;
  equal(share > 0.3 && share < 0.55, true, `${share}`);
});
