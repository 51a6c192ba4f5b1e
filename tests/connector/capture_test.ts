/**
 * What ends a capture, what counts, and what is left behind: `E` is `expected_v1.jsonl`.
 */
import assert from "node:assert/strict";
import {
  captureOf,
  positionIn,
  queueIn,
  queueRows,
  recordsIn,
  rowSizes,
  type Watched,
  watched,
} from "../support/capture.ts";
import { startCli } from "../support/child.ts";
import { assertMisuse, ended, fileExists, filesIn, run, until } from "../support/program.ts";
import { realTest } from "../support/real_data.ts";
import { startScripted } from "../support/scripted_jetstream.ts";
import { tempFolder } from "../support/temp.ts";

const E = "expected_v1.jsonl", G1 = "golden_v2server_v1wire.jsonl", G2 = "golden_v2.jsonl";
const read = (path: string | undefined) => Deno.readTextFileSync(path!);

/** The command line of the conformance cases; later options are added to it. */
const command = ({ server }: Watched, ...args: string[]): string[] => [
  ...["connector", "--url", server.jetstream, "--batch-timeout", "1h", "--json"],
  ...(args.includes("-c") ? [] : ["-c", "all"]),
  ...(args.includes("-n") ? [] : ["-n", "1000"]),
  ...(args.includes("-t") ? [] : ["-t", "5"]),
  ...args,
];

realTest(
  "C1, C10: E, then the server closes for good: two rows, and attempts until the time is up",
  [E],
  async ([e]) => {
    using folder = tempFolder();
    const net = await watched({ kind: "legacy" }, read(e));
    await using child = startCli(command(net), { cwd: folder.path });
    await until(() => net.server.counters.events >= 152, "all events");
    await net[Symbol.asyncDispose]();
    const end = await ended(child);
    const summary = captureOf(end);
    assert(end.stderr.filter((line) => line.includes("Connecting to ")).length >= 2, end.stderr.join("\n"));
    const { records_stored, records_counted, target_reached, end_cursor_reached } = summary;
    assert.deepEqual(
      { records_stored, records_counted, target_reached, end_cursor_reached },
      { records_stored: 152, records_counted: 150, target_reached: false, end_cursor_reached: null },
    );
    const { latest_cursor, current_date, queue_length, ended_by } = summary;
    assert.deepEqual(
      { latest_cursor, current_date, queue_length, ended_by },
      { latest_cursor: "1783175888390226", current_date: "2026-07-04", queue_length: 2, ended_by: "time" },
    );
    assert(summary.messages_received >= 152);
    const rows = queueRows(queueIn(folder.path));
    assert.deepEqual(rows.map(({ payload, status }) => [payload.length, status]), [[100, "pending"], [52, "pending"]]);
    const lines = read(e).trim().split("\n").map((line) => JSON.parse(line));
    const records = recordsIn(queueIn(folder.path));
    assert.deepEqual(records.map(({ did, time_us, kind }) => ({ did, time_us, kind })), lines.map(timed));
    for (const [i, { commit = null, identity = null, account = null }] of lines.entries()) {
      const { commit_data, identity_data, account_data, collection } = records[i]!;
      assert.deepEqual({ commit_data, identity_data, account_data }, {
        commit_data: commit,
        identity_data: identity,
        account_data: account,
      });
      assert.equal(collection, commit?.collection ?? "");
    }
    assert.deepEqual([typeof records[0]!.time_us, rows[0]!.metadata.actual_batch_size], ["string", 100]);
    for (const { created_at } of [rows[0]!, records[0]!]) assert.match(created_at, /^\d{4}-\d\d-\d\d-\d\d:\d\d:\d\d$/);
  },
);

const timed = ({ did, time_us, kind }: Record<string, unknown>) => ({ did, time_us: String(time_us), kind });

realTest("C2: five records of any kind, two in a row, and the position is the fifth's", [E], async ([e]) => {
  using folder = tempFolder();
  await using net = await watched({ kind: "legacy" }, read(e));
  const args = command(net, "-n", "5", "--batch-size", "2", "--count", "all");
  const summary = captureOf(await run(folder.path, args));
  const file = queueIn(folder.path);
  assert.deepEqual([rowSizes(file), summary.target_reached, summary.ended_by], [[2, 2, 1], true, "count"]);
  const times: number[] = read(e).trim().split("\n").map((line) => JSON.parse(line).time_us);
  assert.equal(summary.latest_cursor, String(times[4]));
  // Events are not in the order of their times: the position is the highest one, and how many events there were.
  const { time_us, n, state } = positionIn(file);
  assert.deepEqual([time_us, n, state], [Math.max(...times.slice(0, 5)), 5, "done"]);
  assert.equal(captureOf(await run(folder.path, command(net, "-n", "1", "--resume"))).latest_cursor, String(times[5]));
});

realTest("C3: accounts and identities are stored and free, or count as all else does", [E], async ([e]) => {
  const reversed = read(e).trim().split("\n").reverse().join("\n");
  for (const [count, kinds] of [["commits", 5], ["all", 3]] as const) {
    using folder = tempFolder();
    await using net = await watched({ kind: "legacy" }, reversed);
    const summary = captureOf(await run(folder.path, command(net, "-n", "3", "--count", count)));
    const stored = recordsIn(queueIn(folder.path)).map(({ kind }) => kind);
    assert.deepEqual(stored, ["account", "identity", "commit", "commit", "commit"].slice(0, kinds));
    assert.deepEqual([summary.records_stored, summary.records_counted], [kinds, 3]);
    assert.deepEqual([summary.ended_by, summary.target_reached], ["count", true]);
  }
});

realTest(
  "C4: identities and accounts of everybody come on v1, unless commits alone are asked for",
  [E],
  async ([e]) => {
    for (const [kinds, stored] of [[[], 20], [["--kinds", "commit"], 18]] as const) {
      using folder = tempFolder();
      await using net = await watched({ kind: "legacy" }, read(e));
      const summary = captureOf(await run(folder.path, command(net, "-c", "app.bsky.feed.post", ...kinds)));
      assert.deepEqual([summary.records_stored, summary.records_counted], [stored, 18]);
      assert.equal(recordsIn(queueIn(folder.path)).length, stored);
    }
  },
);

realTest("C5: an end before all events", [E], async ([e]) => {
  using folder = tempFolder();
  await using net = await watched({ kind: "legacy" }, read(e));
  const summary = captureOf(await run(folder.path, command(net, "-e", "2026-07-04-14:38:08")));
  assert.deepEqual([summary.records_stored, summary.end_cursor_reached, summary.ended_by], [0, true, "end"]);
  assert.deepEqual([summary.latest_cursor, summary.current_date, summary.queue_length], [null, null, 0]);
});

Deno.test("C6: a server that is silent until the time is up: exit 0; one that refuses: exit 1", async () => {
  using folder = tempFolder();
  await using silent = await watched({ count: 0, stallAfter: 0 });
  const { total_time, ended_by, records_per_second } = captureOf(
    await run(folder.path, command(silent, "-t", "2")),
  );
  assert(Math.abs(total_time - 2) <= 0.5, `${total_time} s`);
  assert.deepEqual([ended_by, records_per_second], ["time", 0]);
  await using refusing = await watched({ refuse: 503 });
  const end = await run(folder.path, command(refusing, "-t", "2"));
  const refused = captureOf(end, 1);
  assert(Math.abs(refused.total_time - 2) <= 0.5, `${refused.total_time} s`);
  assert.match(end.stderr.at(-1)!, /^Cannot read from 127\.0\.0\.1:\d+: no connection came about in time$/);
});

Deno.test("C7: what is no number, no time, or no end", async () => {
  using folder = tempFolder();
  const fault = async (expected: RegExp, ...args: string[]) =>
    assertMisuse(await run(folder.path, ["connector", "--simulate", ...args]), expected);
  await fault(/^Cannot run without an end: --num-records and --max-time are 0/, "-n", "0", "-t", "0");
  for (const size of ["0", "-1", "100001"]) await fault(/--batch-size .*from 1 to 100000/, `--batch-size=${size}`);
  await fault(/-n\b.*at least 0/, "-n", "-1");
  await fault(/-t\b.*duration/, "-t", "x");
  assert.deepEqual(filesIn(folder.path), []);
});

Deno.test("C8: -s is a day of UTC in every time zone, what is gone is told, and the run goes on", async () => {
  await using net = await watched({ kind: "legacy", epoch: Date.UTC(2026, 0, 1) * 1000 });
  for (const TZ of ["America/New_York", "Pacific/Kiritimati"]) {
    using folder = tempFolder();
    const end = await run(folder.path, command(net, "-s", "2024-01-01", "-n", "50"), { TZ });
    const summary = captureOf(end);
    assert.deepEqual([summary.records_counted, summary.gaps, summary.current_date], [50, 1, "2026-01-01"]);
    assert(end.stderr.some((line) => line.includes("Gap: clamped at ")), end.stderr.join("\n"));
  }
  assert.deepEqual(net.asked.map((query) => query.get("cursor")), ["1704067200000000", "1704067200000000"]);
});

realTest("C12: both wires lead to the same records", [G1, G2], async ([g1, g2]) => {
  const capture = async (path: string, wire: "v1" | "v2") => {
    using folder = tempFolder();
    await using net = await watched({ kind: "new" }, read(path));
    const url = wire === "v1" ? net.server.jetstream : net.server.jetstreamV2;
    const args = ["connector", "--url", url, "-c", "all", "--count", "all", "-n", "152", "--json"];
    assert.equal(captureOf(await run(folder.path, args)).records_stored, 152);
    return recordsIn(queueIn(folder.path)).map(({ created_at: _, ...record }) => record);
  };
  const byTime = (records: Awaited<ReturnType<typeof capture>>) =>
    records.toSorted((a, b) => `${a.time_us}${a.did}` < `${b.time_us}${b.did}` ? -1 : 1);
  assert.deepEqual(byTime(await capture(g2!, "v2")), byTime(await capture(g1!, "v1")));
});

realTest("C31: a dry run makes no file, and says what would have been stored", [E], async ([e]) => {
  using folder = tempFolder();
  await using net = await watched({ kind: "legacy" }, read(e));
  const end = await run(folder.path, command(net, "--dry-run", "-n", "100"));
  const summary = captureOf(end);
  assert.deepEqual([summary.would_write, summary.records_stored, summary.records_counted], [100, 0, 100]);
  assert.deepEqual([summary.target_reached, summary.queue_length, summary.ended_by], [true, null, "count"]);
  assert.deepEqual(filesIn(folder.path), []);
});

Deno.test("a signal ends a capture as one that came to its end: all is written, exit 0", async () => {
  using folder = tempFolder();
  await using net = await watched({ rate: 500 });
  const file = queueIn(folder.path);
  await using child = startCli(command(net, "-n", "0", "-t", "0", "-e", "2099-01-01", "--batch-size", "50"), {
    cwd: folder.path,
  });
  await until(() => rowSizes(file).length > 0, "rows");
  child.kill("SIGINT");
  const summary = captureOf(await ended(child));
  assert.deepEqual([summary.ended_by, summary.target_reached, summary.end_cursor_reached], ["signal", false, false]);
  assert.deepEqual([recordsIn(file).length, positionIn(file).state], [summary.records_stored, "done"]);
});

Deno.test("the time ends a run whose queue is full: exit 1 after the time that a drain may take, the position is true", async () => {
  using folder = tempFolder();
  await using net = await watched({});
  const file = queueIn(folder.path);
  const limits = ["-t", "3", "--shutdown-timeout", "1s", "--queue-max-bytes", "100KiB", "-n", "0"];
  const end = await run(folder.path, command(net, ...limits));
  assert.match(end.stderr.at(-1)!, /^Cannot finish the running writes: not done 1 s after --max-time$/);
  const summary = captureOf(end, 1);
  assert(summary.total_time >= 4 && summary.total_time < 6, `${summary.total_time} s`);
  const { state, time_us } = positionIn(file);
  assert.deepEqual([state, String(time_us)], ["running", recordsIn(file).at(-1)!.time_us]);
});

Deno.test("what a URL asks for is not hidden by the defaults, and posts are read where nothing else is asked for", async () => {
  using folder = tempFolder();
  await using server = await startScripted({ onDial: (dial) => dial.refuse(404) });
  const wanted = async (...args: string[]) => {
    const before = server.dials.length;
    await run(folder.path, ["connector", "--wire", "v1", "-t", "10", ...args]);
    return server.dials[before]!.url.searchParams.getAll("wantedCollections");
  };
  assert.deepEqual(await wanted("--url", server.url), ["app.bsky.feed.post"]);
  assert.deepEqual(await wanted("--url", `${server.url}?wantedCollections=a.b.c`), ["a.b.c"]);
  assert.deepEqual(await wanted("--url", server.url, "--kinds", "account"), []);
  assert.equal(fileExists(queueIn(folder.path)), true);
});

Deno.test("another sink keeps the events, its summary has no queue", async () => {
  using folder = tempFolder();
  await using net = await watched({});
  const summary = captureOf(
    await run(folder.path, command(net, "--sink", "ndjson", "-n", "30", "-c", "app.bsky.feed.post")),
  );
  const lines = read(`${folder.path}/bskyingest.ndjson`).trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual([summary.sink, summary.queue_length, summary.records_stored], ["ndjson", null, lines.length]);
  assert.equal(lines.filter(({ kind }) => kind === "commit").length, 30);
});
