import assert from "node:assert/strict";
import { decodeJson } from "../../atproto/cbor.ts";
import { splitPath } from "../../atproto/record.ts";
import { isDid } from "../../atproto/syntax.ts";
import { microsOf } from "../../atproto/time.ts";
import { tidMicros } from "../../atproto/tid.ts";
import { encodeCbor } from "../repos/cbor.ts";
import { cidOf } from "../repos/cid.ts";
import { type Label, labelBytes } from "../repos/labels.ts";
import { rootOf } from "../repos/mst_blocks.ts";
import { isSignedBy, loadTree, readCar, readFrame, undo } from "../repos/test_reader.ts";
import { accountKey, LABELER, labelKey } from "./accounts.ts";
import { labelFrames } from "./labels.ts";
import { createNetwork, type NetworkOptions } from "./network.ts";
import { createSchedule } from "./schedule.ts";

const EPOCH = Date.UTC(2026, 0, 1) * 1000;
const small: NetworkOptions = { epoch: EPOCH, accounts: 20, sign: false };
const range = (count: number, first = 1) => Array.from({ length: count }, (_, n) => first + n);

/** What a reader that verifies everything keeps of a repo. */
interface Known {
  rev: string;
  data: string;
  active: boolean;
}

/** Checks frames as such a reader does; returns how often each kind and operation came. */
function verify(
  frames: readonly Uint8Array[],
  rng: number,
  isSigned: boolean,
  accountOf: (did: string) => number | undefined,
) {
  const known = new Map<string, Known>();
  const counts: Record<string, number> = {};
  const records = new Map<string, string>();
  for (const [n, frame] of frames.entries()) {
    const { header, body, blocks } = readFrame(frame);
    const did = body.repo ?? body.did;
    assert.ok(isDid(did));
    assert.deepEqual([header.op, body.seq], [1, n + 1]);
    counts[header.t] = (counts[header.t] ?? 0) + 1;
    const before = known.get(did);
    if (header.t === "#account") {
      assert.equal(body.active, body.status === undefined);
      known.set(did, { rev: "", data: "", ...before, active: body.active });
      continue;
    }
    if (header.t === "#identity") continue;
    const car = readCar(blocks);
    const [root] = car.roots;
    for (const [cid, block] of car.blocks) assert.equal(cidOf(block), cid);
    const { sig, ...commit } = decodeJson(car.blocks.get(root!)!) as {
      sig: { $bytes: string };
      data: { $link: string };
    };
    const key = accountKey(rng, accountOf(did)!);
    if (isSigned) assert.ok(isSignedBy(encodeCbor(commit), Uint8Array.fromBase64(sig.$bytes), key));
    assert.deepEqual(commit, { did, version: 3, data: commit.data, rev: body.rev, prev: null });
    assert.ok(tidMicros(body.rev)! <= microsOf(body.time)!);
    assert.notEqual(before?.active, false, "a commit of an account that is not active");
    if (before?.rev) assert.ok(body.rev > before.rev);
    if (header.t === "#commit") {
      assert.deepEqual(body.commit.$link, root);
      if (before?.rev) assert.deepEqual([body.since, body.prevData.$link], [before.rev, before.data]);
      assert.equal(rootOf(undo(loadTree(car.blocks, commit.data.$link), body.ops)).cid, body.prevData.$link);
      for (const { action, path, cid, prev } of body.ops) {
        counts[action] = (counts[action] ?? 0) + 1;
        const { collection } = splitPath(path)!;
        const place = `${did}/${path}`, old = records.get(place);
        assert.equal(action === "create", prev === undefined);
        if (old !== undefined) assert.equal(prev.$link, old);
        if (action === "delete") {
          assert.ok(old !== undefined, "a delete of what was never created");
          records.delete(place);
        } else {
          const record = decodeJson(car.blocks.get(cid.$link)!) as { $type: string };
          assert.equal(record.$type, collection);
          records.set(place, cid.$link);
        }
      }
    } else {
      assert.equal(car.blocks.size, 1);
      if (before?.rev) assert.equal(commit.data.$link, before.data);
    }
    known.set(did, { active: true, rev: body.rev, data: commit.data.$link });
  }
  return counts;
}

Deno.test("generated frames pass every check of a verifying reader, for as long as one likes", () => {
  const network = createNetwork(small);
  const counts = verify(range(4000).map(network.frames.read), 1, false, network.accountOf);
  for (const kind of ["#commit", "#sync", "#identity", "#account", "create", "update", "delete"]) {
    assert.ok(counts[kind]! > 5, `${kind}: ${counts[kind]}`);
  }
  assert.ok(counts.create! > 3500 && counts.delete! > 60 && counts.delete! < 150, JSON.stringify(counts));
});

Deno.test("accounts take turns; each frame is the next step of one of them, and frames know how many steps there were", () => {
  const schedule = createSchedule(3500, 7);
  const counts = new Map<number, number>();
  for (let frame = 1; frame <= 260_000; frame++) {
    const { account, k } = schedule.at(frame);
    assert.equal(k, (counts.get(account) ?? 0) + 1);
    counts.set(account, k);
    if (frame % 1000 === 7) {
      assert.deepEqual([schedule.count(account, frame - 1), schedule.count(account, frame)], [k - 1, k]);
    }
  }
  assert.deepEqual([counts.size, counts.get(0), counts.get(1000), schedule.count(3400, 260_000)], [3000, 128, 68, 0]);
});

Deno.test("generated frames are signed with the keys of their accounts, on both curves", () => {
  const network = createNetwork({ ...small, rng: 3, sign: true });
  const counts = verify(range(100).map(network.frames.read), 3, true, network.accountOf);
  assert.ok(counts["#commit"]! > 80);
  assert.deepEqual([...new Set(range(20, 0).map((n) => accountKey(3, n).curve))].sort(), ["k256", "p256"]);
});

Deno.test("T3: a frame is the same for everybody, in whatever order frames are asked for", () => {
  const one = createNetwork({ ...small, sign: true }), other = createNetwork({ ...small, sign: true });
  const frames = range(60).map(one.frames.read);
  for (const n of [59, 3, 40, 41, 2, 60, 1]) assert.deepEqual(other.frames.read(n), frames[n - 1]);
  const third = createNetwork({ ...small, rng: 2 });
  assert.notDeepEqual(third.frames.read(1), frames[0]);
});

Deno.test("epoch now: a frame keeps the time, rkeys and rev that it was first read with", () => {
  const network = createNetwork({ accounts: 5, sign: false });
  const first = range(30).map(network.frames.read);
  assert.deepEqual(range(30).map(network.frames.read), first);
  const { body } = readFrame(first[29]!);
  assert.ok(Math.abs(Date.parse(body.time) - Date.now()) < 60_000);
});

Deno.test("getRepo: what the frames that were sent have made of it", () => {
  const network = createNetwork(small);
  const seen = new Map<string, { rev: string; head: string }>();
  for (const n of range(700)) {
    const { header, body, blocks } = readFrame(network.frames.read(n));
    if (header.t === "#commit" || header.t === "#sync") {
      seen.set(body.repo ?? body.did, { rev: body.rev, head: readCar(blocks).roots[0]! });
    }
  }
  network.frames.sent(700);
  assert.equal(seen.size, 20);
  for (const [did, { rev, head }] of seen) {
    const repo = network.repo(network.accountOf(did)!);
    assert.deepEqual([repo.rev, repo.head], [rev, head]);
    const { blocks } = readCar(repo.car());
    assert.equal(blocks.size, new Set(repo.records.values()).size + new Map(nodesOf(blocks)).size + 1);
  }
});

/** The nodes of a tree among the blocks of a repo. */
function nodesOf(blocks: ReadonlyMap<string, Uint8Array>) {
  return [...blocks].filter(([, block]) => {
    const value = decodeJson(block) as Record<string, unknown>;
    return "e" in value && "l" in value;
  });
}

Deno.test("--collections, --accounts: extra collections come, and no account is beyond", () => {
  const network = createNetwork({ ...small, accounts: 3, collections: ["x.y.z", "a.b.*"] });
  const bodies = range(600).map((n) => readFrame(network.frames.read(n)).body);
  const ops = bodies.flatMap((body) => body.ops ?? []) as { path: string }[];
  const collections = new Set(ops.map(({ path }) => path.split("/")[0]));
  assert.ok(collections.has("x.y.z") && collections.has("a.b.thing"));
  assert.equal(new Set(bodies.map((body) => body.repo ?? body.did)).size, 3);
});

Deno.test("labels: signed by the labeler, some taken back, some with an end", () => {
  const frames = labelFrames({ epoch: EPOCH, accounts: 20 });
  const labeler = createNetwork(small).did(LABELER);
  const labels: (Label & { sig: { $bytes: string } })[] = [];
  for (const n of range(300)) {
    const { header, body } = readFrame(frames.read(n));
    assert.deepEqual([header.t, body.seq], ["#labels", n]);
    labels.push(...body.labels);
  }
  for (const { sig, ...label } of labels.slice(0, 50)) {
    assert.ok(isSignedBy(labelBytes(label), Uint8Array.fromBase64(sig.$bytes), labelKey(1)));
  }
  const mark = (label: Label) => `${label.uri} ${label.val} ${label.cid}`;
  const negated = labels.filter((label) => label.neg);
  const before = new Set(labels.filter((label) => !label.neg).map(mark));
  assert.ok(negated.length > 10 && negated.every((label) => before.has(mark(label))));
  assert.ok(labels.length > 310 && labels.every((label) => label.src === labeler && label.ver === 1));
  assert.ok(labels.some((label) => label.exp) && labels.some((label) => label.uri.startsWith("did:")));
  assert.deepEqual(labelFrames({ epoch: EPOCH, accounts: 20 }).read(7), frames.read(7));
});
