import { equal, ok } from "node:assert/strict";
import { cidText, hashesTo, isBlockCid, isCid, sameCid, skipCid } from "./cid.ts";
import { cidOf, fromHex } from "./test_frames.ts";

// The CID of `{}` and its text are those of the specification's test vectors (https://ipld.io/specs/codecs/dag-cbor/fixtures).
const EMPTY_MAP = fromHex("a0");
const EMPTY_MAP_CID = "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua";

Deno.test("the text of a CID", () => {
  equal(cidText(cidOf(EMPTY_MAP).bytes), EMPTY_MAP_CID);
  // Of every length modulo 5, as RFC 4648 encodes them.
  const texts = ["66", "666f", "666f6f", "666f6f62", "666f6f6261", "666f6f626172"].map((hex) => cidText(fromHex(hex)));
  equal(texts.join(), "bmy,bmzxq,bmzxw6,bmzxw6yq,bmzxw6ytb,bmzxw6ytboi");
});

Deno.test("a block hashes to its CID, and no other does", () => {
  const cid = cidOf(EMPTY_MAP).bytes;
  ok(hashesTo(EMPTY_MAP, cid));
  for (let i = 0; i < cid.length; i++) {
    for (const bit of [1, 16, 128]) {
      const other = Uint8Array.from(cid);
      other[i]! ^= bit;
      ok(!hashesTo(EMPTY_MAP, other), `byte ${i}`);
      ok(!sameCid(cid, other));
    }
  }
  ok(!hashesTo(EMPTY_MAP, cid.subarray(0, 35)));
  ok(!hashesTo(fromHex("a1"), cid));
});

Deno.test("what is a CID", () => {
  const digest = "00".repeat(32);
  const cases: [string, { cid: boolean; block: boolean; length: number | undefined }][] = [
    [`01711220${digest}`, { cid: true, block: true, length: 36 }],
    [`01551220${digest}`, { cid: true, block: false, length: 36 }],
    [`0171b22020${digest}`, { cid: true, block: false, length: 37 }], // BLAKE2b-256
    ["01550000", { cid: true, block: false, length: 4 }], // the empty identity
    [`1220${digest}`, { cid: false, block: false, length: 34 }], // version 0
    [`02711220${digest}`, { cid: false, block: false, length: undefined }],
    [`01711220${digest.slice(2)}`, { cid: false, block: false, length: undefined }],
    ["0171", { cid: false, block: false, length: undefined }],
    ["01ffffffffffffffffff01", { cid: false, block: false, length: undefined }],
    ["017112ffffffffffffff7f", { cid: false, block: false, length: undefined }],
    ["", { cid: false, block: false, length: undefined }],
  ];
  for (const [hex, { cid, block, length }] of cases) {
    const bytes = fromHex(hex);
    const position = { at: 0 };
    equal(skipCid(bytes, position) ? position.at : undefined, length, hex);
    equal(isCid(bytes), cid, hex);
    equal(isBlockCid(bytes), block, hex);
  }
  ok(!isCid(fromHex(`01711220${digest}00`)));
});
