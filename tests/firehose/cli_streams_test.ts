import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { errorFrame, infoFrame } from "../../lib/simulate/repos/messages.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import { startCli } from "../support/child.ts";
import { range } from "../support/jetstream_run.ts";
import { commit, commits } from "../support/live_run.ts";
import { assertCalm, assertMisuse, ended, parseSummary, rowsIn, run, summaryOf, until } from "../support/program.ts";
import { type Dial, type ScriptedJetstream, startScripted } from "../support/scripted_jetstream.ts";
import { readBack } from "../support/sqlite.ts";
import { askedOf, cursorsIn, dbIn, eventsIn, gapsIn } from "../support/stream_run.ts";
import { tempFolder } from "../support/temp.ts";

/** A server that does one of these with each handshake, the last one again and again. */
const script = (...steps: readonly ((dial: Dial) => void)[]) =>
  startScripted({ onDial: (dial) => (steps[dial.index] ?? steps.at(-1))!(dial) });
const send = (...messages: readonly Uint8Array[]) => (dial: Dial) => void dial.accept(...messages);
const from = ({ host }: ScriptedJetstream, ...more: string[]) => ["firehose", "--relay-hosts", `ws://${host}`, ...more];
const keyOf = ({ host }: { readonly host: string }) => `firehose_live:cursor:${host}`;
const cursors = ({ dials }: ScriptedJetstream) => dials.map(({ cursor }) => cursor);
const seqs = (folder: string) => eventsIn(folder).map((text) => JSON.parse(text).cursor);

/** The rows of `gaps list`. */
async function gapsOf(folder: string) {
  const { code, stdout } = await run(folder, ["gaps", "list", "--json"]);
  assert.equal(code, 0);
  return stdout.map((line) => JSON.parse(line))
    .map(({ key, host, unit, from, to, reason, state }) => ({ key, host, unit, from, to, reason, state }));
}

/** A first run that leaves the position `seq` behind; it is the first handshake of the server. */
async function leaveAt(folder: string, server: ScriptedJetstream, seq: number): Promise<void> {
  await summaryOf(folder, from(server, "--until", String(seq)));
  assert.deepEqual(cursorsIn(folder), { [keyOf(server)]: String(seq) });
}

Deno.test("F7: a position in the future ends the run with 2 and says what to do; --on-future-cursor goes on", async () => {
  using folder = tempFolder();
  const future = (dial: Dial) => dial.accept(errorFrame("FutureCursor", "Cursor in the future.")).close(1008);
  await using server = await script(send(commit(42)), future, future, send(...commits(3, 4)));
  await leaveAt(folder.path, server, 42);
  const end = await run(folder.path, from(server));
  assertMisuse(end, new RegExp(`cursor 42 at ${server.host}: .*FutureCursor.*--on-future-cursor live or oldest`));
  assertCalm(end);
  assert.deepEqual([cursors(server), cursorsIn(folder.path)], [[undefined, 42], { [keyOf(server)]: "42" }]);
  const { key, gap } = { key: keyOf(server), gap: { unit: "seq", from: 43, to: null, reason: "future_cursor" } };
  assert.deepEqual(await gapsOf(folder.path), [{ key, host: server.host, ...gap, state: "open" }]);

  const went = await summaryOf(folder.path, from(server, "--on-future-cursor", "oldest", "-n", "2"));
  assert.equal(went.written, 2);
  assert.deepEqual([cursors(server).slice(2), cursorsIn(folder.path)[key]], [[42, 0], "4"]);
});

Deno.test("F9: what the relay no longer has is a gap; --on-gap fail ends with 1 before it", async () => {
  using folder = tempFolder();
  const outdated = infoFrame("OutdatedCursor", "Requested cursor exceeded limit");
  await using server = await script(send(commit(42)), send(outdated, ...commits(500, 502)));
  await leaveAt(folder.path, server, 42);
  const strict = await run(folder.path, from(server, "--on-gap", "fail", "--json"));
  assertCalm(strict);
  assert.match(parseSummary(strict, 1).error!, /^Cannot go on with --on-gap fail: outdated_cursor at /);
  assert.deepEqual([cursorsIn(folder.path)[keyOf(server)], rowsIn(dbIn(folder.path))], ["42", 1]);

  const end = await run(folder.path, from(server, "--until", "502", "--json"));
  assert.deepEqual([parseSummary(end).written, parseSummary(end).gaps], [3, 1]);
  assert.match(end.stderr.join("\n"), /warning live: .*OutdatedCursor/);
  assert.deepEqual(cursors(server), [undefined, 42, 42]);
  const gap = { unit: "seq", from: 43, to: 499, reason: "outdated_cursor", state: "open" };
  assert.deepEqual(await gapsOf(folder.path), [{ key: keyOf(server), host: server.host, ...gap }], "one row");
});

Deno.test("F37: a new run asks live, a later one for the saved number, --cursor for another; no number ends with 2", async () => {
  using folder = tempFolder();
  await using server = await script((dial) => {
    const next = (dial.cursor ?? 41) + 1;
    dial.accept(commit(next), commit(next + 1));
  });
  const to = (seq: number, ...more: string[]) => summaryOf(folder.path, from(server, "--until", String(seq), ...more));
  await to(43);
  await to(45);
  await to(47, "--cursor", "oldest", "-n", "1");
  await to(48, "--cursor", "46");
  assert.deepEqual(cursors(server), [undefined, 43, 0, 46]);
  assert.deepEqual(gapsIn(folder.path), [["cursor_moved", 2, 46, "accepted"]]);
  using db = new DatabaseSync(dbIn(folder.path));
  db.exec("UPDATE cursors SET cursor = 'abc'");
  const end = await run(folder.path, from(server));
  assertMisuse(end, new RegExp(`^Cannot read cursor "abc" for ${server.host}: it must be an integer`));
  assert.equal(server.dials.length, 4);
});

Deno.test("F37: --dry-run and another state key keep positions apart", async () => {
  using folder = tempFolder();
  await using server = await script(send(...commits(5, 6)));
  const dry = await summaryOf(folder.path, from(server, "--dry-run", "--until", "6"));
  assert.deepEqual([dry.written, dry.would_write], [0, 2]);
  await summaryOf(folder.path, from(server, "--until", "6", "--state-key", "other"));
  assert.deepEqual(cursorsIn(folder.path), { [`other:${keyOf(server)}`]: "6" });
  assert.deepEqual(cursors(server), [undefined, undefined]);
});

Deno.test("F39: a relay whose numbers begin anew ends the run with 2, or is followed", async () => {
  using folder = tempFolder();
  await using server = await script(send(commit(1000)), send(...commits(5, 7)));
  await leaveAt(folder.path, server, 1000);
  assertMisuse(await run(folder.path, from(server)), /5 came after 1000.*--on-future-cursor live or oldest/);
  assert.deepEqual(gapsIn(folder.path), [["seq_regression", 1001, null, "open"]]);
  assert.equal(cursorsIn(folder.path)[keyOf(server)], "1000");
  const live = await summaryOf(folder.path, from(server, "--on-future-cursor", "live", "-n", "1"));
  assert.equal(live.written, 1);
  assert.deepEqual([cursorsIn(folder.path)[keyOf(server)], seqs(folder.path)], ["5", [1000, 5]]);
});

Deno.test("F41: Retry-After is kept to; a 404 ends a run that never worked with the server's words", async () => {
  using folder = tempFolder();
  await using server = await script(
    (dial) => dial.refuse(429, "slow down", { "Retry-After": "2" }),
    send(commit(5)),
  );
  assert.equal((await summaryOf(folder.path, from(server, "--until", "5"))).written, 1);
  const [first, second] = server.dials.map(({ at }) => at);
  assert(second! - first! >= 2000, `${second! - first!} ms`);
  await using none = await script((dial) => dial.refuse(404, "no such method"));
  assertMisuse(
    await run(folder.path, from(none)),
    new RegExp(`^Cannot subscribe at ${none.host}: HTTP 404: no such method`),
  );
});

Deno.test("F43: a list of hosts is trimmed, read side by side, and no host is named twice", async () => {
  using folder = tempFolder();
  const relay = (seq: number) => startSimulate({ frames: commits(seq, seq + 4) });
  await using a = await relay(1);
  await using b = await relay(101);
  const list = ` ${a.relay}, ,${b.relay.replace("ws:", "http:")}/ `;
  const { written, source } = await summaryOf(folder.path, ["firehose", "--relay-hosts", list, "-n", "10"]);
  const hosts = [a, b].map(({ relay }) => new URL(relay).host);
  assert.deepEqual([written, source], [10, hosts.join(",")]);
  assert.deepEqual(cursorsIn(folder.path), {
    [keyOf({ host: hosts[0]! })]: "5",
    [keyOf({ host: hosts[1]! })]: "105",
  });
  const sql = "SELECT host, count(*) AS n FROM events JOIN origins ON origin = id GROUP BY host";
  assert.deepEqual(
    new Map(readBack<{ host: string; n: number }>(dbIn(folder.path), sql).map((r) => [r.host, r.n])),
    new Map(hosts.map((host) => [host, 5])),
  );
  assertMisuse(
    await run(folder.path, ["firehose", "--relay-hosts", "a.example,https://a.example/"]),
    /^Cannot use host "https:\/\/a\.example\/": a\.example is named twice/,
  );
});

Deno.test("F14: -n cuts no frame, however small the batches, and the next run goes on behind it", async () => {
  using folder = tempFolder();
  const three = [1, 2, 3].map((n) => ({ path: `app.bsky.feed.post/${n}`, record: { text: `${n}` } }));
  const frames = [commit(5), commit(6, three), ...commits(7, 8)];
  await using server = await startSimulate({ frames });
  const args = ["firehose", "--relay-hosts", server.relay, "--batch-size", "2", "--json", "-n"];
  const first = parseSummary(await run(folder.path, [...args, "2"]));
  assert.deepEqual([first.written, first.cursor, first.ended_by], [4, 6, "count"]);
  const end = await run(folder.path, [...args, "2"]);
  assert.deepEqual([parseSummary(end).written, askedOf(end)], [2, ["from 6"]]);
  assert.deepEqual(seqs(folder.path), [5, 6, 6, 6, 7, 8]);
});

Deno.test("SIGTERM drains and saves: the next run goes on, and every event is there once", async () => {
  using folder = tempFolder();
  await using server = await startSimulate({
    frames: commits(1, 3000),
    onRequest: ({ n }) => n === 1 ? { rate: 2000 } : {},
  });
  const args = ["firehose", "--relay-hosts", server.relay, "--json"];
  await using child = startCli(args, { cwd: folder.path });
  await until(() => rowsIn(dbIn(folder.path)) >= 500, "500 rows");
  child.kill("SIGTERM");
  const { written, ended_by, unsettled } = parseSummary(await ended(child));
  assert.deepEqual([ended_by, unsettled], ["signal", 0]);
  const end = await run(folder.path, [...args, "--until", "3000"]);
  assert.equal(written + parseSummary(end).written, 3000);
  assert.deepEqual(seqs(folder.path), range(1, 3000));
});

Deno.test("F42: one of two relays dies: the other goes on, and once it is back nothing of it is missing", async () => {
  using folder = tempFolder();
  const frames = (offset: number) => commits(offset + 1, offset + 400);
  await using steady = await startSimulate({ frames: frames(1000), rate: 200 });
  const dying = await startSimulate({ frames: frames(0), rate: 200 });
  await using child = startCli(["firehose", "--relay-hosts", `${dying.relay},${steady.relay}`, "--json"], {
    cwd: folder.path,
  });
  const at = (relay: string) => Number(readCursors(folder.path)[keyOf(new URL(relay))] ?? 0);
  await until(() => at(dying.relay) > 50 && at(steady.relay) > 1050, "both are read");
  await dying[Symbol.asyncDispose]();
  const before = at(steady.relay);
  await until(() => at(steady.relay) > before + 100, "the other one goes on");
  await using _back = await startSimulate({ port: dying.port, frames: frames(0) });
  await until(() => at(dying.relay) === 400 && at(steady.relay) === 1400, "the end of both");
  child.kill("SIGTERM");
  const { written, gaps } = parseSummary(await ended(child));
  assert.deepEqual([written, gaps], [800, 0]);
  assert.deepEqual(seqs(folder.path).toSorted((a, b) => a - b), [...range(1, 400), ...range(1001, 1400)]);
});

/** The positions, while a run may be about to make the database. */
function readCursors(folder: string): Record<string, string> {
  return rowsIn(dbIn(folder)) === 0 ? {} : cursorsIn(folder);
}

Deno.test("--simulate: events without a network, and a second run goes on", async () => {
  using folder = tempFolder();
  for (const round of [1, 2]) {
    const end = await run(folder.path, ["firehose", "--simulate", "-n", "500", "--json"]);
    const { written, dead_lettered, gaps } = parseSummary(end);
    assert(written >= 500 && written < 503, `${written} events`);
    assert.deepEqual([dead_lettered, gaps], [0, 0], `round ${round}`);
  }
  const [row] = readBack(dbIn(folder.path), "SELECT count(*) AS n, count(DISTINCT json) AS texts FROM events");
  assert.equal(row!.n, row!.texts);
  assert.deepEqual(Object.keys(cursorsIn(folder.path)), ["firehose-simulate:firehose_live:cursor:simulate"]);
});
