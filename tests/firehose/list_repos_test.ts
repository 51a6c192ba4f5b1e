import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import type { RepoEvent } from "../../lib/atproto/event.ts";
import { ConfigError, FatalError, type TransientError } from "../../lib/pipeline/errors.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import { listRepos, type ListReposOptions } from "../../lib/sources/list_repos.ts";
import { range } from "../support/jetstream_run.ts";
import { type LiveRunOptions, runSource } from "../support/live_run.ts";
import { memoryStore } from "../support/pipeline_ends.ts";

const KEY = "repo_backfill:cursor:pds.test";

const didOf = (n: number) => `did:plc:${n.toString(2).replaceAll("0", "a").replaceAll("1", "b").padStart(24, "a")}`;
const entry = (n: number) => ({ did: didOf(n), head: `bafy${n}`, rev: "3mptbypluud2a", active: true });
const entries = (first: number, last: number) => range(first, last).map(entry);

/** What a server answers to a cursor and a limit. */
type Answer = (cursor: string | null, limit: number, n: number) => object | string | Response;

/** Runs the list of a server; it asks again at once. */
function list(answer: Answer, options: ListReposOptions = {}, how: LiveRunOptions = {}) {
  const asked: (string | null)[] = [];
  const fetch = (input: URL | RequestInfo) => {
    const { searchParams, origin, pathname } = new URL(String(input));
    equal(origin + pathname, "https://pds.test/xrpc/com.atproto.sync.listRepos");
    const cursor = searchParams.get("cursor");
    asked.push(cursor);
    const body = answer(cursor, Number(searchParams.get("limit")), asked.length);
    if (body instanceof Response) return Promise.resolve(body);
    return Promise.resolve(new Response(typeof body === "string" ? body : JSON.stringify(body)));
  };
  const source = listRepos({
    hosts: ["pds.test"],
    backoff: () => 0,
    fetch: fetch as typeof globalThis.fetch,
    ...options,
  });
  return Object.assign(runSource(source, how), { asked });
}

const saved = (cursor: string): LiveRunOptions => ({ saved: { [KEY]: cursor } });
const dids = (run: { readonly events: readonly unknown[] }) => (run.events as RepoEvent[]).map(({ did }) => did);

Deno.test("F45: pages become batches, each entry before its cursor, the last one before !ingester-done", async () => {
  await using run = list((cursor) =>
    cursor === null ? { repos: entries(1, 1000), cursor: "36724" } : { repos: entries(1001, 1400) }
  );
  equal((await run.result).endedBy, "source");
  deepEqual(run.writes.map(({ key, cursor, items, end }) => [key, cursor, items.length, end]), [
    [KEY, "36724", 1000, undefined],
    [KEY, "!ingester-done", 400, true],
  ]);
  deepEqual([run.asked, run.cursor, new Set(dids(run)).size], [[null, "36724"], "!ingester-done", 1400]);
  const { origin, repo, time_us } = run.events[0] as RepoEvent;
  deepEqual([origin, repo], [{ source: "backfill", wire: "relay", host: "pds.test" }, entry(1)]);
  ok(Math.abs(time_us / 1000 - Date.now()) < 60_000);
  await using short = list(() => ({ repos: entries(1, 3) }));
  await short.result;
  deepEqual([short.events.length, short.cursor], [3, "!ingester-done"]);
});

Deno.test("F46: what is done is not asked for again unless --restart says so; cursors go back as they came", async () => {
  await using done = list(() => ({ repos: [] }), {}, saved("!ingester-done"));
  equal((await done.result).endedBy, "source");
  deepEqual(done.asked, []);
  await using anew = list(() => ({ repos: entries(1, 2) }), { restart: true }, saved("!ingester-done"));
  await anew.result;
  deepEqual([anew.asked, anew.events.length], [[null], 2]);
  for (const cursor of ["36724", "1730000000000::did:plc:abc", "a b&limit=1+%"]) {
    await using run = list(() => ({ repos: entries(1, 2) }), {}, saved(cursor));
    await run.result;
    deepEqual(run.asked, [cursor]);
  }
});

Deno.test("F46: with recheckMs a list that is done waits until somebody resets its position", async () => {
  const store = memoryStore();
  await using run = list((cursor) => ({ repos: entries(cursor === "5" ? 6 : 1, 8) }), { recheckMs: 5 }, {
    store,
    ...saved("!ingester-done"),
  });
  store.positions.set(KEY, "5");
  await run.until(() => run.events.length === 3);
  deepEqual(run.asked, ["5"]);
  equal((await run.stop()).endedBy, "stop");
});

Deno.test("F47: a page that fails is asked for again with the same cursor, and nothing is left out", async () => {
  await using run = list((cursor, _, n) =>
    cursor === null
      ? { repos: entries(1, 5), cursor: "5" }
      : n <= 11
      ? new Response("broken", { status: 500 })
      : { repos: entries(6, 9) }
  );
  await run.result;
  deepEqual(run.asked, [null, ...Array(11).fill("5")]);
  deepEqual([dids(run), run.gaps], [range(1, 9).map(didOf), []]);
});

Deno.test("F47: 429 waits as it says; what is no page is asked for again", async () => {
  const failures: TransientError[] = [];
  const backoff = (_: number, error: unknown) => (failures.push(error as TransientError), 0);
  const bad = [
    new Response("", { status: 429, headers: { "Retry-After": "7" } }),
    "<html>",
    '{"error":"x"}',
    "[]",
    '{"repos":{}}',
    new Response("gone", { status: 404 }),
  ];
  await using run = list((_, __, n) => n === 1 ? { repos: entries(1, 1), cursor: "1" } : bad[n - 2] ?? { repos: [] }, {
    backoff,
  });
  await run.result;
  deepEqual(failures.map(({ retryAfterMs }) => retryAfterMs), [7000, ...Array(5).fill(undefined)]);
  match(failures[5]!.message, /^Cannot list the repos of pds\.test: HTTP 404: gone$/);
});

Deno.test("what cannot heal ends a run that never worked, with the server's words", async () => {
  for (const status of [400, 401, 403, 404, 501]) {
    await using run = list(() => new Response("w".repeat(300), { status }));
    await rejects(run.result, (e) => e instanceof ConfigError && new RegExp(`HTTP ${status}: w{200}$`).test(e.message));
  }
  await using run = list(() => {
    throw new TypeError("Failed", {
      cause: Object.assign(new Error("Refused"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" }),
    });
  });
  await rejects(run.result, (e) => e instanceof ConfigError && /certificate is not accepted/.test(e.message));
});

Deno.test("F47: --skip-bad-pages leaves out the one entry that a server cannot show, with a gap, and only after patience", async () => {
  const BAD = 613;
  let clock = 0;
  const limits = new Set<number>();
  await using run = list((cursor, limit) => {
    clock += 40_000;
    limits.add(limit);
    const from = Number(cursor ?? 0), to = Math.min(1500, from + limit);
    if (from < BAD && BAD <= to) return new Response("", { status: 500 });
    return to < 1500 ? { repos: entries(from + 1, to), cursor: String(to) } : { repos: entries(from + 1, to) };
  }, { skipBadPages: true, now: () => clock });
  await run.result;
  deepEqual(dids(run), range(1, 1500).filter((n) => n !== BAD).map(didOf));
  deepEqual(run.gaps.map(({ reason, unit, from, to, state }) => [reason, unit, from, to, state]), [
    ["page", "page", BAD - 1, BAD, "open"],
  ]);
  deepEqual(run.asked.slice(0, 10), Array(10).fill(null));
  ok(limits.has(1) && run.asked.length < 60, `${run.asked.length} requests`);
});

Deno.test("F47: --skip-bad-pages leaves out nothing while a server is down altogether", async () => {
  for (const last of [58, 59, 60, 61]) {
    let clock = 0;
    await using run = list((cursor, limit, n) => {
      clock += 40_000;
      if (n < last) return new Response("", { status: 502 });
      const from = Number(cursor ?? 0), to = Math.min(20, from + limit);
      return to < 20 ? { repos: entries(from + 1, to), cursor: String(to) } : { repos: entries(from + 1, to) };
    }, { skipBadPages: true, pageSize: 10, now: () => clock });
    await run.result;
    deepEqual([dids(run), run.gaps], [range(1, 20).map(didOf), []]);
  }
});

Deno.test("F48: an empty cursor is the end; pages that lead back end the run after one more attempt, position kept", async () => {
  await using empty = list(() => ({ repos: entries(1, 2), cursor: "" }));
  await empty.result;
  equal(empty.cursor, "!ingester-done");
  await using same = list((cursor) => ({ repos: entries(1, 2), cursor: cursor === null ? "A" : "A" }));
  await rejects(same.result, (e) => e instanceof FatalError && /at cursor A leads back to A, twice/.test(e.message));
  deepEqual([same.asked, same.cursor], [[null, "A", "A"], "A"]);
  await using cycle = list((cursor) => ({ repos: entries(1, 2), cursor: cursor === "A" ? "B" : "A" }));
  await rejects(cycle.result, FatalError);
  deepEqual([cycle.asked, cycle.cursor], [[null, "A", "B", "B"], "B"]);
  await using once = list((cursor, _, n) =>
    cursor === "A" && n > 2 ? { repos: [] } : { repos: entries(n, n), cursor: "A" }
  );
  await once.result;
  equal(once.cursor, "!ingester-done");
});

Deno.test("F48: an empty page with a cursor is no end; a hundred in a row are no list", async () => {
  await using run = list((cursor) =>
    cursor === null
      ? { repos: [], cursor: "A" }
      : cursor === "A"
      ? { repos: entries(1, 2), cursor: "B" }
      : { repos: [] }
  );
  await run.result;
  deepEqual([run.asked, run.events.length, run.cursor], [[null, "A", "B"], 2, "!ingester-done"]);
  await using endless = list((_, __, n) => ({ repos: [], cursor: `${n}` }));
  await rejects(endless.result, (e) => e instanceof FatalError && /100 pages in a row are empty/.test(e.message));
  equal(endless.asked.length, 100);
});

Deno.test("F49: odd entries pass as they are; one without a DID is dead, the rest of the page lives", async () => {
  const odd = [
    { did: didOf(1), rev: "", status: "takendown" },
    { did: didOf(2), active: false, status: "newstatus", head: "x" },
    { rev: "3mptbypluud2a" },
    { did: "nobody" },
    null,
    { did: didOf(3), active: "yes", head: 5 },
  ];
  await using run = list(() => ({ repos: odd }));
  await run.result;
  deepEqual((run.events as RepoEvent[]).map(({ repo }) => repo), [
    { did: didOf(1), rev: "", status: "takendown" },
    { did: didOf(2), head: "x", status: "newstatus", active: false },
    { did: didOf(3) },
  ]);
  deepEqual(run.letters.map(({ error, raw, stage }) => [error.reason, raw, stage]), [
    ["list-did", '{"rev":"3mptbypluud2a"}', "source"],
    ["list-did", '{"did":"nobody"}', "source"],
    ["list-did", "null", "source"],
  ]);
});

Deno.test("a relay and a PDS, side by side, each to its end", async () => {
  const repos = range(1, 250).map((n) => ({ ...entry(n), active: n % 10 !== 0 }));
  await using relay = await startSimulate({ repos });
  await using pds = await startSimulate({
    repos,
    listing: "pds",
    onHttp: ({ n }) => n === 2 ? { status: 429, retryAfter: 1 } : undefined,
  });
  const source = listRepos({
    hosts: [relay.url, pds.url],
    pageSize: 100,
    backoff: (_, e) => ((e as TransientError).retryAfterMs ?? 0) / 20,
  });
  await using run = runSource(source);
  equal((await run.result).endedBy, "source");
  deepEqual(source.keys.map((key) => run.store.positions.get(key)), ["!ingester-done", "!ingester-done"]);
  const counts = source.hosts.map((host) => run.events.filter(({ origin }) => origin.host === host).length);
  deepEqual(counts, [225, 250]);
});
