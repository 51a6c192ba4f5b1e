import assert from "node:assert/strict";
import { decodeJson } from "../../atproto/cbor.ts";
import { realTest } from "../../../tests/support/real_data.ts";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { p256 } from "@noble/curves/nist.js";
import { encodeCar } from "./car.ts";
import { encodeCbor } from "./cbor.ts";
import { cidOf } from "./cid.ts";
import { type Label, labelBytes } from "./labels.ts";
import { type Tree, withKey, withoutKey } from "./mst.ts";
import { allNodes, nodesAround, rootOf } from "./mst_blocks.ts";
import { loadTree, readCar, readFrame, readZstd, splitMessages, undo } from "./test_reader.ts";

const treeOf = (entries: Iterable<readonly [string, string]>) => {
  let tree: Tree;
  for (const [key, value] of entries) tree = withKey(tree, key, value);
  return tree;
};

realTest("F26: the tree of six published fixtures before and after, and the nodes that undo the change", [
  "commit-proof-fixtures.json",
], ([path]) => {
  const fixtures = JSON.parse(Deno.readTextFileSync(path!));
  assert.equal(fixtures.length, 6);
  for (const { comment, leafValue, keys, adds, dels, rootBeforeCommit, rootAfterCommit, blocksInProof } of fixtures) {
    const before = treeOf(keys.map((key: string) => [key, leafValue]));
    assert.equal(rootOf(before).cid, rootBeforeCommit, comment);
    let after = before as Tree;
    for (const key of adds) after = withKey(after, key, leafValue);
    for (const key of dels) after = withoutKey(after, key);
    assert.equal(rootOf(after).cid, rootAfterCommit, comment);
    const nodes = new Map([...adds, ...dels].flatMap((key: string) => [...nodesAround(after, key)]));
    assert.deepEqual([...nodes.keys()].sort(), blocksInProof.sort(), comment);
    const ops = [
      ...adds.map((path: string) => ({ action: "create", path })),
      ...dels.map((path: string) => ({ action: "delete", path, prev: { $link: leafValue } })),
    ];
    assert.equal(rootOf(undo(loadTree(nodes, rootAfterCommit), ops)).cid, rootBeforeCommit, comment);
  }
});

realTest("a real repo is written again byte by byte", ["repo.car", "car_expected_records.tsv"], ([car, tsv]) => {
  const { roots, blocks } = readCar(Deno.readFileSync(car!));
  const lines = Deno.readTextFileSync(tsv!).trim().split("\n").map((line) => line.split("\t") as [string, string]);
  assert.equal(lines.length, 23);
  const tree = treeOf(lines);
  const commit = decodeJson(blocks.get(roots[0]!)!) as { data: { $link: string } };
  assert.equal(rootOf(tree).cid, commit.data.$link);
  const nodes = allNodes(tree);
  for (const [cid, bytes] of nodes) assert.deepEqual(bytes, Uint8Array.from(blocks.get(cid)!));
  assert.equal(blocks.size, nodes.size + 1 + new Set(lines.map(([, cid]) => cid)).size);
  assert.deepEqual(encodeCar(roots[0]!, blocks), Deno.readFileSync(car!));
});

realTest("blocks, headers and bodies of real frames are written again byte by byte; their ops can be undone", [
  "frames.bin.zst",
], ([path]) => {
  let blocksSeen = 0, undone = 0;
  for (const frame of splitMessages(readZstd(path!))) {
    const { header, body, blocks } = readFrame(frame);
    const again = [encodeCbor(header), encodeCbor(body)];
    assert.deepEqual(Uint8Array.from([...again[0]!, ...again[1]!]), Uint8Array.from(frame));
    if (header.t !== "#commit") continue;
    const car = readCar(blocks);
    for (const [cid, block] of car.blocks) {
      blocksSeen++;
      const bytes = encodeCbor(decodeJson(block));
      assert.deepEqual(bytes, Uint8Array.from(block));
      assert.equal(cidOf(bytes), cid);
    }
    const { data } = decodeJson(car.blocks.get(car.roots[0]!)!) as { data: { $link: string } };
    const tree = loadTree(car.blocks, data.$link);
    assert.equal(rootOf(undo(tree, body.ops)).cid, body.prevData.$link);
    undone++;
  }
  assert.ok(blocksSeen > 1000, `${blocksSeen} blocks`);
  assert.equal(undone, 148);
});

realTest("real commits are signed over the bytes that are signed here", ["frames.bin.zst", "did_docs.json.zst"], ([
  frames,
  docs,
]) => {
  const documents = JSON.parse(new TextDecoder().decode(readZstd(docs!)));
  for (const frame of splitMessages(readZstd(frames!)).slice(0, 12)) {
    const { header, body, blocks } = readFrame(frame);
    if (header.t !== "#commit") continue;
    const { roots, blocks: byCid } = readCar(blocks);
    const { sig, ...commit } = decodeJson(byCid.get(roots[0]!)!) as { sig: { $bytes: string } };
    const method = documents[body.repo].verificationMethod.find((m: { id: string }) => m.id.endsWith("#atproto"));
    assert.ok(verify(encodeCbor(commit), Uint8Array.fromBase64(sig.$bytes), method.publicKeyMultibase), body.repo);
  }
});

realTest("F56: a real label is signed over the bytes that are signed here", ["synthetic_frames.json"], ([path]) => {
  const frame = Uint8Array.fromHex(JSON.parse(Deno.readTextFileSync(path!)).label_real_signed);
  const { sig, ...label } = readFrame(frame).body.labels[0] as Label & { sig: { $bytes: string } };
  const signature = Uint8Array.fromBase64(sig.$bytes);
  const key = "zQ3shcnfWLQN1bY4d2patsEAYFzy4xp1zdckEvHsV7S4ocTnC";
  assert.ok(verify(labelBytes(label), signature, key));
  assert.ok(!verify(labelBytes({ ...label, val: "other" }), signature, key));
});

/** Whether a signature is that of a public key as DID documents have it. */
function verify(bytes: Uint8Array, signature: Uint8Array, multibase: string): boolean {
  const key = base58(multibase.slice(1));
  const curve = key[0] === 0xe7 ? secp256k1 : p256;
  return curve.verify(signature, bytes, key.subarray(2), { lowS: true });
}

function base58(text: string): Uint8Array {
  const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  const number = [...text].reduce((sum, letter) => sum * 58n + BigInt(alphabet.indexOf(letter)), 0n);
  const hex = number.toString(16);
  return Uint8Array.fromHex(hex.padStart(hex.length + hex.length % 2, "0"));
}
