import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { DatabaseSync } from "node:sqlite";
import type { AnyEvent, CommitEvent } from "../../lib/atproto/event.ts";
import { ConfigError, TransientError } from "../../lib/pipeline/errors.ts";
import { identityFrame } from "../../lib/simulate/repos/messages.ts";
import { sqliteSink } from "../../lib/sinks/sqlite.ts";
import { firehose, type FirehoseOptions } from "../../lib/sources/firehose.ts";
import { setCursor } from "../../lib/state/cursors_table.ts";
import { selfSigned } from "../support/certificate.ts";
import { range } from "../support/jetstream_run.ts";
import { commit, commits, KEY, type LiveRunOptions, runFirehose, runSource, seqsOf } from "../support/live_run.ts";
import { captureLog } from "../support/log_records.ts";
import { until } from "../support/run_control.ts";
import { type ScriptedJetstream, startScripted } from "../support/scripted_jetstream.ts";
import { tempFolder } from "../support/temp.ts";

/** A relay that sends everything behind the cursor. */
const relay = (frames: readonly (readonly [seq: number, frame: Uint8Array])[]) =>
  startScripted({
    onDial: (dial) => void dial.accept(...frames.filter(([seq]) => seq > (dial.cursor ?? 0)).map(([, frame]) => frame)),
  });
const keyOf = ({ host }: ScriptedJetstream) => `firehose_live:cursor:${host}`;
const urls = (...servers: readonly ScriptedJetstream[]) => servers.map(({ host }) => `ws://${host}`);

function runAll(servers: readonly ScriptedJetstream[], options: FirehoseOptions = {}, how: LiveRunOptions = {}) {
  return runSource(firehose({ hosts: urls(...servers), backoff: () => 5, ...options }), how);
}

/** The commits `first` to `last`, which another relay numbers otherwise: an account's record keys make them the same. */
const numbered = (first: number, last: number, offset: number) =>
  range(first, last).map((n) => {
    const ops = ["a", "b"].map((each) => ({ path: `app.bsky.feed.post/${each}${n}`, record: { text: `${n}` } }));
    return [n + offset, commit(n + offset, ops)] as const;
  });
const rkeys = (events: readonly AnyEvent[]) => events.map((event) => (event as CommitEvent).commit.rkey);

Deno.test("F42: two relays without --dedupe: every event twice, each with its host, a cursor of its own for each", async () => {
  await using a = await relay(numbered(1, 40, 0));
  await using b = await relay(numbered(1, 40, 500));
  await using run = runAll([a, b], {}, { saved: { [keyOf(b)]: "510" } });
  await run.until(() => run.store.positions.get(keyOf(a)) === "40" && run.store.positions.get(keyOf(b)) === "540");
  equal(b.dials[0]!.cursor, 510);
  const of = (server: ScriptedJetstream) => run.events.filter(({ origin }) => origin.host === server.host);
  deepEqual([...new Set(seqsOf(of(a)))], range(1, 40));
  deepEqual([...new Set(seqsOf(of(b)))], range(511, 540));
  for (const { key, items } of run.writes) {
    ok(items.every(({ origin }) => key === `firehose_live:cursor:${origin.host}`), "a write is of one host");
  }
  deepEqual(run.source.keys, [keyOf(a), keyOf(b)]);
  deepEqual([run.source.stats.connected, run.source.stats.connections], [true, 2]);
});

Deno.test("F42: --dedupe keeps each op once and its frame whole; identities pass from every host", async () => {
  const identity = (seq: number) => {
    const time = "2026-07-04T14:38:07.517Z";
    return [seq, identityFrame({ seq, time }, "did:plc:wq4aajammjtxdomz3e23667t")] as const;
  };
  await using a = await relay([...numbered(1, 40, 0), identity(41)]);
  await using b = await relay([...numbered(1, 40, 500), identity(541)]);
  await using run = runAll([a, b], { dedupe: true, cursor: "oldest" }, { batchSize: 3 });
  await run.until(() => run.store.positions.get(keyOf(a)) === "41" && run.store.positions.get(keyOf(b)) === "541");
  const posts = rkeys(run.events.filter(({ kind }) => kind === "commit"));
  deepEqual(posts.toSorted(), range(1, 40).flatMap((n) => [`a${n}`, `b${n}`]).toSorted());
  equal(run.events.filter(({ kind }) => kind === "identity").length, 2);
  equal(run.counters.duplicates, 80);
  for (const { items } of run.writes) {
    const names = rkeys(items.filter(({ kind }) => kind === "commit"));
    for (const name of names) {
      ok(names.includes(`${name.startsWith("a") ? "b" : "a"}${name.slice(1)}`), "no frame is cut");
    }
  }
});

Deno.test("F42: after a crash between the positions of two hosts SQLite holds each op once", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  await using a = await relay(numbered(1, 40, 0));
  await using b = await relay(numbered(1, 40, 500));
  const runOnce = async (isOver: (cursors: ReadonlyMap<string, string>) => boolean) => {
    await using sink = await sqliteSink({ path });
    const source = firehose({ hosts: urls(a, b), backoff: () => 5, dedupe: true, begin: "oldest" });
    await using run = runSource(source, { sink });
    await run.until(() => isOver(run.counters.cursors));
    using db = new DatabaseSync(path, { readOnly: true });
    return { ...db.prepare("SELECT count(DISTINCT rkey) AS ops, count(*) AS rows FROM events").get() };
  };
  const once = { ops: 80, rows: 80 };
  deepEqual(await runOnce((c) => c.get(keyOf(a)) === "40" && c.get(keyOf(b)) === "540"), once);
  await setCursor(path, keyOf(b), "520");
  deepEqual(await runOnce((c) => c.get(keyOf(b)) === "540"), once);
});

Deno.test("F42: one relay is dead, the other goes on", async () => {
  const b = await relay(numbered(1, 5, 0));
  await using a = await relay(numbered(1, 40, 0));
  await b[Symbol.asyncDispose]();
  await using run = runAll([b, a]);
  await run.until(() => run.store.positions.get(keyOf(a)) === "40");
  equal(run.source.stats.connected, false);
});

Deno.test("a host that refuses for good ends the run, but with --dedupe only where no other one is healthy", async () => {
  await using log = await captureLog();
  await using a = await relay(numbered(1, 4, 0));
  let healthy: () => boolean = () => true;
  const refusing = () =>
    startScripted({ onDial: (dial) => void until(() => healthy()).then(() => dial.refuse(404, "not here")) });
  await using b = await refusing();
  await using c = await refusing();
  await using run = runAll([a, b]);
  await rejects(run.result, (e) => e instanceof ConfigError && e.message.includes(`${b.host}: HTTP 404: not here`));
  await using alone = runAll([b, c], { dedupe: true });
  await rejects(alone.result, ConfigError);
  await using going = runAll([a, b], { dedupe: true });
  healthy = () => going.source.stats.hosts[a.host]!.connected;
  await going.until(() => log.lines.some((line) => line.includes("The other hosts go on")));
  equal((await going.stop()).endedBy, "stop");
});

Deno.test("F37: a store that cannot be read now is asked again, and its fault is no reason to start live", async () => {
  await using a = await relay(numbered(1, 4, 0));
  await using b = await relay(numbered(1, 4, 0));
  let asked = 0;
  const load = (key: string) =>
    key === keyOf(b) && ++asked < 3 ? Promise.reject(new TransientError("Redis is away")) : Promise.resolve("2");
  const stop = new AbortController();
  const seqs = new Set<number | undefined>();
  const stream = firehose({ hosts: urls(a, b), backoff: () => 1 }).open({ cursor: "2", load, stop: stop.signal });
  for await (const { items } of stream) {
    for (const seq of seqsOf(items)) seqs.add(seq);
    if (seqs.size === 2 && b.dials.length > 0) stop.abort();
  }
  deepEqual([asked, [...seqs].toSorted(), a.dials[0]!.cursor, b.dials[0]!.cursor], [3, [3, 4], 2, 2]);
});

Deno.test("positions have the prefix and the alias that they are given", async () => {
  await using server = await relay(commits(1, 3).map((frame, i) => [i + 1, frame]));
  await using run = runFirehose(server, { keyPrefix: "k:", alias: "simulate" });
  await run.until(() => run.cursor === "3");
  deepEqual([run.source.key, run.events[0]!.origin.host, run.source.hosts], [
    "k:firehose_live:cursor:simulate",
    "simulate",
    ["simulate"],
  ]);
  equal(KEY, "firehose_live:cursor:host");
});

Deno.test("reconnecting dials at once, at the position", async () => {
  await using server = await relay(numbered(1, 4, 0));
  await using run = runFirehose(server, { backoff: () => 600_000 });
  await run.until(() => run.cursor === "4");
  run.source.reconnect();
  await run.until(() => server.dials.length === 2);
  equal(server.dials[1]!.cursor, 4);
});

Deno.test("a certificate that is not accepted ends a run that never worked", async () => {
  const server = createServer(selfSigned("localhost"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await using run = runSource(firehose({ hosts: [`localhost:${port}`], backoff: () => 5 }));
  await rejects(run.result, (e) => e instanceof ConfigError && /certificate/i.test(e.message));
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("a tap sees connections and what came on them", async () => {
  const seen: string[] = [];
  await using server = await startScripted({
    onDial: (dial) => dial.accept(commit((dial.cursor ?? 0) + 1)).close(1001, "bye"),
  });
  await using run = runFirehose(server, {
    tap: (entry) => seen.push(entry.type === "closed" ? `closed ${entry.code} ${entry.reason}` : entry.type),
  });
  await run.until(() => run.cursor === "2");
  deepEqual(seen.slice(0, 4), ["opened", "frames", "closed 1001 bye", "opened"]);
});
