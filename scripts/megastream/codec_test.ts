import assert from "node:assert/strict";
import { crc32, inflateRawSync, inflateSync } from "node:zlib";
import fc from "fast-check";
import { base85, encodeVector, floatBytes } from "./codec.ts";
import { deflateRaw, zlib } from "./deflate.ts";
import { zipOf } from "./zip.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

Deno.test("M5: base85 as spec/megastream.md section 5 has it", () => {
  const table = {
    "": "",
    "a": "VE",
    "at": "VRQ",
    "atp": "VRUc",
    "repo": "a%FID",
    "rkey5": "a%*LIH2",
    "bskyingest": "VsmSGX>Mm_b94",
  };
  for (const [bytes, text] of Object.entries(table)) assert.equal(base85(utf8(bytes)), text);
});

Deno.test("A vector is base85 of a zlib stream of little-endian floats", () => {
  // Four bytes without repetition: every encoder that uses fixed codes packs them alike, as section 5 has them.
  assert.equal(encodeVector([0.5]), "c${NkV6X=O07C#k");
  assert.deepEqual([...floatBytes([1, -2])], [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
});

Deno.test("What is packed comes out again", () => {
  const seed = Number(Deno.env.get("BSKYINGEST_SEED")) || Date.now();
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 5 }), fc.nat(3000)).map(([bytes, times]) =>
      Uint8Array.from({ length: bytes.length * times }, (_, i) => bytes[i % bytes.length]!)
    ),
  );
  const data = fc.array(piece, { maxLength: 8 }).map((pieces) => Uint8Array.from(pieces.flatMap((each) => [...each])));
  fc.assert(
    fc.property(data, (bytes) => {
      assert.ok(inflateRawSync(deflateRaw(bytes)).equals(bytes));
      assert.ok(inflateSync(zlib(bytes)).equals(bytes));
    }),
    { seed, numRuns: 60 },
  );
});

Deno.test("What repeats itself at every distance that deflate knows comes out again", () => {
  for (const distance of [1, 4, 5, 257, 4096, 4097, 24_576, 32_767, 32_768, 32_769]) {
    const text = Uint8Array.from({ length: distance + 300 }, (_, i) => Math.imul(i % distance, 2_654_435_761) >>> 24);
    assert.ok(inflateRawSync(deflateRaw(text)).equals(text), String(distance));
  }
});

Deno.test("Headers of an archive say the same numbers at both ends, or what they were told to say", () => {
  const data = utf8("words and words and words");
  const bytes = zipOf([{ name: "x.db", data }]);
  const view = new DataView(bytes.buffer);
  const central = bytes.length - 22 - 46 - 4;
  assert.equal(view.getUint32(0, true), 0x04034b50);
  assert.equal(view.getUint32(central, true), 0x02014b50);
  assert.deepEqual(bytes.subarray(4, 28), bytes.subarray(central + 6, central + 30));
  assert.equal(view.getUint32(14, true), crc32(data));
  assert.equal(view.getUint32(22, true), data.length);
  const wrong = new DataView(zipOf([{ name: "x.db", data, crc: 7, size: 8, encrypted: true }]).buffer);
  assert.deepEqual([wrong.getUint32(14, true), wrong.getUint32(22, true), wrong.getUint16(6, true) & 1], [7, 8, 1]);
});
