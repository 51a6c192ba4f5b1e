import assert from "node:assert/strict";
import { decodeJson } from "../../atproto/cbor.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import {
  BAD_RECORDS,
  changedAfterSigning,
  foreignKey,
  nestedRecord,
  signedDer,
  signedHighS,
  withBlock,
  withOp,
  withOpTwice,
  withoutBlocks,
  withoutOp,
  withPrevData,
} from "./test_broken.ts";
import { encodeCbor, link } from "./cbor.ts";
import { cidOf } from "./cid.ts";
import { signingKey } from "./keys.ts";
import { commitFrame } from "./messages.ts";
import { createRepo, type Seal } from "./repo.ts";
import { isSignedBy, readCar, readFrame } from "./test_reader.ts";

const did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", rev = "3maaaaaaaab22";
const at = { seq: 1, time: "2026-01-01T00:00:00.000Z" };
const path = "com.example.thing/a", other = "com.example.thing/b";
const record = { $type: "com.example.thing" };

function commitSealedBy(seal: Seal | undefined, curve: "k256" | "p256" = "k256") {
  const key = signingKey("own", curve);
  const repo = createRepo({ did, key, rev: "3maaaaaaaaa22", records: [[path, { ...record, old: true }]] });
  const commit = repo.commit([{ action: "update", path, record }, {
    action: "create",
    path: other,
    record: { ...record, n: 1 },
  }], {
    rev,
    ...(seal && { seal }),
  });
  const { sig, ...rest } = decodeJson(commit.blocks.get(commit.body.commit.$link)!) as { sig: { $bytes: string } };
  const signature = Uint8Array.fromBase64(sig.$bytes);
  return { commit, key, signature, rest: encodeCbor(rest) };
}

Deno.test("F27: seals that no reader may accept", () => {
  for (const curve of ["k256", "p256"] as const) {
    const valid = (seal?: Seal) => {
      const { rest, signature, key } = commitSealedBy(seal, curve);
      return signature.length === 64 && isSignedBy(rest, signature, key);
    };
    assert.ok(valid());
    const bad = [
      foreignKey(signingKey("foreign", curve)),
      changedAfterSigning({ rev: "3maaaaaaaac22" }),
      signedHighS,
      signedDer,
    ];
    assert.deepEqual(bad.map(valid), [false, false, false, false]);
    const high = commitSealedBy(signedHighS, curve).signature, low = commitSealedBy(undefined, curve).signature;
    assert.equal(high.length, 64);
    assert.deepEqual(high.subarray(0, 32), low.subarray(0, 32));
    assert.ok(high[32]! >= 0x7f && low[32]! <= 0x80);
    assert.equal(commitSealedBy(signedDer, curve).signature[0], 0x30);
  }
});

Deno.test("signatures are the same each time, and another implementation accepts them", async () => {
  const bytes = encodeCbor({ a: 1 });
  const key = signingKey("own", "p256");
  assert.deepEqual(key.sign(bytes), signingKey("own", "p256").sign(bytes));
  assert.notDeepEqual(key.sign(bytes), signingKey("own2", "p256").sign(bytes));
  assert.match(key.multibase, /^zDn/);
  assert.match(signingKey("own").multibase, /^zQ3s/);
  const { p256 } = await import("@noble/curves/nist.js");
  const point = p256.getPublicKey(key.secret, false);
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const publicKey = await crypto.subtle.importKey("raw", Uint8Array.from(point), algorithm, false, ["verify"]);
  const signature = Uint8Array.from(key.sign(bytes));
  assert.ok(await crypto.subtle.verify(algorithm, publicKey, signature, Uint8Array.from(bytes)));
});

Deno.test("F16, F22, F27, F32: ops, blocks and members that are wrong", () => {
  const { commit } = commitSealedBy(undefined);
  const bodyOf = (changed: typeof commit, change = {}) => readFrame(commitFrame(at, changed, change)).body;
  const fake = link(cidOf(encodeCbor("fake")));
  assert.deepEqual(bodyOf(withOp(commit, path, { prev: fake })).ops[0].prev, fake);
  assert.deepEqual(bodyOf(withOp(commit, path, { path: "a/b/c" })).ops[0].path, "a/b/c");
  assert.deepEqual(bodyOf(withoutOp(commit, other)).ops.length, 1);
  assert.deepEqual(bodyOf(withOpTwice(commit, other)).ops.map((op: { path: string }) => op.path), [path, other, other]);
  assert.deepEqual(bodyOf(withPrevData(commit, fake)).prevData, fake);
  assert.equal("prevData" in bodyOf(withPrevData(commit, undefined)), false);
  assert.equal(bodyOf(commit, { tooBig: true, time: "x" }).time, "x");
  const cid = commit.body.ops[1]!.cid!.$link;
  const blocksOf = (changed: typeof commit) => readCar(readFrame(commitFrame(at, changed)).blocks).blocks;
  assert.equal(blocksOf(withoutBlocks(commit, [cid])).has(cid), false);
  assert.equal(blocksOf(withoutBlocks(commit, [...commit.blocks.keys()])).size, 0);
  const wrong = encodeCbor({ $type: "com.example.thing", n: 2 });
  assert.deepEqual(Uint8Array.from(blocksOf(withBlock(commit, cid, wrong)).get(cid)!), wrong);
});

Deno.test("F19, F20, F21: blocks that are no records, and the deepest that is one", () => {
  for (const [what, block] of Object.entries(BAD_RECORDS)) {
    if (what === "no map") assert.ok(Array.isArray(decodeJson(block)));
    else assert.throws(() => decodeJson(block), PoisonError, what);
    const repo = createRepo({ did, key: signingKey("own"), rev: "3maaaaaaaaa22" });
    const { body, blocks } = repo.commit([{ action: "create", path, record: block }], { rev });
    assert.deepEqual(blocks.get(body.ops[0]!.cid!.$link), block);
    assert.equal(body.ops[0]!.cid!.$link, cidOf(block));
  }
  assert.doesNotThrow(() => decodeJson(nestedRecord(1000)));
  assert.throws(() => decodeJson(nestedRecord(1001)), PoisonError);
});
