import { deepEqual, equal, ok } from "node:assert/strict";
import { realTest } from "../../tests/support/real_data.ts";
import { PoisonError } from "../pipeline/errors.ts";
import { readCar } from "./car.ts";
import { hashesTo } from "./cid.ts";
import { decodeCommit } from "./commit.ts";
import { walk } from "./mst.ts";
import { recordJson } from "./record.ts";
import { carOf, cidOf, encode, Raw } from "./test_frames.ts";

// Their layers are those of the specification's examples (https://github.com/bluesky-social/atproto-interop-tests, mst/key_heights).
const LAYER_0 = ["2653ae71", "asdf"];
const LAYER_2 = "88bfafc7";

const VALUE = cidOf(encode("record"));
type Entry = readonly [key: string, right?: Uint8Array | undefined, prefix?: number];

/** A node without shared prefixes, unless an entry says so. */
function node(left: Uint8Array | null, entries: readonly Entry[]): Buffer {
  const e = entries.map(([key, right, p = 0]) => ({
    k: new TextEncoder().encode(key),
    p,
    t: right ? cidOf(right) : null,
    v: VALUE,
  }));
  return encode({ e, l: left && cidOf(left) });
}

/** The keys of the tree whose root is the first block, or the code of its refusal. */
function keys(...blocks: readonly [Uint8Array, ...Uint8Array[]]): string[] | string {
  const root = cidOf(blocks[0]);
  try {
    return [...walk(readCar(carOf(root, blocks)), root)].map(({ key }) => key);
  } catch (error) {
    ok(error instanceof PoisonError, String(error));
    return error.reason;
  }
}

Deno.test("the keys of a tree in order, also through nodes that have none", () => {
  const [first, last] = LAYER_0 as [string, string];
  const [left, right] = [node(null, [[first]]), node(null, [[last]])];
  const [between, beside] = [node(left, []), node(right, [])];
  deepEqual(keys(node(between, [[LAYER_2, beside]]), between, beside, left, right), [first, LAYER_2, last]);
  deepEqual(keys(node(null, [[first], [last]])), [first, last]);
  deepEqual(keys(node(null, [])), []);
});

Deno.test("a tree that is not one is refused", () => {
  const [first, last] = LAYER_0 as [string, string];
  const [left, right] = [node(null, [[first]]), node(null, [[last]])];
  const [between, beside] = [node(left, []), node(right, [])];
  equal(keys(node(between, [[LAYER_2, beside]]), between, beside, left), "mst-node"); // one is missing
  equal(keys(node(null, [[last], [first]])), "mst-order");
  equal(keys(node(null, [[first], [first]])), "mst-order");
  equal(keys(node(beside, [[LAYER_2, between]]), between, beside, left, right), "mst-order");
  equal(keys(node(null, [[first], [LAYER_2]])), "mst-layer");
  equal(keys(node(left, [[LAYER_2]]), left), "mst-layer"); // two layers down
  equal(keys(node(left, []), left), "mst-layer"); // the root has no key
  equal(keys(node(left, [[last]]), left), "mst-layer"); // below the lowest layer
  equal(keys(node(null, [[first, undefined, 1]])), "mst-node"); // a prefix of nothing
  equal(keys(node(null, [["x".repeat(1025)]])), "mst-node");
  // Not a map, no entries, entries that are a number, a left that is one, an entry that is one, an entry without fields.
  for (const hex of ["80", "a0", "a1616500", "a2616c00616580", "a161658101", "a1616581a0"]) {
    equal(keys(encode(new Raw(hex))), "mst-node", hex);
  }
});

realTest(
  "F25: repo.car has the records, each with its hash, and the commit that are expected",
  ["repo.car", "car_expected_records.tsv", "car_expected_commit.txt"],
  ([path, records, expected]) => {
    const car = readCar(Deno.readFileSync(path!));
    const commit = decodeCommit(car.find(car.root.bytes)!);
    const words = Deno.readTextFileSync(expected!);
    equal(words.match(/^DID: (.*)$/m)![1], commit.did);
    equal(words.match(/^Data CID: (.*)$/m)![1], commit.data.toString());
    deepEqual([commit.rev, commit.prev, commit.sig.length], ["3migo7fijwi2k", undefined, 64]);
    const entries = [...walk(car, commit.data)];
    const lines = entries.map(({ key, cid }) => `${key}\t${cid}`);
    deepEqual(lines, Deno.readTextFileSync(records!).trimEnd().split("\n"));
    equal(lines.length, 23);
    for (const { key, cid } of entries) {
      const block = car.find(cid.bytes)!;
      ok(hashesTo(block, cid.bytes), key);
      equal(recordJson(block).$type, key.split("/")[0]);
    }
  },
);
