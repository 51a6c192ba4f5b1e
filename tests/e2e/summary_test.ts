import assert from "node:assert/strict";
import type { Summary } from "../../cli/report.ts";
import { SINK_NAMES } from "../../lib/sinks/registry.ts";
import { startCli } from "../support/child.ts";
import { assertEquation, type Ended, ended, filesIn, run, serve, type Server, summaryOf } from "../support/program.ts";
import { bulkOk, scriptedElasticsearch } from "../support/scripted_elasticsearch.ts";
import { sharedRedis } from "../support/redis.ts";
import { serviceTest } from "../support/services.ts";
import { tempFolder } from "../support/temp.ts";

const redis = sharedRedis();

/** The members of a summary, in order, and their types. */
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  command: ["string"],
  source: ["string"],
  sink: ["string"],
  received: ["integer"],
  written: ["integer"],
  filtered: ["integer"],
  duplicates: ["integer"],
  rejected: ["integer"],
  dead_lettered: ["integer"],
  unsettled: ["integer"],
  retried: ["integer"],
  batches: ["integer"],
  reconnects: ["integer"],
  gaps: ["integer"],
  bytes_received: ["integer"],
  collections: ["object"],
  cursor: ["object", "null"],
  lag_ms: ["integer", "null"],
  started_at: ["string"],
  duration_ms: ["integer"],
  rate_per_s: ["integer", "number"],
  ended_by: ["string"],
  error: ["string", "null"],
  exit: ["integer"],
};

/** What Elasticsearch tells of posts besides. */
const NO_POSTS = { vectors_dropped: {}, truncated_fields: 0, created_at: { repaired: 0, fallback: 0 } };

function typeOf(value: unknown): string {
  return value === null ? "null" : Number.isInteger(value) ? "integer" : typeof value;
}

/** Every run that ends leaves a summary like this, whatever its sink and end. */
function assertSummary(summary: Summary, expected: Partial<Summary>, what: string): void {
  const { would_write, elasticsearch, redis, queue, ...members } = summary;
  assert.deepEqual(Object.keys(members), Object.keys(MEMBERS), what);
  for (const [name, value] of Object.entries(members)) {
    assert(MEMBERS[name]!.includes(typeOf(value)), `${what}: ${name} is ${value}`);
  }
  const { documents } = elasticsearch ?? {};
  const own = would_write === undefined ? { superseded: 0 } : { documents };
  if (documents) assert(documents.likes! > 0 && documents.likes! < would_write!, "deletes make no documents");
  assert.deepEqual(elasticsearch, summary.sink === "elasticsearch" ? { ...own, ...NO_POSTS } : undefined);
  const entries = { entries: would_write ?? summary.written };
  const figuresOfRedis = {
    ...entries,
    backpressure: null,
    length: redis?.length,
    trimmed_unread: 0,
    dropped_statuses: 0,
  };
  assert.deepEqual(redis, summary.sink !== "redis" ? undefined : would_write === undefined ? figuresOfRedis : entries);
  const rows = queue?.rows;
  if (rows !== undefined) assert(rows >= summary.written / 100 && rows <= summary.batches + summary.written / 100);
  const figuresOfQueue = summary.sink === "queue" && would_write === undefined;
  assert.deepEqual(queue, figuresOfQueue ? { rows, length: rows, backpressure: null } : undefined);
  assertEquation(summary);
  const figures = Object.keys(expected).map((name) => [name, summary[name as keyof Summary]]);
  assert.deepEqual(Object.fromEntries(figures), expected, what);
  assert.equal(summary.lag_ms === null, (would_write ?? summary.written) === 0, what);
  assert.equal(new Date(summary.started_at).toISOString(), summary.started_at);
  assert(Math.abs(summary.written / summary.duration_ms * 1000 - summary.rate_per_s) <= 1, what);
}

/** The summary: the only line of stdout, with `--sink stdout` the last one of stderr that is JSON. */
function summaryIn({ stdout, stderr }: Ended, sink: string): Summary {
  if (sink !== "stdout") assert.equal(stdout.length, 1);
  return JSON.parse((sink === "stdout" ? stderr.filter((line) => line.startsWith("{")) : stdout).at(-1)!);
}

/** Every figure of the equation has something to count: the wanted, the unwanted, the broken, and what comes again. */
const FAULTS = ["--epoch", "2026-01-01", "--damage", "50", "--close-after", "700"];

/** The endings: arguments, what the summary says, and whether a signal has to end the run. */
const ENDINGS: Readonly<Record<string, { args: string[]; expected: Partial<Summary>; stop?: boolean }>> = {
  count: { args: ["-n", "1500"], expected: { written: 1500, ended_by: "count", exit: 3, error: null } },
  time: { args: ["-t", "4"], expected: { ended_by: "time", exit: 3, error: null, unsettled: 0 } },
  signal: { args: [], expected: { ended_by: "signal", exit: 0, error: null, unsettled: 0 }, stop: true },
  error: { args: ["--max-dead-ratio", "0.001"], expected: { ended_by: "error", exit: 1 } },
  "dry run": {
    args: ["-n", "1500", "--dry-run"],
    expected: { written: 0, would_write: 1500, ended_by: "count", exit: 3 },
  },
};

async function endOf(server: Server, folder: string, sink: string, args: string[], stop: boolean): Promise<Ended> {
  const source = ["jetstream", "--url", server.v1, "--cursor", "1", "-c", "app.bsky.feed.like", "--kinds", "commit"];
  await using child = startCli([...source, "--sink", sink, "--json", "--max-in-flight", "1000", ...args], {
    cwd: folder,
  });
  if (stop) {
    // The third connection: what came over the second one, a copy first, was taken.
    await child.stderr.waitFor(/Connected.* from [12]\d{3}$/);
    child.kill();
  }
  return await ended(child);
}

/** Runs to an end into each of the sinks, those that need a server with these options. */
async function assertEnding(name: string, sinks: readonly string[], servers: Record<string, string[]>): Promise<void> {
  const { args, expected, stop = false } = ENDINGS[name]!;
  using folder = tempFolder();
  await using server = await serve(folder.path, FAULTS);
  for (const sink of sinks) {
    using own = tempFolder();
    const end = await endOf(server, own.path, sink, [...args, ...servers[sink] ?? []], stop);
    const summary = summaryIn(end, sink);
    assert.equal(end.code, expected.exit, `${sink}: ${end.stderr.join("\n")}`);
    assertSummary(summary, { command: "jetstream", source: server.host, sink, ...expected }, `${name}, ${sink}`);
    assert(summary.dead_lettered > 0 && summary.filtered > 0, `${name}, ${sink}`);
    if (name !== "error") assert(summary.duplicates > 0 && summary.reconnects > 0, `${name}, ${sink}`);
    if (name === "error") assert.match(summary.error!, /^Cannot go on: \d+ of the last \d+ events/);
    if (sink === "stdout") assert.equal(end.stdout.length, summary.written);
    const keepsPosition = sink !== "stdout" && sink !== "null";
    assert.equal(summary.cursor !== null, keepsPosition && name !== "dry run", `${name}, ${sink}`);
    if (name === "dry run") assert.deepEqual(filesIn(own.path), [], "a dry run makes nothing");
  }
}

for (const name of Object.keys(ENDINGS)) {
  Deno.test(`L13: the summary of a run ended by ${name}, from every sink but redis`, async () => {
    await using elasticsearch = await scriptedElasticsearch({ "POST /_bulk": bulkOk });
    const sinks = SINK_NAMES.filter((sink) => sink !== "redis");
    await assertEnding(name, sinks, { elasticsearch: ["--elasticsearch-url", elasticsearch.url, "--setup", "off"] });
  });
  serviceTest(`L13: the summary of a run ended by ${name}, from redis`, ["redis"], async () => {
    await assertEnding(name, ["redis"], { redis: ["--redis-url", redis().url, "--high-water-mark", "0"] });
  });
}

Deno.test("L13: without --json the same figures are a short text on stderr, and nothing is on stdout", async () => {
  using folder = tempFolder();
  const { code, stdout, stderr } = await run(folder.path, ["jetstream", "--simulate", "-n", "1234"]);
  assert.deepEqual([code, stdout], [0, []]);
  assert.match(
    stderr.join("\n"),
    /\nWrote 1,234 events into \.\/bskyingest\.db \(sqlite\) in .*, ended by count\nreceived /,
  );
  const quiet = await run(folder.path, ["jetstream", "--simulate", "-n", "10", "--quiet"]);
  assert.deepEqual(quiet, { code: 0, stdout: [], stderr: [] });
});

Deno.test("a dry run reads the position that is there, and leaves it", async () => {
  using folder = tempFolder();
  const args = ["jetstream", "--simulate", "-n", "100"];
  const first = await summaryOf(folder.path, args);
  const before = Deno.readFileSync(`${folder.path}/bskyingest.db`);
  const dry = await run(folder.path, [...args, "--dry-run"]);
  assert.match(dry.stderr.join("\n"), /Dry run: sqlite .*, resuming after .*\n(?:.*\n)*Would write 100 events/);
  assert.deepEqual(Deno.readFileSync(`${folder.path}/bskyingest.db`), before);
  assert.equal((first.cursor as { host: string }).host, "simulate");
});

Deno.test("L14: --sink stdout --json: events alone on stdout, the summary is the last line of stderr", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--damage", "50"]);
  const args = ["jetstream", "--url", server.v1, "-n", "100", "--sink", "stdout", "--json"];
  const { code, stdout, stderr } = await run(folder.path, args);
  assert.equal(code, 3);
  assert.equal(stdout.map((line) => JSON.parse(line)).filter(({ did, time_us }) => did && time_us).length, 100);
  assert.equal(JSON.parse(stderr.at(-1)!).written, 100);
});

Deno.test("L15: the start line names the sink, what it writes to, and why", async () => {
  using folder = tempFolder();
  const start = async (args: string[], env: Record<string, string> = {}) => {
    const { stderr } = await run(folder.path, ["jetstream", "--simulate", "-n", "1", ...args], env);
    return stderr.find((line) => line.includes(" run: "))!.replace(/^.* run: /, "").replace(/, .*/, "");
  };
  assert.equal(await start([]), "sqlite ./bskyingest.db (the default)");
  assert.equal(await start(["--db", "a.db"]), "sqlite a.db (the default)");
  assert.equal(await start(["--sink", "ndjson"]), "ndjson bskyingest.ndjson (--sink)");
  assert.equal(await start([], { BSKYINGEST_SINK: "null" }), "null nowhere (by BSKYINGEST_SINK)");
  assert.equal(await start(["--sink", "sqlite"], { BSKYINGEST_SINK: "null" }), "sqlite ./bskyingest.db (--sink)");
  Deno.writeTextFileSync(`${folder.path}/bskyingest.toml`, 'sink = "stdout"\n[jetstream]\nsink = "null"\n');
  assert.equal(await start([]), "null nowhere (by bskyingest.toml:3)");
});
