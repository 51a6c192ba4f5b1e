import assert from "node:assert/strict";
import type { Gap } from "../../lib/pipeline/batch.ts";
import { infoFrame, labelsFrame } from "../../lib/simulate/repos/messages.ts";
import { type HttpFault, startSimulate } from "../../lib/simulate/server.ts";
import { sqliteSink } from "../../lib/sinks/sqlite.ts";
import { range } from "../support/jetstream_run.ts";
import { commit } from "../support/live_run.ts";
import { run, summaryOf } from "../support/program.ts";
import { startRedis } from "../support/redis.ts";
import { type ScriptedJetstream, startScripted } from "../support/scripted_jetstream.ts";
import { serviceTest } from "../support/services.ts";
import { put } from "../support/sqlite.ts";
import { cursorsIn, dbIn, eventsIn, gapsIn, namesIn } from "../support/stream_run.ts";
import { tempFolder } from "../support/temp.ts";

const seqs = (folder: string) =>
  eventsIn(folder).map((text) => JSON.parse(text)).map(({ seq, cursor = seq }) => cursor).sort((a, b) => a - b);

/** A commit unlike any other: of a revision that its number is in, of which no block is to be looked at. */
function numbered(seq: number): Uint8Array {
  const digits = seq.toString(4).padStart(4, "0").replaceAll(/\d/g, (digit) => "2345"[Number(digit)]!);
  return commit(seq, undefined, { rev: `3mptbyplu${digits}` });
}

/** A relay with frames from the oldest one, which may change, to 60; it says so when it is asked for an older one. */
function relay(oldest: () => number) {
  return startScripted({
    onDial(dial) {
      const { cursor = 41 } = dial;
      const outdated = cursor < oldest() - 1 ? [infoFrame("OutdatedCursor", "too old")] : [];
      dial.accept(...outdated, ...range(Math.max(cursor + 1, oldest()), 60).map(numbered));
    },
  });
}

Deno.test("T20: frames that a relay had left out are asked for by number, up to the end of the gap", async () => {
  using folder = tempFolder();
  let oldest = 1;
  await using server: ScriptedJetstream = await relay(() => oldest);
  const host = ["--relay-hosts", `ws://${server.host}`, "--verify", "none"];
  await summaryOf(folder.path, ["firehose", ...host, "--until", "42"]);
  oldest = 50;
  await summaryOf(folder.path, ["firehose", ...host, "--until", "52"]);
  assert.deepEqual(gapsIn(folder.path), [["outdated_cursor", 43, 49, "open"]]);
  const positions = cursorsIn(folder.path);
  const heal = async (code: number) => {
    const { open } = await summaryOf(folder.path, ["gaps", "heal", ...host], code) as unknown as { open: object[] };
    return open;
  };

  assert.deepEqual(await heal(3), [{ id: 1, why: `${server.host} no longer has all of it` }]);
  oldest = 46;
  assert.deepEqual(await heal(3), [{ id: 1, why: `${server.host} no longer has all of it` }]);
  assert.deepEqual([seqs(folder.path), gapsIn(folder.path)], [
    [42, ...range(46, 52)],
    [["outdated_cursor", 43, 45, "open"]],
  ]);
  oldest = 1;
  const asked = server.dials.length;
  assert.deepEqual(await heal(0), []);
  assert.deepEqual([seqs(folder.path), gapsIn(folder.path)], [
    range(42, 52),
    [["outdated_cursor", 43, 45, "healed"]],
  ]);
  assert.deepEqual(server.dials.slice(asked).map(({ cursor }) => cursor), [42]);
  assert.deepEqual(cursorsIn(folder.path), positions, "the position is as it was");
});

Deno.test("T20: a relay that passes over a gap in silence has not healed it", async () => {
  using folder = tempFolder();
  await using server = await startScripted({ onDial: (dial) => void dial.accept(commit(99)) });
  await openGap(folder.path, `x:firehose_live:cursor:${server.host}`, {
    ...{ source: "firehose", host: server.host, unit: "seq", from: 10, to: 20, reason: "frame_size", state: "open" },
  });
  const args = ["gaps", "heal", "--relay-hosts", `ws://${server.host}`];
  const { open, written, filtered } = await summaryOf(folder.path, args, 3) as unknown as Record<string, unknown>;
  assert.deepEqual([open, written, filtered], [[{ id: 1, why: `${server.host} has nothing of it` }], 0, 1]);
});

Deno.test("T20: labels that a labeler had left out come once, those that are there are known", async () => {
  using folder = tempFolder();
  const cts = (seq: number) => `2026-07-04T14:38:${seq}.517Z`;
  const label = (seq: number) =>
    labelsFrame(seq, [{ src: "did:plc:l", uri: "at://did:plc:b/a.b.c/1", val: "spam", cts: cts(seq) }]);
  await using server = await startScripted({
    onDial: ({ cursor = 0, accept }) => void accept(...range(cursor + 1, 30).filter((i) => i > 10).map(label)),
  });
  const args = ["--labeler-hosts", `ws://${server.host}`];
  await summaryOf(folder.path, ["labeler", ...args, "--cursor", "24", "--until", "29"]);
  await openGap(folder.path, `label_live:cursor:${server.host}`, {
    ...{
      source: "labeler",
      host: server.host,
      unit: "seq",
      from: 20,
      to: 26,
      reason: "outdated_cursor",
      state: "open",
    },
  });
  const { written, duplicates, filtered } = await summaryOf(folder.path, ["gaps", "heal", ...args]);
  assert.deepEqual([written, duplicates, filtered], [5, 2, 0]);
  assert.deepEqual(seqs(folder.path), range(20, 29));
});

serviceTest("T20: entries of a gap are added to the stream of Redis, whose position stays", ["redis"], async () => {
  await using redis = await startRedis();
  using folder = tempFolder();
  let oldest = 1;
  await using server = await relay(() => oldest);
  const args = ["--relay-hosts", `ws://${server.host}`, "--sink", "redis", "--redis-url", redis.url];
  const ingest = ["firehose", ...args, "--verify", "none"];
  await summaryOf(folder.path, [...ingest, "--cursor", "41", "--until", "42"]);
  oldest = 50;
  await summaryOf(folder.path, [...ingest, "--until", "52"]);
  const position = await redis.command("GET", `firehose_live:cursor:${server.host}`);
  oldest = 1;
  assert.equal((await summaryOf(folder.path, ["gaps", "heal", ...args, "--verify", "none"])).written, 7);
  const entries = (await namesIn(redis)).map((name) => Number(name.split(" ")[0]));
  assert.deepEqual(entries, [42, 50, 51, 52, ...range(43, 49)]);
  assert.deepEqual([position, await redis.command("GET", `firehose_live:cursor:${server.host}`)], ["52", "52"]);
});

Deno.test("T20: a page that failed is listed again", async () => {
  using folder = tempFolder();
  const entry = { did: `did:plc:${"b".repeat(24)}`, head: "bafy", rev: "3mptbypluud2a", active: true };
  const asked: string[] = [];
  let status = 404;
  await using server = await startSimulate({
    onHttp({ url }): HttpFault {
      asked.push(url.search);
      return { status, body: JSON.stringify(status === 200 ? { repos: [entry], cursor: "8" } : {}) };
    },
  });
  const { host } = new URL(server.url);
  await openGap(folder.path, `repo_backfill:cursor:${host}`, {
    ...{ source: "backfill", host, unit: "page", from: 7, to: 8, reason: "page", state: "open" },
  });
  const args = ["gaps", "heal", "--relay-hosts", server.url];
  const failed = await run(folder.path, args);
  assert.equal(failed.code, 3);
  assert.match(failed.stderr.at(-1)!, /^gap 1 stays open: Cannot list the repos of .* HTTP 404/);

  status = 200;
  assert.equal((await summaryOf(folder.path, args)).written, 1);
  assert.equal(asked.at(-1), "?limit=1&cursor=7");
  assert.deepEqual(eventsIn(folder.path).map((text) => JSON.parse(text).did), [entry.did]);
  assert.deepEqual([gapsIn(folder.path), cursorsIn(folder.path)], [[["page", 7, 8, "healed"]], {}]);
});

async function openGap(folder: string, key: string, gap: Gap): Promise<void> {
  await using sink = await sqliteSink({ path: dbIn(folder) });
  await put(sink, [], { key, gaps: [gap] });
}
