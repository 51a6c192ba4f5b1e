import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Cid } from "../../lib/atproto/cid.ts";
import { carOf, cidOf, commitBody, DID, encode, fromHex, messageFrame, REV } from "../../lib/atproto/test_frames.ts";
import { labelsFrame } from "../../lib/simulate/repos/messages.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import { commit } from "../support/live_run.ts";
import { assertCalm, parseSummary, run, summaryOf } from "../support/program.ts";
import { startRedis } from "../support/redis.ts";
import { isInstalled } from "../support/services.ts";
import { readBack } from "../support/sqlite.ts";
import { dbIn, eventsIn } from "../support/stream_run.ts";
import { inFolder } from "../support/temp.ts";

const dead = (folder: string, ...args: string[]) => run(folder, ["dead-letter", ...args]);

async function list(folder: string, ...args: string[]): Promise<Record<string, unknown>[]> {
  return (await dead(folder, "list", "--json", ...args)).stdout.map((line) => JSON.parse(line));
}

/** The summary of a retry, which must end with `code`. */
async function retry(folder: string, args: readonly string[] = [], code = 0) {
  const end = await dead(folder, "retry", "--json", ...args);
  assertCalm(end);
  return {
    ...parseSummary(end, code) as ReturnType<typeof parseSummary> & { readonly left: number },
    stderr: end.stderr,
  };
}

/** A commit of two posts, of which the second has a block with the hash of another one. */
function forged(seq: number): Uint8Array {
  const [good, bad, named] = ["good", "bad", "named"].map((text) => encode({ text }));
  const body = commitBody([{ record: { text: "good" } }, { record: { text: "bad" }, cid: cidOf(named!) }], { seq });
  const root = body.commit as Cid;
  const signed = { did: DID, rev: REV, sig: new Uint8Array(64), data: cidOf(encode("tree")), prev: null, version: 3 };
  return messageFrame("#commit", { ...body, blocks: carOf(root, [encode(signed), good!, [cidOf(named!), bad!]]) });
}

const from = (
  relay: string,
  until: number,
) => ["firehose", "--relay-hosts", relay, "--cursor", "oldest", "--until", `${until}`];
const textsIn = (folder: string) => eventsIn(folder).map((line) => JSON.parse(line).commit?.record?.text);

Deno.test("T16: what firehose could not read is read again, an operation without its siblings; the rest stays", () =>
  inFolder(async (folder) => {
    const frames = [commit(1), forged(2), messageFrame("#commit", { seq: 3 }), commit(4)];
    await using server = await startSimulate({ frames });
    const first = await summaryOf(folder, [...from(server.relay, 4), "--max-dead-ratio", "1"], 3);
    assert.deepEqual([first.written, first.dead_lettered], [3, 2]);
    const letters = await list(folder);
    assert.deepEqual(letters.map(({ stage, reason, wire, seq, op }) => [stage, reason, wire, seq, op]), [
      ["source", "block-hash", "relay", 2, 1],
      ["source", "field-ops", "relay", undefined, undefined],
    ]);

    const vain = await retry(folder, [], 3);
    assert.deepEqual([vain.received, vain.written, vain.dead_lettered], [2, 0, 2]);
    const again = await list(folder);
    assert.deepEqual(again.map(({ retry_of, op }) => [retry_of, op]), letters.map(({ id, op }) => [id, op]));

    const mended = await retry(folder, ["--verify", "none"], 3);
    assert.deepEqual([mended.written, mended.dead_lettered], [1, 1]);
    assert.deepEqual(textsIn(folder), ["post 1", "good", "post 4", "bad"]);
    assert.deepEqual((await list(folder)).map(({ reason }) => reason), ["field-ops"]);
    const host = new URL(server.relay).host;
    const origins = readBack(dbIn(folder), "SELECT source, wire, host FROM origins");
    assert.deepEqual(origins.map((row) => Object.values(row)), [["firehose", "relay", host]]);
  }));

Deno.test("T16: a frame that can be read today is delivered whole; what of it is dead, still, is an entry of its own", () =>
  inFolder(async (folder) => {
    await using server = await startSimulate({ frames: [forged(2), messageFrame("#commit", { seq: 3 })] });
    await summaryOf(folder, [...from(server.relay, 3), "--sink", "null", "--max-dead-ratio", "1"], 3);
    const path = `${folder}/.local/state/bskyingest/dead-letter/firehose.ndjson`;
    // As if that version had not known how to read the frame at all.
    const lines = (await Deno.readTextFile(path)).trimEnd().split("\n").map((line) => JSON.parse(line));
    const { op: _, ...whole } = lines.find(({ op }) => op === 1);
    await Deno.writeTextFile(path, `${JSON.stringify(whole)}\n`);
    const { written, dead_lettered, filtered } = await retry(folder, [], 3);
    assert.deepEqual([written, dead_lettered, filtered, textsIn(folder)], [1, 1, 0, ["good"]]);
    const [{ op, part, retry_of }, ...others] = await list(folder) as [Record<string, unknown>];
    assert.deepEqual([op, part, retry_of, others], [1, true, whole.id, []]);
    assert.equal((await retry(folder, ["--verify", "none"])).written, 1);
    assert.deepEqual([textsIn(folder), await list(folder)], [["good", "bad"], []]);
  }));

Deno.test("T16: text and what was cut off stay, and why is said", () =>
  inFolder(async (folder) => {
    const long = "x".repeat(1_100_000);
    const big = messageFrame("#commit", { ...commitBody([{ record: { text: long } }], { seq: 1 }), ops: [], time: 5 });
    await using server = await startSimulate({ frames: [big, fromHex("a161 61"), commit(2)] });
    await summaryOf(folder, [...from(server.relay, 2), "--max-dead-ratio", "1"], 3);
    const path = `${folder}/.local/state/bskyingest/dead-letter/firehose.ndjson`;
    const text = {
      id: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
      at: "2026-01-01T00:00:00.000Z",
      command: "firehose",
      key: "firehose",
    };
    const letter = {
      ...text,
      stage: "source",
      reason: "frame-text",
      error: "No",
      host: "h",
      wire: "relay",
      text: "hello",
    };
    await Deno.writeTextFile(path, `${JSON.stringify(letter)}\n`, { append: true });
    const { left, dead_lettered, stderr } = await retry(folder, [], 3);
    assert.deepEqual([left, dead_lettered], [2, 1]);
    assert.match(stderr.join("\n"), /stay: 1, only a part of the message was kept/);
    assert.match(stderr.join("\n"), /stay: 1, it is text, which no frame may be/);
    assert.equal((await list(folder)).length, 3);
  }));

Deno.test("T16: labels and entries of lists that could not be read", () =>
  inFolder(async (folder) => {
    const label = (val?: string) => ({ src: DID, uri: DID, val, cts: "2026-07-04T14:38:01Z" });
    await using server = await startSimulate({ labelFrames: [labelsFrame(1, [label("a"), label(), label("c")])] });
    const labeler = ["labeler", "--labeler-hosts", server.relay, "--until", "1", "--max-dead-ratio", "1"];
    assert.equal((await summaryOf(folder, labeler, 3)).dead_lettered, 1);
    assert.equal((await retry(folder, ["--state-key", "labeler"], 3)).dead_lettered, 1);
    assert.deepEqual(eventsIn(folder).map((line) => JSON.parse(line).label.val), ["a", "c"]);

    const page = { repos: [{ did: "nobody" }, { did: DID, head: "h", rev: "" }] };
    await using pds = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => Response.json(page));
    const backfill = ["backfill", "--relay-hosts", `http://127.0.0.1:${pds.addr.port}`, "--max-dead-ratio", "1"];
    assert.equal((await summaryOf(folder, [...backfill, "--db", "list.db"], 3)).dead_lettered, 1);
    const key = ["--state-key", "backfill", "--db", "list.db"];
    assert.equal((await retry(folder, key, 3)).dead_lettered, 1);
    const path = `${folder}/.local/state/bskyingest/dead-letter/backfill.ndjson`;
    // As if today's program knew more kinds of DIDs.
    await Deno.writeTextFile(path, (await Deno.readTextFile(path)).replaceAll("nobody", "did:web:nobody.test"));
    assert.equal((await retry(folder, key)).written, 1);
    const rows = readBack<{ json: string }>(`${folder}/list.db`, "SELECT json FROM events ORDER BY position");
    assert.deepEqual(rows.map(({ json }) => JSON.parse(json).repo.did), [DID, "did:web:nobody.test"]);
  }));

const redisTest = isInstalled("redis")
  ? Deno.test
  : (name: string, _fn: () => Promise<void>) =>
    Deno.test.ignore(`${name} (skipped: scripts/services install redis)`, () => {});

redisTest(
  "T16: an event of a relay that a sink refused goes to others with all that its frame said",
  () =>
    inFolder(async (folder) => {
      await using redis = await startRedis();
      await using server = await startSimulate({ frames: [commit(1), commit(2), commit(3)] });
      await summaryOf(folder, from(server.relay, 1));
      {
        using db = new DatabaseSync(dbIn(folder));
        db.exec(
          "CREATE TRIGGER no BEFORE INSERT ON events WHEN new.json LIKE '%post 2%' BEGIN SELECT RAISE(ABORT, 'constraint failed: not this one'); END",
        );
      }
      const args = ["firehose", "--relay-hosts", server.relay, "--until", "3", "--max-dead-ratio", "1"];
      assert.equal((await summaryOf(folder, args, 3)).rejected, 1);
      const [{ stage, relay, wire }] = await list(folder) as [
        { stage: string; wire: string; relay: { commit: string } },
      ];
      assert.deepEqual([stage, wire], ["sqlite", "relay"]);
      const to = ["--sink", "redis", "--redis-url", redis.url, "--format", "rsky"];
      const { stderr } = await dead(folder, "retry", ...to);
      assert.match(stderr.join("\n"), /--stream is not set/);
      assert.equal((await retry(folder, [...to, "--stream", "firehose_live", "--state-key", "firehose"])).written, 1);
      const [entry] = await redis.entries("firehose_live");
      const { commit: cid, seq, record } = JSON.parse(entry!.value);
      assert.deepEqual([cid, seq, record.text], [relay.commit, 2, "post 2"]);
      assert.deepEqual(await list(folder), []);
    }),
);
