import assert from "node:assert/strict";
import { type HttpFault, startSimulate } from "../../lib/simulate/server.ts";
import { startCli } from "../support/child.ts";
import { assertCalm, parseSummary, rowsIn, run, summaryOf, until } from "../support/program.ts";
import { startRedis } from "../support/redis.ts";
import { serviceTest } from "../support/services.ts";
import { readBack } from "../support/sqlite.ts";
import { cursorsIn, dbIn, eventsIn } from "../support/stream_run.ts";
import { tempFolder } from "../support/temp.ts";

const DONE = "!ingester-done";

const didOf = (n: number) => `did:plc:${n.toString(2).replaceAll("0", "a").replaceAll("1", "b").padStart(24, "a")}`;
const entry = (n: number) => ({ did: didOf(n), head: `bafy${n}`, rev: "3mptbypluud2a", active: true });
const entries = (count: number, first = 1) => Array.from({ length: count }, (_, i) => entry(first + i));
const from = (relay: string, ...more: string[]) => ["backfill", "--relay-hosts", relay, ...more];
const keyOf = (relay: string) => `repo_backfill:cursor:${new URL(relay).host}`;

/** A server whose pages are scripted: by the cursor that is asked for. */
async function startPages(pages: Readonly<Record<string, unknown>>) {
  const asked: string[] = [];
  const server = await startSimulate({
    onHttp({ url }): HttpFault {
      const cursor = url.searchParams.get("cursor") ?? "";
      asked.push(cursor);
      return { status: 200, body: JSON.stringify(pages[cursor] ?? { repos: [] }) };
    },
  });
  return Object.assign(server, { asked });
}

Deno.test("F45, F47: 100,000 repos past 429s, 500s and a kill -9: each once, done at the very end, then not a request", async () => {
  const total = 100_000;
  using folder = tempFolder();
  let requests = 0, isSlow = true;
  const refused = new Map([[3, 429], [20, 500], [21, 500], [60, 429], [90, 503]]);
  await using server = await startSimulate({
    repos: entries(total),
    onHttp() {
      const status = refused.get(++requests);
      if (status !== undefined) return { status, ...(status === 429 && { retryAfter: 1 }) };
      // The first run stays here until it is killed.
      return isSlow && requests > 40 ? { status: 429, retryAfter: 3600 } : undefined;
    },
  });
  const key = keyOf(server.relay), args = from(server.relay);
  await using child = startCli(args, { cwd: folder.path });
  await until(() => rowsIn(dbIn(folder.path)) > 30_000 && requests > 40, "30,000 repos");
  child.kill("SIGKILL");
  await child.status;
  const rows = rowsIn(dbIn(folder.path));
  assert.deepEqual([cursorsIn(folder.path)[key], rows % 1000], [String(rows), 0], "pages are whole");

  isSlow = false;
  const { written, ended_by } = await summaryOf(folder.path, args);
  assert.deepEqual([written, ended_by], [total - rows, "source"]);
  const sql = "SELECT count(*) AS n, count(DISTINCT did) AS dids, min(did) AS a, max(did) AS b FROM repos";
  assert.deepEqual(readBack(dbIn(folder.path), sql), [{ n: total, dids: total, a: didOf(1), b: didOf(total) }]);
  assert.equal(cursorsIn(folder.path)[key], DONE);

  const before = requests;
  const again = await run(folder.path, [...args, "--json"]);
  assert.equal(parseSummary(again).received, 0);
  assert.match(again.stderr.join("\n"), /has been read to its end; --restart reads it anew/);
  assert.equal(requests, before);
});

serviceTest(
  "F46: into Redis; cursors go back as they came, !ingester-done is not asked for again, --restart begins anew",
  [
    "redis",
  ],
  async () => {
    using folder = tempFolder();
    await using redis = await startRedis();
    const odd = "1730000000000::did:plc:abc";
    await using server = await startPages({
      "": { repos: entries(2), cursor: odd },
      [odd]: { repos: [entry(3), { did: didOf(4), rev: "", status: "takendown" }], cursor: "" },
    });
    const args = from(server.relay, "--sink", "redis", "--redis-url", redis.url), key = keyOf(server.relay);
    await redis.command("SET", key, odd);
    assert.equal((await summaryOf(folder.path, args)).written, 2);
    assert.deepEqual([server.asked, await redis.command("GET", key)], [[odd], DONE]);
    const host = `https://${new URL(server.relay).host}`;
    assert.deepEqual((await redis.entries("repo_backfill")).map(({ field, value }) => [field, JSON.parse(value)]), [
      ["repo", { did: didOf(3), host, rev: "3mptbypluud2a", active: true }],
      ["repo", { did: didOf(4), host, rev: "", status: "takendown" }],
    ]);
    assert.equal((await summaryOf(folder.path, args)).received, 0);
    assert.equal(server.asked.length, 1);
    assert.equal((await summaryOf(folder.path, [...args, "--restart"])).written, 4);
    assert.deepEqual([server.asked.slice(1), await redis.command("GET", key)], [["", odd], DONE]);
  },
);

Deno.test("F48: an empty cursor ends the list, an empty page does not; a list that leads back ends with 1", async () => {
  using folder = tempFolder();
  await using short = await startPages({
    "": { repos: [entry(1)], cursor: "a" },
    a: { repos: [], cursor: "b" },
    b: { repos: [entry(2), { handle: "nobody" }, entry(3)], cursor: "" },
  });
  const odd = await summaryOf(folder.path, from(short.relay), 3);
  assert.deepEqual([odd.written, odd.dead_lettered, short.asked], [3, 1, ["", "a", "b"]]);
  assert.equal(cursorsIn(folder.path)[keyOf(short.relay)], DONE);

  await using loop = await startPages({
    "": { repos: [entry(1)], cursor: "a" },
    a: { repos: [entry(2)], cursor: "b" },
    b: { repos: [entry(3)], cursor: "a" },
  });
  const end = await run(folder.path, from(loop.relay, "--db", "loop.db", "--json"));
  assertCalm(end);
  assert.match(
    parseSummary(end, 1).error!,
    /^Cannot list the repos of .*: the page at cursor b leads back to a, twice/,
  );
  assert.deepEqual(loop.asked, ["", "a", "b", "b"]);
});

Deno.test("-n cuts no page, so that the next run doubles nothing; --restart after the end reads the list again", async () => {
  using folder = tempFolder();
  await using server = await startSimulate({ repos: entries(50) });
  const args = from(server.relay, "--page-size", "10");
  for (const [limit, written, cursor] of [["15", 20, 20], ["4", 4, 24], ["20", 20, 44], ["20", 6, DONE]] as const) {
    const summary = await summaryOf(folder.path, [...args, "-n", limit]);
    assert.deepEqual([summary.written, summary.cursor], [written, cursor], limit);
  }
  assert.equal(new Set(eventsIn(folder.path).map((text) => JSON.parse(text).repo.did)).size, 50);
  assert.equal((await summaryOf(folder.path, [...args, "--restart"])).written, 50);
  assert.equal(eventsIn(folder.path).length, 100);
});

Deno.test("--simulate: made-up repos, without a network", async () => {
  using folder = tempFolder();
  const { written, ended_by } = await summaryOf(folder.path, ["backfill", "--simulate", "-n", "30"]);
  assert.deepEqual([written, ended_by], [30, "count"]);
  const key = "backfill-simulate:repo_backfill:cursor:simulate";
  assert.deepEqual(cursorsIn(folder.path), { [key]: "30" });
  const rest = await summaryOf(folder.path, ["backfill", "--simulate"]);
  assert.deepEqual([rest.ended_by, cursorsIn(folder.path)], ["source", { [key]: DONE }]);
  const [row] = readBack(dbIn(folder.path), "SELECT count(*) AS n, count(DISTINCT did) AS dids FROM repos");
  assert.deepEqual(row, { n: 10_000, dids: 10_000 });
});
