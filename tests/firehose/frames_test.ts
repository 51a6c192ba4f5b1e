import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { AtEvent, CommitEvent } from "../../lib/atproto/event.ts";
import { toJson } from "../../lib/atproto/event.ts";
import { encode, fromHex, messageFrame } from "../../lib/atproto/test_frames.ts";
import { loadFrames, startSimulate } from "../../lib/simulate/server.ts";
import { labelsFrame } from "../../lib/simulate/repos/messages.ts";
import { at, commit, commits, runFirehose, seqsOf } from "../support/live_run.ts";
import { captureLog } from "../support/log_records.ts";
import { realData, realTest } from "../support/real_data.ts";
import { startScripted } from "../support/scripted_jetstream.ts";

/** A server that sends these messages to everybody. */
const serving = (...messages: readonly (string | Uint8Array)[]) =>
  startScripted({ onDial: (dial) => void dial.accept(...messages) });

const synthetic = (): Record<string, Uint8Array> => {
  const all: Record<string, string> = JSON.parse(Deno.readTextFileSync(realData("synthetic_frames.json")!));
  return Object.fromEntries(Object.entries(all).map(([name, hex]) => [name, fromHex(hex)]));
};

const reasons = (run: { readonly letters: readonly { readonly error: { readonly reason: string } }[] }) =>
  run.letters.map(({ error }) => error.reason);

realTest("F2: 150 real frames, 152 events in order, records as Jetstream gave them", [
  "frames.bin.zst",
  "expected_v1.jsonl",
], async ([frames, expected]) => {
  await using server = await startSimulate({ frames: await loadFrames(frames!) });
  await using run = runFirehose({ host: server.relay.slice(5) });
  await run.until(() => run.cursor === "31527015471");
  const kinds = run.events.map((event) => event.kind === "commit" ? event.commit.operation : event.kind);
  const counted = Object.fromEntries([...Map.groupBy(kinds, (kind) => kind)].map(([kind, all]) => [kind, all.length]));
  deepEqual(counted, { create: 144, update: 2, delete: 4, identity: 1, account: 1 });
  deepEqual(seqsOf(run.events), seqsOf(run.events).toSorted((a, b) => a! - b!));
  const records = new Map<string, unknown>();
  for (const line of Deno.readTextFileSync(expected!).trimEnd().split("\n")) {
    const { did, commit } = JSON.parse(line);
    if (commit?.record) records.set(`${did}/${commit.collection}/${commit.rkey}`, commit.record);
  }
  let compared = 0;
  for (const event of run.events.map((event) => JSON.parse(toJson(event)))) {
    const record = records.get(`${event.did}/${event.commit?.collection}/${event.commit?.rkey}`);
    if (event.commit?.operation !== "create" || record === undefined) continue;
    deepEqual(event.commit.record, record);
    compared++;
  }
  ok(compared > 100, `${compared} records were compared`);
  deepEqual(run.source.stats.hosts.host!.frames, { "#commit": 148, "#identity": 1, "#account": 1 });
});

realTest("F3, F43: filters on real frames leave the cursor where it was; --until ends behind its frame", [
  "frames.bin.zst",
], async ([path]) => {
  await using server = await startSimulate({ frames: await loadFrames(path!) });
  const host = { host: server.relay.slice(5) };
  await using bsky = runFirehose(host, { collections: ["app.bsky.*", "chat.bsky.*"] });
  await bsky.until(() => bsky.cursor === "31527015471");
  deepEqual([bsky.events.length, bsky.counters.filtered], [151, 1]);
  await using teal = runFirehose(host, { collections: ["fm.teal.*"] });
  await teal.until(() => teal.cursor === "31527015471");
  deepEqual(teal.events.map(({ kind }) => kind).toSorted(), ["account", "commit", "identity"]);
  await using some = runFirehose(host, { until: 31527015400 });
  equal((await some.result).endedBy, "source");
  equal(some.cursor, "31527015400");
  await using deletes = runFirehose(host, { operations: ["delete"], kinds: ["commit"] });
  await deletes.until(() => deletes.cursor === "31527015471");
  deepEqual(deletes.events.map((event) => (event as CommitEvent).commit.operation), Array(4).fill("delete"));
});

Deno.test("F10: frames that cannot be read are dead, with the position before them, and the next one is read", async () => {
  const header = encode({ op: 1, t: "#commit" });
  const bad = [header, [header, encode({}), encode({})], [], [encode("text")], [header, encode([1])]];
  const broken = bad.map((parts) => Uint8Array.from([parts].flat().flatMap((bytes) => [...bytes])));
  await using server = await serving(commit(5), ...broken, encode({ op: -2 }), commit(6));
  await using run = runFirehose(server, {}, at("4"));
  await run.until(() => run.cursor === "6");
  deepEqual(seqsOf(run.events), [5, 6]);
  deepEqual(reasons(run), ["frame-body", "frame-trailing", "frame-empty", "frame-header", "frame-body"]);
  deepEqual(
    run.letters.map(({ stage, detail }) => [stage, detail]),
    broken.map(() => [
      "source",
      { host: "host", wire: "relay", position: "5" },
    ]),
  );
  deepEqual([run.source.stats.ignored, server.dials.length], [1, 1]);
});

Deno.test("F10: --strict drops the connection, and goes on at the cursor", async () => {
  await using server = await startScripted({
    onDial: (dial) => void dial.accept(...dial.index === 0 ? [commit(5), new Uint8Array(), commit(6)] : [commit(6)]),
  });
  await using run = runFirehose(server, { strict: true }, at("4"));
  await run.until(() => run.cursor === "6");
  deepEqual(seqsOf(run.events), [5, 6]);
  deepEqual(server.dials.map(({ cursor }) => cursor), [4, 5]);
  deepEqual(reasons(run), ["frame-empty"]);
});

Deno.test("F11: more keys than known are accepted; a text message is dead and costs the connection", async () => {
  const body = { did: "did:plc:wq4aajammjtxdomz3e23667t", seq: 5, time: "2026-07-04T14:38:07.517Z", more: 1 };
  const extra = Uint8Array.from([...encode({ op: 1, t: "#identity", more: [] }), ...encode(body)]);
  await using server = await startScripted({
    onDial: (dial) => void dial.accept(...dial.index === 0 ? [extra, "text", commit(6)] : [commit(6)]),
  });
  await using run = runFirehose(server, {}, at("4"));
  await run.until(() => run.cursor === "6");
  deepEqual(seqsOf(run.events), [5, 6]);
  deepEqual([reasons(run), run.letters[0]!.raw?.toString()], [["frame-text"], "text"]);
  deepEqual(server.dials.map(({ cursor }) => cursor), [4, 5]);
});

Deno.test("a message with a fault but a number moves the cursor together with its dead letter", async () => {
  await using server = await serving(commit(5), messageFrame("#account", { seq: 6, did: "x" }));
  await using run = runFirehose(server, {}, at("4"));
  await run.until(() => run.cursor === "6");
  deepEqual([seqsOf(run.events), reasons(run)], [[5], ["field-did"]]);
});

Deno.test("F43: --until ends behind a frame of which only the number can be read", async () => {
  for (const last of [messageFrame("#account", { seq: 6, did: "x" }), messageFrame("#news", { seq: 6 })]) {
    await using server = await serving(commit(5), last, commit(7));
    await using run = runFirehose(server, { until: 6 }, at("4"));
    equal((await run.result).endedBy, "source");
    deepEqual([seqsOf(run.events), run.cursor], [[5], "6"]);
  }
});

realTest("F13: removed and unknown types give nothing and move the cursor; a #handle can count as an identity", [
  "synthetic_frames.json",
], async () => {
  const { unknown_type, handle_deprecated, tombstone_deprecated } = synthetic();
  const frames = [unknown_type!, handle_deprecated!, tombstone_deprecated!];
  await using server = await serving(...frames);
  await using run = runFirehose(server, {}, at("100"));
  await run.until(() => run.cursor === "145");
  deepEqual([run.events, run.letters, run.gaps, run.source.stats.ignored], [[], [], [], 3]);
  await using rsky = runFirehose(server, { handles: true }, at("100"));
  await rsky.until(() => rsky.cursor === "145");
  deepEqual(rsky.events.map((event) => event.kind === "identity" && event.identity.handle), ["pengua.bsky.social"]);
});

Deno.test("F14: the events of a frame are in one write even at batch size 2, and a limit takes the frame whole", async () => {
  const three = ["a", "b", "c"].map((text) => ({ record: { text } }));
  await using server = await serving(commit(1), commit(2, three), ...commits(3, 6));
  await using run = runFirehose(server, {}, { ...at("0"), batchSize: 2 });
  await run.until(() => run.cursor === "6");
  const writes = run.writes.map(({ items }) => seqsOf(items));
  equal(writes.filter((seqs) => seqs.includes(2)).length, 1);
  const frame = run.events.filter((event) => (event as AtEvent).seq === 2) as CommitEvent[];
  deepEqual(new Set(frame.map(({ seq, relay, commit: { rev } }) => `${seq} ${relay?.commit} ${rev}`)).size, 1);
  deepEqual(frame.map(({ commit }) => commit.record!.text), ["a", "b", "c"]);
  for (const limit of [2, 3, 4]) {
    await using limited = runFirehose(server, {}, { ...at("0"), limit });
    equal((await limited.result).endedBy, "limit");
    deepEqual([seqsOf(limited.events), limited.cursor], [[1, 2, 2, 2], "2"]);
  }
});

Deno.test("F16: an op that cannot be used is dead, its siblings live, and the cursor waits for both", async () => {
  const ops = [{ record: { text: "a" } }, { record: { text: "b" }, lost: true }, { record: { text: "c" } }];
  await using server = await serving(commit(1), commit(2, ops), commit(3));
  await using run = runFirehose(server, {}, { ...at("0"), batchSize: 1 });
  await run.until(() => run.cursor === "3");
  deepEqual(seqsOf(run.events), [1, 2, 2, 3]);
  deepEqual(reasons(run), ["op-block"]);
  const { detail, raw } = run.letters[0]!;
  deepEqual([detail?.position, detail?.path, detail?.seq], ["1", "app.bsky.feed.post/1", 2]);
  ok(raw instanceof Uint8Array);
});

Deno.test("F17: tooBig, rebase and blobs are read all the same, with one warning a repo; a time that is none is counted", async () => {
  await using log = await captureLog();
  await using server = await serving(
    commit(1, undefined, { tooBig: true }),
    commit(2, undefined, { rebase: true, time: "x" }),
  );
  await using run = runFirehose(server, { now: () => 1_800_000_000_000 }, at("0"));
  await run.until(() => run.cursor === "2");
  deepEqual(run.events.map(({ time_us }) => time_us), [1_783_175_887_517_000, 1_800_000_000_000_000]);
  equal(log.lines.filter((line) => /tooBig/.test(line)).length, 1);
  equal(run.source.stats.hosts.host!.badTimes, 1);
});

Deno.test("F5: unknown names are counted, and not without end", async () => {
  const named = Array.from({ length: 200 }, (_, i) => messageFrame(`#${i}`, { a: "b" }));
  await using server = await serving(...named, commit(1), labelsFrame(2, []));
  await using run = runFirehose(server, {}, at("0"));
  await run.until(() => run.cursor === "2");
  const { frames } = run.source.stats.hosts.host!;
  ok(Object.keys(frames).length <= 65);
  match(JSON.stringify(frames), /"others":1\d\d/);
  equal(run.source.stats.ignored, 201);
});
