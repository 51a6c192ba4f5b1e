import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeCbor, decodeJson } from "../../atproto/cbor.ts";
import { encodeCbor } from "./cbor.ts";
import { cidOf } from "./cid.ts";
import { signingKey } from "./keys.ts";
import { commitFrame, errorFrame, identityFrame, infoFrame } from "./messages.ts";
import { rootOf } from "./mst_blocks.ts";
import { createRepo, type Repo, type Write } from "./repo.ts";
import { isSignedBy, loadTree, readCar, readFrame, undo } from "./test_reader.ts";

const did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
const at = { seq: 7, time: "2026-01-01T00:00:00.000Z" };
const revs = ["3maaaaaaaaa22", "3maaaaaaaab22", "3maaaaaaaac22", "3maaaaaaaad22"];
const thing = (n: number) => ({ $type: "com.example.thing", n });

/** Checks a commit as a reader that trusts nobody would, by its frame alone. */
function check(frame: Uint8Array, repo: Repo, before: { data: string; rev: string }) {
  const { body, blocks } = readFrame(frame);
  const car = readCar(blocks);
  for (const [cid, block] of car.blocks) assert.equal(cidOf(block), cid);
  assert.deepEqual(car.roots, [body.commit.$link]);
  const { sig, ...commit } = decodeJson(car.blocks.get(body.commit.$link)!) as Record<string, unknown>;
  assert.deepEqual(commit, { did: repo.did, version: 3, data: { $link: repo.data }, rev: body.rev, prev: null });
  const signature = Uint8Array.fromBase64((sig as { $bytes: string }).$bytes);
  assert.ok(isSignedBy(encodeCbor(commit), signature, repo.key));
  assert.deepEqual([body.since, body.prevData.$link], [before.rev, before.data]);
  const tree = loadTree(car.blocks, repo.data);
  assert.equal(rootOf(undo(tree, body.ops)).cid, before.data);
  for (const { cid } of body.ops) assert.ok(cid === null || car.blocks.has(cid.$link));
}

Deno.test("a commit proves itself: hashes, signature, ops undone from its own blocks", () => {
  for (const curve of ["k256", "p256"] as const) {
    const repo = createRepo({ did, key: signingKey("a", curve), rev: revs[0]! });
    const steps: Write[][] = [
      [{ action: "create", path: "com.example.thing/a", record: thing(1) }],
      [{ action: "update", path: "com.example.thing/a", record: thing(2) }, {
        action: "create",
        path: "com.example.thing/b",
        record: thing(3),
      }],
      [{ action: "delete", path: "com.example.thing/a" }, { action: "delete", path: "com.example.thing/b" }],
    ];
    for (const [n, writes] of steps.entries()) {
      const before = { data: repo.data, rev: repo.rev };
      const frame = commitFrame(at, repo.commit(writes, { rev: revs[n + 1]! }));
      check(frame, repo, before);
      const { header, body } = readFrame(frame);
      assert.deepEqual(header, { op: 1, t: "#commit" });
      assert.deepEqual(body.ops.map((op: { action: string }) => op.action), writes.map(({ action }) => action));
      assert.deepEqual([body.seq, body.time, body.repo, body.rebase, body.blobs], [7, at.time, did, false, []]);
    }
    assert.equal(repo.records.size, 0);
  }
});

Deno.test("any writes into any repo: one root for one content, and every commit can be undone", () => {
  const name = fc.integer({ min: 0, max: 60 }).map((n) => `com.example.thing/${n}`);
  const writes = fc.array(fc.uniqueArray(name, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 12 });
  const key = signingKey("any");
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 50 }), writes, fc.nat(), (first, commits, salt) => {
      const repo = createRepo({ did, key, rev: revs[0]!, records: first.map((path) => [path, thing(0)]) });
      const content = new Map(first.map((path) => [path, 0]));
      for (const [n, paths] of commits.entries()) {
        const before = { data: repo.data, rev: repo.rev };
        const all = paths.map((path): Write => {
          if (!content.has(path)) return { action: "create", path, record: thing(n + 1) };
          return (n + path.length + salt) % 2
            ? { action: "update", path, record: thing(n + 1) }
            : { action: "delete", path };
        });
        for (const { action, path } of all) {
          if (action === "delete") content.delete(path);
          else content.set(path, n + 1);
        }
        const { body, blocks } = repo.commit(all, { rev: `3maaaaaaaa${String.fromCharCode(98 + n)}22` });
        const tree = loadTree(blocks, repo.data);
        assert.equal(rootOf(undo(tree, body.ops)).cid, before.data);
      }
      const records = [...content].map(([path, n]): [string, unknown] => [path, thing(n)]);
      const other = createRepo({ did, key, rev: revs[0]!, records });
      assert.equal(repo.data, other.data);
      assert.deepEqual([...repo.records.keys()], [...content.keys()].sort());
    }),
    { numRuns: 60 },
  );
});

Deno.test("getRepo: everything is in the CAR, or all but what is left out", () => {
  const records = Array.from({ length: 200 }, (_, n): [string, unknown] => [`com.example.thing/${n}`, thing(n)]);
  const repo = createRepo({ did, key: signingKey("a"), rev: revs[0]!, records });
  const { roots, blocks } = readCar(repo.car());
  assert.deepEqual(roots, [repo.head]);
  const found = undo(loadTree(blocks, repo.data), []);
  assert.equal(rootOf(found).cid, repo.data);
  for (const [path, record] of records) assert.deepEqual(decodeJson(blocks.get(repo.records.get(path)!)!), record);
  const lost = repo.records.get("com.example.thing/7")!;
  assert.deepEqual(readCar(repo.car([lost])).blocks.size, blocks.size - 1);
});

Deno.test("sync: the same tree under another revision, and only the commit object", () => {
  const repo = createRepo({ did, key: signingKey("a"), rev: revs[0]!, records: [["com.example.thing/a", thing(1)]] });
  const data = repo.data, sync = repo.sync({ rev: revs[1]! });
  const { roots, blocks } = readCar(sync.blocks);
  assert.deepEqual([sync.rev, roots, [...blocks.keys()], repo.data], [revs[1], [repo.head], [repo.head], data]);
});

Deno.test("frames of other kinds have no members that are not there", () => {
  assert.deepEqual(readFrame(identityFrame(at, did)).body, { did, ...at });
  assert.deepEqual(readFrame(infoFrame("OutdatedCursor")).body, { name: "OutdatedCursor" });
  assert.deepEqual(readFrame(errorFrame("FutureCursor", "no")), {
    header: { op: -1 },
    body: { error: "FutureCursor", message: "no" },
    blocks: readFrame(infoFrame("x")).blocks,
  });
  assert.deepEqual(readFrame(errorFrame("BigOops", undefined, "#x")).header, { op: -1, t: "#x" });
});

Deno.test("CBOR: shortest heads, keys by length and bytes, links and bytes of JSON", () => {
  const hex = (value: unknown) => encodeCbor(value).toHex();
  assert.deepEqual([0, 23, 24, 255, 256, 65_535, 65_536, 4294967295, 4294967296, -1, -25].map(hex), [
    "00",
    "17",
    "1818",
    "18ff",
    "190100",
    "19ffff",
    "1a00010000",
    "1affffffff",
    "1b0000000100000000",
    "20",
    "3818",
  ]);
  assert.equal(hex({ op: 1, t: "#d" }), "a26174622364626f7001");
  assert.equal(hex({ a: "b", c: [1, 2, 3] }), "a261616162616383010203");
  assert.equal(hex(1.5), "fb3ff8000000000000");
  assert.equal(hex({ é: 1, z: undefined, bb: 2, aa: 3 }), "a3626161036262620262c3a901");
  assert.equal(hex(Number.MAX_SAFE_INTEGER), "1b001fffffffffffff");
  for (const bad of [2 ** 53, NaN, Infinity]) assert.throws(() => encodeCbor(bad), RangeError);
  const links = {
    bytes: { $bytes: "nFERjvLLiw9qm45JrqH9QTzyC2Lu1Xb4ne6+sBrCzI0" },
    link: { $link: "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a" },
  };
  assert.deepEqual(decodeJson(encodeCbor(links)), links);
  const fraction = fc.double({ noNaN: true, noDefaultInfinity: true }).filter((x) => !Number.isInteger(x));
  const values = [fc.string({ unit: "grapheme" }), fc.boolean(), fc.constant(null), fc.maxSafeInteger(), fraction];
  fc.assert(fc.property(fc.anything({ values, key: fc.string() }), (value) => {
    fc.pre(!/\$link|\$bytes|__proto__/.test(JSON.stringify(value))); // these names mean something else
    assert.deepEqual(decodeCbor(encodeCbor(value)), value);
  }));
});
