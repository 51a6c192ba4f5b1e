import assert from "node:assert/strict";
import { startSimulate } from "../../lib/simulate/server.ts";
import { listGaps } from "../../lib/state/gaps.ts";
import { startCli } from "../support/child.ts";
import { ask, askJson, BEARER, startWatched, TOKEN, untilIs, type WatchedRun } from "../support/ops.ts";
import { assertMisuse, ended, rowsIn, run } from "../support/program.ts";
import { parsePrometheus, sumOf } from "../support/prometheus.ts";
import { startRedis } from "../support/redis.ts";
import { serviceTest } from "../support/services.ts";
import { readBack } from "../support/sqlite.ts";
import { inFolder } from "../support/temp.ts";

const LIVE = ["jetstream", "--simulate", "-c", "all", "--batch-timeout", "50ms"];

const get = ({ url }: WatchedRun, path: string) => askJson(url + path, { headers: BEARER });
const post = ({ url }: WatchedRun, path: string) => askJson(url + path, { method: "POST", headers: BEARER });

async function stopped(watched: WatchedRun) {
  watched.child.kill("SIGTERM");
  return await ended(watched.child);
}

Deno.test("W26, W27: a run tells its figures and its connection; the next one goes on counting", () =>
  inFolder(async (folder) => {
    let before = 0;
    for (let i = 0; i < 2; i++) {
      await using watched = await startWatched(folder, LIVE);
      const stats = await untilIs(() => get(watched, "/stats"), (s) => s.totalEvents > before, "events");
      assert(stats.totalReceived >= stats.totalEvents);
      assert(stats.cursor > 1e15);
      const status = await get(watched, "/status");
      assert.deepEqual([status.connected, status.readyState, status.sink.state], [true, 1, "ok"]);
      assert.deepEqual([status.sources[0].name, status.sources[0].host], ["jetstream", "simulate"]);
      assert.equal((await ask(`${watched.url}/readyz`)).text, "ready");
      assert.equal((await stopped(watched)).code, 0);
      before = JSON.parse(await Deno.readTextFile(`${folder}/.local/state/bskyingest/stats/jetstream-simulate.json`))
        .totalEvents;
      assert(before >= stats.totalEvents);
    }
  }));

Deno.test("W27: a host that is away: not connected, 0 or 3; it comes back", () =>
  inFolder(async (folder) => {
    let server = await startSimulate({ rate: 500 });
    const { port, jetstream } = server;
    try {
      await using watched = await startWatched(folder, ["jetstream", "--url", jetstream, "--batch-timeout", "50ms"]);
      await untilIs(() => get(watched, "/status"), ({ connected }) => connected, "a connection");
      await server[Symbol.asyncDispose]();
      const away = await untilIs(() => get(watched, "/status"), ({ connected }) => !connected, "the end of it");
      assert([0, 3].includes(away.readyState), JSON.stringify(away));
      server = await startSimulate({ rate: 500, port });
      const back = await untilIs(() => get(watched, "/status"), ({ connected }) => connected, "another connection");
      assert.deepEqual([back.readyState, back.sources[0].reconnects], [1, 1]);
      assert.match(back.sources[0].last_error, /^Cannot read from /);
      const metrics = parsePrometheus((await ask(`${watched.url}/metrics`, { headers: BEARER })).text);
      assert.equal(sumOf(metrics, "bskyingest_reconnects_total"), 1);
    } finally {
      await server[Symbol.asyncDispose]();
    }
  }));

Deno.test("W28: /reset?cursor=true clears the position, begins live and leaves a gap row", () =>
  inFolder(async (folder) => {
    await using watched = await startWatched(folder, LIVE);
    const db = `${folder}/bskyingest.db`;
    const before = await untilIs(() => get(watched, "/stats"), ({ cursor }) => cursor > 0, "a position");
    await post(watched, "/reset?cursor=true");
    const gaps = listGaps(db, { all: true });
    assert.deepEqual(gaps.map(({ reason, state, to, host }) => [reason, state, to, host]), [
      ["reset", "accepted", null, "simulate"],
    ]);
    assert(gaps[0]!.from! >= before.cursor);
    await watched.child.stderr.waitFor(/Connected to simulate, wire v\d, live/);
    await untilIs(() => get(watched, "/stats"), ({ totalEvents }) => totalEvents > 0, "events");
    assert.equal((await stopped(watched)).code, 0);
    const lines = watched.child.stderr.lines.filter((line) => /Connected to simulate/.test(line));
    assert.equal(lines.length, 2);
    assert(lines.every((line) => line.includes(", live")), lines.join("\n"));
  }));

Deno.test("W29: /reconnect, twenty times at once: one more connection, nothing lost, nothing twice", () =>
  inFolder(async (folder) => {
    await using server = await startSimulate({ rate: 2000 });
    const db = `${folder}/bskyingest.db`;
    const args = ["jetstream", "--url", server.jetstreamV2, "-c", "all", "--batch-timeout", "50ms"];
    await using watched = await startWatched(folder, args);
    await untilIs(() => Promise.resolve(rowsIn(db)), (rows) => rows > 500, "rows");
    await Promise.all(Array.from({ length: 20 }, () => post(watched, "/reconnect")));
    await untilIs(() => Promise.resolve(server.counters.connections), (n) => n === 2, "a second connection");
    const rows = rowsIn(db);
    await untilIs(() => Promise.resolve(rowsIn(db)), (now) => now > rows + 500, "more rows");
    assert.deepEqual([server.counters.connections, server.counters.open], [2, 1]);
    assert.equal((await stopped(watched)).code, 0);
    const sql =
      "SELECT count(*) AS rows, count(DISTINCT seq) AS different, max(seq) - min(seq) + 1 AS span FROM events";
    const [{ rows: all, different, span }] = readBack<{ rows: number; different: number; span: number }>(db, sql) as [
      { rows: number; different: number; span: number },
    ];
    assert.deepEqual([all, different], [span, span]);
  }));

Deno.test("W29: /reconnect?host=next goes to the next host of the list", () =>
  inFolder(async (folder) => {
    await using a = await startSimulate({ rate: 500 });
    await using b = await startSimulate({ rate: 500 });
    const hosts = [a, b].flatMap(({ jetstream }) => ["-i", jetstream]);
    await using watched = await startWatched(folder, ["jetstream", ...hosts, "--sink", "null"]);
    await untilIs(() => get(watched, "/status"), ({ connected }) => connected, "a connection");
    await post(watched, "/reconnect?host=next");
    await untilIs(() => Promise.resolve(b.counters.open), (open) => open === 1, "the other host");
    const { sources } = await untilIs(() => get(watched, "/status"), ({ connected }) => connected, "a connection");
    assert.deepEqual(sources.map(({ host }: { host: string }) => host), [new URL(b.url).host]);
  }));

Deno.test("W32: an address that others reach wants a token, or to be told that it is not needed", () =>
  inFolder(async (folder) => {
    const args = ["jetstream", "--simulate", "--sink", "null", "--listen", "0.0.0.0:0"];
    assertMisuse(await run(folder, args), /^Cannot listen on 0\.0\.0\.0:0 without a token: others can reach it$/);
    const start = async (more: string[], env: Record<string, string> = {}) => {
      const child = startCli([...args, ...more], { cwd: folder, env });
      const line = await child.stderr.waitFor(/http:\/\/0\.0\.0\.0:\d+\//);
      const url = `http://127.0.0.1:${/0\.0\.0\.0:(\d+)/.exec(line)![1]}`;
      return { url, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
    };
    {
      await using open = await start(["--listen-insecure"]);
      assert.equal((await ask(`${open.url}/stats`)).status, 200);
      assert.equal((await ask(`${open.url}/reset`, { method: "POST" })).status, 403);
    }
    await using closed = await start([], { BSKYINGEST_LISTEN_TOKEN: TOKEN });
    const statuses = [];
    for (const path of ["/stats", "/healthz"]) statuses.push((await ask(closed.url + path)).status);
    assert.deepEqual(statuses, [401, 200]);
  }));

Deno.test("W43: a taken port, a short token, a token file that is not there", () =>
  inFolder(async (folder) => {
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const args = ["jetstream", "--simulate", "--sink", "null"];
    const { port } = taken.addr as Deno.NetAddr;
    const listening = [...args, "--listen", String(port)];
    assertMisuse(
      await run(folder, listening),
      new RegExp(`^Cannot listen on 127\\.0\\.0\\.1:${port}: the address is in use$`),
    );
    const short = await run(folder, [...args, "--listen", "0", "--listen-token", "abcde"]);
    assertMisuse(short, /^Cannot use --listen-token: it must have 16 characters or more$/);
    assert(!short.stderr.join("").includes("abcde"));
    const file = await run(folder, [...args, "--listen", "0", "--listen-token-file", "nowhere"]);
    assertMisuse(file, /^Cannot use --listen-token-file: the file "nowhere" cannot be read/);
    assertMisuse(await run(folder, [...args, "--listen", "x"]), /^Cannot use --listen "x": it must be PORT/);
  }));

Deno.test("W40, W44: a real run's metrics are readable and equal its figures; no secret is in any answer or log", () =>
  inFolder(async (folder) => {
    const args = ["jetstream", "--simulate", "-c", "all", "--batch-timeout", "50ms", "--sink", "queue"];
    const secret = "marker-of-a-secret-token";
    await using watched = await startWatched(folder, args, {
      token: false,
      env: { BSKYINGEST_LISTEN_TOKEN: secret, BSKYINGEST_REDIS_PASSWORD: secret },
    });
    const headers = { authorization: `Bearer ${secret}` };
    await untilIs(() => askJson(`${watched.url}/stats`, { headers }), ({ totalEvents }) => totalEvents > 500, "events");
    const texts = [];
    for (const path of ["/", "/stats", "/status", "/health", "/readyz", "/metrics", "/stats/html", "/nope"]) {
      texts.push((await ask(watched.url + path, { headers })).text);
      texts.push((await ask(watched.url + path)).text);
    }
    const metrics = parsePrometheus(texts[10]!);
    assert(sumOf(metrics, "bskyingest_events_received_total") > 500);
    const end = await stopped(watched);
    assert.equal(end.code, 0);
    const everything = [...texts, ...end.stderr, ...end.stdout].join("\n");
    assert(!everything.includes(secret));
  }));

Deno.test("R46: METRICS_PORT listens, and /metrics has every name of the older program; those of the run have moved", () =>
  inFolder(async (folder) => {
    const args = ["firehose", "--simulate", "--sink", "null"];
    await using child = startCli(args, { cwd: folder, env: { METRICS_PORT: "0" } });
    const line = await child.stderr.waitFor("http://127.0.0.1:");
    const url = `${/http:\/\/127\.0\.0\.1:\d+/.exec(line)![0]}/metrics`;
    const read = async () => parsePrometheus((await ask(url)).text);
    const metrics = await untilIs(read, (all) => sumOf(all, "ingester_firehose_events_total") > 200, "events");
    for (const name of LEGACY_NAMES) assert(metrics.get(`ingester_${name}`)?.samples.length === 1, name);
    const moved = ["firehose_create_events_total", "stream_events_total", "websocket_connections"];
    for (const name of moved) assert(sumOf(metrics, `ingester_${name}`) > 0, name);
  }));

serviceTest(
  "R46: under the older names, how long the stream is, and that reading waits for consumers",
  ["redis"],
  () =>
    inFolder(async (folder) => {
      await using redis = await startRedis();
      const mark = ["--high-water-mark", "300", "--backpressure-interval", "50ms"];
      const args = ["firehose", "--simulate", "--redis-url", redis.url, "--batch-size", "100", ...mark];
      await using watched = await startWatched(folder, args);
      const read = async () => parsePrometheus((await ask(`${watched.url}/metrics`, { headers: BEARER })).text);
      const metrics = await untilIs(read, (all) => sumOf(all, "ingester_backpressure_active") === 1, "back-pressure");
      const length = await redis.command("XLEN", "firehose_live");
      assert(length >= 300, `${length} entries`);
      const lengths = LEGACY_NAMES.filter((name) => name.endsWith("_length")).map((name) =>
        sumOf(metrics, `ingester_${name}`)
      );
      assert.deepEqual(lengths, [length, 0, 0, 0]);
      await redis.command("DEL", "firehose_live");
      await untilIs(read, (all) => sumOf(all, "ingester_stream_events_total") > length, "more events");
    }),
);

const LEGACY_NAMES = [
  "firehose_events_total",
  "firehose_create_events_total",
  "firehose_update_events_total",
  "firehose_delete_events_total",
  "firehose_filtered_operations_total",
  "stream_events_total",
  "errors_total",
  "labeler_events_total",
  "labels_written_total",
  "backfill_repos_fetched_total",
  "backfill_repos_written_total",
  "backfill_fetch_errors_total",
  "backfill_cursor_skips_total",
  "firehose_live_length",
  "firehose_backfill_length",
  "label_live_length",
  "repo_backfill_length",
  "backpressure_active",
  "websocket_connections",
  "events_in_memory",
  "backfill_complete",
];

Deno.test("a recording tells its figures and its connection, too", () =>
  inFolder(async (folder) => {
    await using watched = await startWatched(folder, ["record", "jetstream", "--simulate", "-c", "all"]);
    const stats = await untilIs(() => get(watched, "/stats"), (s) => s.totalReceived > 0, "messages");
    assert(stats.details.bytes_received > stats.totalReceived);
    const { connected, sink } = await get(watched, "/status");
    assert.deepEqual([connected, sink.name], [true, "file"]);
    assert.equal((await ask(`${watched.url}/readyz`)).text, "ready");
    assert.equal((await stopped(watched)).code, 0);
  }));
