/**
 * `consume --from-queue`: what is in a queue, ours or the older tool's, into any sink.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Summary } from "../../cli/report.ts";
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { openQueue } from "../../lib/sinks/queue.ts";
import { captureOf, queueIn, watched } from "../support/capture.ts";
import { type Child, startCli } from "../support/child.ts";
import { assertFinding, examine } from "../support/doctor.ts";
import { assertMisuse, ended, filesIn, parseSummary, rowsIn, run, summaryOf, until } from "../support/program.ts";
import { OLD_INSERT, OLD_TAKE, oldQueue, sql } from "../support/queue.ts";
import { realTest } from "../support/real_data.ts";
import { commitEvents, readBack } from "../support/sqlite.ts";
import { inFolder } from "../support/temp.ts";

const ONCE = ["consume", "--from-queue", "q", "--once"];

/** What `--json` tells of a run besides. */
type ConsumeSummary = Summary & {
  readonly consume: Readonly<Record<"read" | "redelivered" | "acknowledged" | "stale", number>>;
};

/** The summary of a run of `consume`. */
const consumed = async (folder: string, args: readonly string[], code = 0): Promise<ConsumeSummary> =>
  await summaryOf(folder, args, code) as ConsumeSummary;

/** Makes `queue/q.db`, with the events in rows of `batchSize`. */
async function makeQueue(folder: string, events: readonly AnyEvent[], batchSize: number): Promise<string> {
  const file = queueIn(folder, "q");
  Deno.mkdirSync(`${folder}/queue`, { recursive: true });
  await using queue = await openQueue(file, { create: true, batchSize });
  await queue.put(events);
  return file;
}

/** Starts a run that ends by a signal. */
const start = (folder: string, ...args: string[]): Child =>
  startCli(["consume", "--from-queue", "q", "--batch-timeout", "50ms", ...args, "--json"], { cwd: folder });

/** Ends a run by SIGTERM: what it says at the end. */
async function stopped(child: Child): Promise<ConsumeSummary> {
  child.kill();
  return parseSummary(await ended(child)) as ConsumeSummary;
}

/** How many rows there are of each status. */
function statuses(file: string): Record<string, number> {
  const rows = sql(file, "SELECT status, count(*) AS n FROM queue GROUP BY status");
  return Object.fromEntries(rows.map(({ status, n }) => [status, n as number]));
}

/** The texts of the events that the default sink has, in its order. */
const textsIn = (folder: string): string[] =>
  readBack<{ json: string }>(`${folder}/bskyingest.db`, "SELECT json FROM events ORDER BY position").map(({ json }) =>
    json
  );

const record = (i: number) => ({
  did: `did:plc:${i}`,
  time_us: `${1_767_225_600_000_000 + i}`,
  kind: "commit",
  commit_data: {
    rev: `r${i}`,
    operation: "create",
    collection: "app.bsky.feed.post",
    rkey: `k${i}`,
    record: { $type: "app.bsky.feed.post", text: `post ${i}` },
    cid: `c${i}`,
  },
  identity_data: null,
  account_data: null,
  collection: "app.bsky.feed.post",
  created_at: "2026-01-01-00:00:00",
});

realTest(
  "C33: what connector captured of E is in SQLite",
  ["expected_v1.jsonl"],
  ([e]) =>
    inFolder(async (folder) => {
      const text = Deno.readTextFileSync(e!);
      await using net = await watched({ kind: "legacy" }, text);
      const capture = [
        "connector",
        "--url",
        net.server.jetstream,
        "-c",
        "all",
        "-n",
        "152",
        "--count",
        "all",
        "--json",
      ];
      assert.equal(captureOf(await run(folder, [...capture, "--batch-timeout", "1h"])).records_stored, 152);
      const args = ["consume", "--from-queue", "jetstream_sync", "--once", "--sink", "sqlite"];
      const summary = await consumed(folder, args);
      assert.deepEqual([summary.command, summary.source, summary.written, summary.ended_by], [
        ...["consume", "queue/jetstream_sync.db", 152, "source"],
      ]);
      assert.deepEqual(summary.consume, { read: 2, redelivered: 0, acknowledged: 2, stale: 0 });
      const lines = text.trimEnd().split("\n");
      assert.deepEqual(textsIn(folder), lines.map((line) => JSON.stringify(JSON.parse(line))));
      const origins = readBack(`${folder}/bskyingest.db`, "SELECT source, wire, host FROM origins");
      assert.deepEqual(origins, [{ source: "consume", wire: "v1", host: "jetstream_sync" }]);
      assert.deepEqual(statuses(queueIn(folder)), { completed: 2 });
      assert.deepEqual((await consumed(folder, args)).consume.read, 0);
    }),
);

Deno.test("C33: killed half-way, three times, before it had acknowledged anything: every event is there once", () =>
  inFolder(async (folder) => {
    const total = 20_000;
    const file = await makeQueue(folder, commitEvents(total), 10);
    const db = `${folder}/bskyingest.db`;
    const args = ["--sink", "sqlite", "--lease", "1s", "--batch-size", "50", "--indexes", "time"];
    for (let kill = 0; kill < 3; kill++) {
      const before = rowsIn(db);
      await using child = start(folder, ...args, "--checkpoint-interval", "1h");
      await until(() => rowsIn(db) > before + 200, "events");
      child.kill("SIGKILL");
      await child.status;
      assert(rowsIn(db) < total, "it was done before it was killed");
      assert.equal(statuses(file).completed, undefined);
    }
    await using last = start(folder, ...args);
    await until(() => statuses(file).completed === total / 10, "all rows");
    const { written, duplicates, consume } = await stopped(last);
    assert.equal(written + duplicates, total);
    assert(duplicates > 0 && consume.redelivered > 0, `${duplicates} duplicates`);
    const [count] = readBack(db, "SELECT count(*) AS n, count(DISTINCT rkey) AS keys FROM events");
    assert.deepEqual(count, { n: total, keys: total });
  }));

Deno.test("C33: records that are no events go to the dead letter, their siblings on; a retry leaves them there", () =>
  inFolder(async (folder) => {
    const file = await makeQueue(folder, [], 10);
    const { commit_data: _, ...headless } = record(3);
    const payloads = [[record(1), { ...headless, kind: "commit" }, 5, record(4)], { no: "list" }, [], [record(5)]];
    for (const payload of [...payloads.map((each) => JSON.stringify(each)), "no json"]) {
      sql(file, OLD_INSERT, payload, "{}", "2026-01-01-00:00:00", "pending");
    }
    const summary = await consumed(folder, [...ONCE, "--sink", "sqlite"], 3);
    assert.deepEqual([summary.written, summary.dead_lettered, summary.consume.acknowledged], [3, 4, 5]);
    assert.deepEqual(textsIn(folder).map((text) => JSON.parse(text).commit.rkey), ["k1", "k4", "k5"]);
    assert.deepEqual(statuses(file), { completed: 5 });
    const letters = (await run(folder, ["dead-letter", "list", "--json", "--state-key", "consume"])).stdout
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      letters.map(({ stage, reason, host, wire, row, text }) => [stage, reason, host, wire, row, text]),
      [
        ["source", "invalid", "q", "queue", 1, JSON.stringify(headless)],
        ["source", "invalid", "q", "queue", 1, "5"],
        ["source", "unknown_shape", "q", "queue", 2, `{"no":"list"}`],
        ["source", "not_json", "q", "queue", 5, "no json"],
      ],
    );
    const retried = await summaryOf(folder, ["dead-letter", "retry", "--state-key", "consume", "--sink", "sqlite"], 3);
    assert.deepEqual([retried.received, retried.written, retried.dead_lettered], [4, 0, 4]);
  }));

Deno.test("C33: the older tool's queue; a row that its consumer has is left alone", () =>
  inFolder(async (folder) => {
    Deno.mkdirSync(`${folder}/queue`);
    const file = queueIn(folder, "q");
    oldQueue(file, 0);
    for (let i = 0; i < 30; i += 10) {
      const payload = Array.from({ length: 10 }, (_, n) => record(i + n));
      const metadata = { batch_timestamp: "2026-01-01T00:00:00+00:00", batch_size: 10, actual_batch_size: 10 };
      sql(file, OLD_INSERT, JSON.stringify(payload), JSON.stringify(metadata), "2026-01-01-00:00:00", "pending");
    }
    assert.equal(sql(file, OLD_TAKE)[0]!.id, 1);
    const before = Deno.readFileSync(file);
    const dry = await summaryOf(folder, [...ONCE, "--sink", "ndjson", "--dry-run"]);
    assert.equal(dry.would_write, 20);
    assert.deepEqual([Deno.readFileSync(file), filesIn(folder)], [before, ["queue/q.db"]]);
    assert.equal((await consumed(folder, [...ONCE, "--sink", "ndjson"])).written, 20);
    const events = Deno.readTextFileSync(`${folder}/bskyingest.ndjson`).trimEnd().split("\n").map((line) =>
      JSON.parse(line)
    );
    const { did, kind, commit_data: commit, time_us } = record(10);
    assert.deepEqual(events[0], { did, time_us: Number(time_us), kind, commit });
    assert.deepEqual(statuses(file), { completed: 2, processing: 1 });
    assert.equal(sql(file, "SELECT id FROM queue WHERE status = 'processing'")[0]!.id, 1);
  }));

Deno.test("leases are prolonged while the sink holds the rows, and rows that a run did not finish are given back at its end", () =>
  inFolder(async (folder) => {
    const file = await makeQueue(folder, commitEvents(1), 1);
    await using child = start(
      folder,
      "--sink",
      "sqlite",
      "--lease",
      "1s",
      "--consumer",
      "me",
      "--shutdown-timeout",
      "1s",
    );
    await until(() => statuses(file).completed === 1, "the first row");
    using other = new DatabaseSync(`${folder}/bskyingest.db`);
    other.exec("BEGIN IMMEDIATE");
    await using queue = await openQueue(file, { batchSize: 10 });
    await queue.put(commitEvents(100, 2));
    await until(() => statuses(file).pending === undefined, "leases");
    const { consumers } = await queue.stats();
    assert.deepEqual(consumers, [{ consumer: "me", rows: 10 }]);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.deepEqual(await queue.take({ count: 100 }), [], "a lease has ended");
    child.kill();
    assert.equal((await ended(child)).code, 1);
    other.exec("COMMIT");
    assert.deepEqual(statuses(file), { completed: 1, pending: 10 });
    assert.deepEqual(sql(file, "SELECT DISTINCT takes, leased_until FROM queue_leases"), [{
      takes: 1,
      leased_until: null,
    }]);
    assert.equal((await consumed(folder, [...ONCE, "--sink", "sqlite"])).written, 100);
    assert.equal(rowsIn(`${folder}/bskyingest.db`), 101);
  }));

Deno.test("two processes share a queue; a signal ends them, with nothing left in processing", () =>
  inFolder(async (folder) => {
    const total = 5000;
    const file = await makeQueue(folder, commitEvents(total), 10);
    const args = ["--sink", "sqlite", "--count", "3"];
    await using first = start(folder, ...args);
    await using second = start(folder, ...args);
    await until(() => statuses(file).completed === total / 10, "all rows");
    const summaries = [await stopped(first), await stopped(second)];
    assert.deepEqual(summaries.map(({ ended_by }) => ended_by), ["signal", "signal"]);
    assert.equal(summaries[0]!.written + summaries[1]!.written, total);
    assert.equal(summaries[0]!.consume.stale + summaries[1]!.consume.stale, 0);
    assert.equal(rowsIn(`${folder}/bskyingest.db`), total);
  }));

Deno.test("what cannot be done is misuse, and a queue may go into another one", () =>
  inFolder(async (folder) => {
    await makeQueue(folder, commitEvents(3), 2);
    const from = ["--from-queue", "q"], into = ["--sink", "queue"];
    for (
      const [args, expected] of [
        [[...from, ...into, "--from-stream", "s"], /^Cannot use --from-queue together with --from-stream/],
        [[...from, ...into, "--group", "g"], /^Cannot use --from-queue together with --group/],
        [[...from, ...into, "--queue-name", "q"], /^Cannot use --queue-name q: it is the queue that is read/],
        [[...from, "--sink", "redis", "--stream", "s", "--format", "rsky"], /^Cannot use --format rsky/],
        [["--from-queue", "../q", ...into], /^Cannot use queue name "\.\.\/q"/],
        [["--from-queue", "nope", ...into], /^Cannot open queue queue\/nope\.db: there is no such file/],
        [["--from-queue", "nope", ...into, "--dry-run"], /^Cannot open queue queue\/nope\.db: there is no such file/],
      ] as const
    ) assertMisuse(await run(folder, ["consume", ...args]), expected);
    for (const args of [["--once"], ["--lease", "1m"], ["--max-attempts", "3"]]) {
      assertMisuse(
        await run(folder, ["consume", "--sink", "sqlite", ...args]),
        /^Cannot use --.* without --from-queue/,
      );
    }
    const summary = await consumed(folder, [
      "consume",
      ...from,
      ...into,
      "--once",
      "--queue-name",
      "copy",
      "--batch-size",
      "3",
    ]);
    assert.deepEqual([summary.written, summary.consume.read], [3, 2]);
    const [original, copy] = ["q", "copy"].map((name) =>
      sql(queueIn(folder, name), "SELECT payload FROM queue").flatMap(({ payload }) => JSON.parse(payload as string))
    );
    const plain = (records: Record<string, unknown>[]) => records.map(({ created_at: _, ...rest }) => rest);
    assert.deepEqual(plain(copy!), plain(original!));
  }));

Deno.test("doctor consume looks at the queue, and changes nothing", () =>
  inFolder(async (folder) => {
    Deno.mkdirSync(`${folder}/queue`);
    oldQueue(queueIn(folder, "q"), 2);
    const before = Deno.readFileSync(queueIn(folder, "q"));
    const from = ["consume", "--from-queue", "q"];
    const found = await examine(folder, [...from, "--sink", "sqlite"]);
    assert.deepEqual(found.of("fail"), []);
    assertFinding(found.get("queue q"), "ok", /^queue\/q\.db: 2 rows are pending$/);
    assert.deepEqual([Deno.readFileSync(queueIn(folder, "q")), filesIn(folder)], [before, ["queue/q.db"]]);
    const nope = await examine(folder, ["consume", "--from-queue", "nope", "--sink", "sqlite"]);
    assertFinding(nope.get("queue nope"), "fail", /there is no such file$/);
    const twice = await examine(folder, [...from, "--sink", "queue", "--queue-name", "q"]);
    assertFinding(twice.get("config"), "fail", /it is the queue that is read/);
  }));
