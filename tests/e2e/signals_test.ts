import assert from "node:assert/strict";
import { type Child, startCli } from "../support/child.ts";
import { cliArgs, cliEnv } from "../support/cli.ts";
import {
  askedFor,
  assertCalm,
  assertEquation,
  ended,
  parseSummary,
  rowsIn,
  run,
  serve,
  summaryOf,
  until,
} from "../support/program.ts";
import { readBack } from "../support/sqlite.ts";
import { tempFolder } from "../support/temp.ts";

/** What is stored: rows, the last sequence number, and whether the numbers have no hole. */
function stored(db: string) {
  const sql = "SELECT count(*) AS rows, max(seq) AS last, max(seq) - min(seq) + 1 AS span FROM events";
  return readBack<{ rows: number; last: number; span: number }>(db, sql)[0]!;
}

/** Waits until a run has stored something more, then sends a signal and waits for the end. */
async function stopOnceWriting(child: Child, db: string, signal: Deno.Signal) {
  const before = rowsIn(db);
  await until(() => rowsIn(db) > before, "rows");
  child.kill(signal);
  return await ended(child);
}

Deno.test("L7: a signal mid-run: exit 0, the position is the last safe event, the next run goes on there", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/bskyingest.db`;
  let last: number | undefined;
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    const args = ["jetstream", "--simulate", "-c", "all", "--json", "--batch-timeout", "50ms"];
    await using child = startCli(args, { cwd: folder.path });
    const end = await stopOnceWriting(child, db, signal);
    const summary = parseSummary(end);
    assert.deepEqual(askedFor(end), [last === undefined ? "live" : `from ${last}`]);
    assert.deepEqual([summary.ended_by, summary.error, summary.unsettled], ["signal", null, 0]);
    const { rows, span, last: reached } = stored(db);
    assert.equal((summary.cursor as { seq: number }).seq, reached);
    assert.equal(rows, span, "no hole, nothing twice");
    last = reached;
  }
});

Deno.test("T6: --simulate without a count: 2,000 events a second within 10 %; Ctrl-C ends it with 0", async () => {
  using folder = tempFolder();
  const args = ["jetstream", "--simulate", "-c", "all", "--json", "--batch-timeout", "50ms"];
  await using child = startCli(args, { cwd: folder.path });
  const db = `${folder.path}/bskyingest.db`;
  await until(() => rowsIn(db) >= 6000, "three seconds of events");
  child.kill("SIGINT");
  const summary = parseSummary(await ended(child));
  assert.deepEqual([summary.ended_by, summary.exit], ["signal", 0]);
  // An event has the time at which it was first sent.
  const sql = "SELECT (count(*) - 1) * 1e6 / (max(time_us) - min(time_us)) AS rate FROM events";
  const [{ rate }] = readBack<{ rate: number }>(db, sql) as [{ rate: number }];
  assert(rate > 1800 && rate < 2200, `${rate} events a second`);
});

/** A run whose output is a pipe that nobody reads any more. */
async function startStuck(folder: string, ...args: string[]) {
  const stuck = ["jetstream", "--simulate", "-c", "all", "-n", "100000", "--sink", "stdout", "--json", ...args];
  const child = new Deno.Command(Deno.execPath(), {
    args: cliArgs(stuck),
    cwd: folder,
    env: cliEnv(folder),
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stderr = new Response(child.stderr).text();
  const reader = child.stdout.getReader();
  assert.equal((await reader.read()).done, false);
  /** How it ended; what was left in the pipe is thrown away. */
  const end = async () => {
    const status = await child.status;
    await reader.cancel();
    return { ...status, stderr: (await stderr).trimEnd().split("\n") };
  };
  return { child, end };
}

Deno.test("L7: a stuck sink: exit 1 after --shutdown-timeout, the summary is complete", async () => {
  using folder = tempFolder();
  const { child, end } = await startStuck(folder.path, "--shutdown-timeout", "1s");
  const started = Date.now();
  child.kill("SIGTERM");
  const { code, signal, stderr } = await end();
  assert.deepEqual([code, signal], [1, null]);
  const took = Date.now() - started;
  assert(took >= 1000 && took < 4000, `${took} ms`);
  const text = "Cannot finish the running writes: not done 1 s after SIGTERM";
  assert.equal(stderr.at(-1), text);
  assertCalm({ code, stdout: [], stderr });
  const summary = JSON.parse(stderr.find((line) => line.startsWith("{"))!);
  assert.deepEqual([summary.ended_by, summary.exit, summary.error], ["error", 1, text]);
  assertEquation(summary);
  assert(summary.unsettled > 0);
});

Deno.test("L7: a second signal ends a stuck run at once, by that signal", async () => {
  for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
    using folder = tempFolder();
    const { child, end } = await startStuck(folder.path);
    const started = Date.now();
    child.kill(signal);
    // Two signals of a kind that are pending together arrive as one.
    await new Promise((resolve) => setTimeout(resolve, 200));
    child.kill(signal);
    const status = await end();
    assert.deepEqual([status.code, status.signal], [code, signal]);
    assert(Date.now() - started < 3000, `${Date.now() - started} ms`);
  }
});

Deno.test("a signal while no server answers ends the run at once", async () => {
  using folder = tempFolder();
  await using child = startCli(["jetstream", "--url", "ws://127.0.0.1:1/subscribe", "--json"], { cwd: folder.path });
  await child.stderr.waitFor("Connecting to 127.0.0.1:1 in");
  child.kill("SIGTERM");
  const summary = parseSummary(await ended(child));
  assert.deepEqual([summary.ended_by, summary.received, summary.cursor], ["signal", 0, null]);
});

Deno.test("J36: -t ends a run at a silent server with 0, at one that refuses with 1", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--stall-after", "0"]);
  const silent = await summaryOf(folder.path, ["jetstream", "--url", server.v1, "-t", "2"]);
  const refused = await run(folder.path, ["jetstream", "--url", "ws://127.0.0.1:1/subscribe", "-t", "2", "--json"]);
  assertCalm(refused);
  const refusing = parseSummary(refused, 1);
  assert.deepEqual([silent.ended_by, refusing.ended_by, refusing.reconnects], ["time", "error", 0]);
  assert.match(refusing.error!, /^Cannot read from 127\.0\.0\.1:1: /);
  for (const { duration_ms } of [silent, refusing]) assert(duration_ms >= 1900 && duration_ms < 4000, `${duration_ms}`);
});
