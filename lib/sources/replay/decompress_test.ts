import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { PoisonError } from "../../pipeline/errors.ts";
import type { Chunks } from "./chunks.ts";
import { plainChunks } from "./decompress.ts";

/** Text that does not compress to nothing: 1.2 MB, several blocks. */
const LONG = Buffer.from(Array.from({ length: 40_000 }, (_, i) => `line ${i} ${Math.sin(i)}`).join("\n"));
const zstd = (bytes: Buffer) => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });

async function* inPieces(bytes: Buffer, size: number): Chunks {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** What comes out, and the reason of the error that ends it. */
async function decompress(bytes: Buffer, size = 65_536): Promise<{ text: string; reason: string | undefined }> {
  const out: Buffer[] = [];
  try {
    for await (const chunk of await plainChunks(inPieces(bytes, size))) out.push(chunk);
    return { text: Buffer.concat(out).toString(), reason: undefined };
  } catch (error) {
    assert.ok(error instanceof PoisonError, String(error));
    return { text: Buffer.concat(out).toString(), reason: error.reason };
  }
}

Deno.test("T9: gzip members and zstd frames one behind the other come out whole, however they are cut into chunks", async () => {
  const skippable = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  const files: [Buffer, string][] = [
    [Buffer.concat([gzipSync("a\n"), gzipSync("b\n"), gzipSync(LONG)]), `a\nb\n${LONG}`],
    [Buffer.concat([zstd(Buffer.from("a\n")), skippable, zstd(Buffer.from("")), zstd(LONG)]), `a\n${LONG}`],
    [Buffer.from("plain"), "plain"],
    [Buffer.from("x"), "x"],
    [Buffer.alloc(0), ""],
  ];
  for (const [bytes, text] of files) {
    for (const size of [bytes.length + 1, 10_007]) {
      assert.deepEqual(await decompress(bytes, size), { text, reason: undefined });
    }
  }
  assert.equal((await decompress(Buffer.concat([gzipSync("a\n"), zstd(LONG)]), 7)).text, "a\n");
  const short = LONG.subarray(0, 5000);
  assert.equal((await decompress(zstd(short), 3)).text, short.toString());
});

Deno.test("T8: compressed data that end too early give what is whole, and say that they are cut", async () => {
  for (const compress of [gzipSync, zstd]) {
    const first = compress(Buffer.from("first\n"));
    const bytes = Buffer.concat([first, compress(LONG)]);
    for (const length of [bytes.length - 1, bytes.length - 5, first.length + 1, first.length + 9, first.length - 1]) {
      const { text, reason } = await decompress(bytes.subarray(0, length));
      assert.equal(reason, "cut", `${compress.name} cut at ${length} of ${bytes.length}`);
      assert.ok(length < first.length || text.startsWith("first\n"));
      assert.ok(`first\n${LONG}`.startsWith(text));
    }
  }
});

Deno.test("J17: a bit that was flipped anywhere in compressed data is found, and what came before is kept", async () => {
  const compressed = { gzip: gzipSync(LONG), zstd: zstd(LONG) };
  const flips = fc.record({
    kind: fc.constantFrom("gzip" as const, "zstd" as const),
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    bit: fc.integer({ min: 0, max: 7 }),
  });
  await fc.assert(
    fc.asyncProperty(flips, async ({ kind, at, bit }) => {
      const bytes = Buffer.from(compressed[kind]);
      // Behind the headers: a gzip header has bits that mean nothing, and a wrong magic number is no compressed file.
      const index = 20 + Math.floor(at * (bytes.length - 40));
      bytes[index]! ^= 1 << bit;
      const { text, reason } = await decompress(bytes);
      // Some bits say nothing: whatever goes unnoticed has changed nothing.
      if (reason === undefined) assert.equal(text, LONG.toString());
      else assert.ok(reason === "damaged" || reason === "cut", `${reason} at ${index}`);
    }),
    { numRuns: 60 },
  );
});

Deno.test("T9: something else behind a zstd frame is damage", async () => {
  const { text, reason } = await decompress(Buffer.concat([zstd(Buffer.from("whole\n")), Buffer.from("rubbish!")]));
  assert.deepEqual({ text, reason }, { text: "whole\n", reason: "damaged" });
});
