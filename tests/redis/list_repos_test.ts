import assert from "node:assert/strict";
import type { TransientError } from "../../lib/pipeline/errors.ts";
import { runPipeline } from "../../lib/pipeline/pipeline.ts";
import type { Sink } from "../../lib/pipeline/sink.ts";
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import { redisSink } from "../../lib/sinks/redis.ts";
import { DONE, listRepos } from "../../lib/sources/list_repos.ts";
import { sharedRedis } from "../support/redis.ts";
import { range } from "../support/redis_sink.ts";
import { serviceTest } from "../support/services.ts";

const redis = sharedRedis();

const TOTAL = 100_000, PAGE = 1000;
const STREAM = "repo_backfill", CURSOR = "repo_backfill:cursor:host";

const didOf = (n: number) => `did:plc:${n.toString(2).replaceAll("0", "a").replaceAll("1", "b").padStart(24, "a")}`;
const entry = (n: number) => ({ did: didOf(n), head: `bafy${n}`, rev: "3mptbypluud2a", active: true });

/** How many entries lie before a cursor: a relay's, or a PDS's. */
const entriesBefore = (cursor: string) =>
  cursor === DONE ? TOTAL : cursor.includes("::") ? Number(cursor.split("::")[0]) % 1_000_000 : Number(cursor);

/** A server that asks for patience, then fails ten times in a row. @param emptyEnd Its last page has the cursor `""`. */
async function startList(listing: "relay" | "pds", emptyEnd: boolean) {
  const times: number[] = [], asked: string[] = [];
  const repos = range(1, TOTAL).map(entry);
  const server = await startSimulate({
    repos,
    listing,
    onHttp({ url, n }) {
      times.push(performance.now());
      const cursor = url.searchParams.get("cursor") ?? "";
      asked.push(cursor);
      if (n === 5) return { status: 429, retryAfter: 1 };
      if (n > 50 && n <= 60) return { status: 500 };
      const isLast = emptyEnd && Number(cursor) === TOTAL - PAGE;
      return isLast ? { status: 200, body: JSON.stringify({ repos: repos.slice(-PAGE), cursor: "" }) } : undefined;
    },
  });
  return Object.assign(server, { times, asked });
}

/** Looks into the stream after each write: nowhere is the position ahead of the entries, nor behind them. */
function watched(sink: Sink<AnyEvent>, positions: string[]): Sink<AnyEvent> {
  return {
    ...sink,
    async write(batch, options) {
      const result = await sink.write(batch, options);
      const cursor: string = await redis().command("GET", CURSOR);
      assert.equal(await redis().command("XLEN", STREAM), entriesBefore(cursor), cursor);
      positions.push(cursor);
      return result;
    },
  };
}

for (const [listing, emptyEnd] of [["pds", false], ["relay", true]] as const) {
  serviceTest(
    `F45, F46, F47, F48: 100,000 repos of a ${listing} past a 429 and ten 500s in a row into Redis: each once, done at the very end`,
    ["redis"],
    async () => {
      await using server = await startList(listing, emptyEnd);
      await using sink = await redisSink({ connection: { url: redis().url }, stream: STREAM, highWaterMark: 0 });
      const failures: TransientError[] = [], positions: string[] = [];
      const source = listRepos({
        hosts: [server.url],
        alias: "host",
        backoff: (_, error) => (failures.push(error as TransientError), (error as TransientError).retryAfterMs ?? 1),
      });
      const { endedBy, counters } = await runPipeline<AnyEvent>({ source, sink: watched(sink, positions) });

      assert.deepEqual([endedBy, counters.written, counters.duplicates], ["source", TOTAL, 0]);
      assert.deepEqual([positions.indexOf(DONE), positions.at(-1)], [positions.length - 1, DONE]);
      const dids = (await redis().entries(STREAM)).map(({ value }) => JSON.parse(value).did);
      assert.deepEqual(dids, range(1, TOTAL).map(didOf));

      assert.deepEqual(failures.map(({ retryAfterMs }) => retryAfterMs), [1000, ...Array(10).fill(undefined)]);
      assert(server.times[5]! - server.times[4]! >= 1000, "as long as the server asked for");
      assert.equal(new Set(server.asked.slice(50, 61)).size, 1, "ten times the same cursor again");
      if (listing === "pds") assert.match(server.asked.at(-1)!, /^\d{13}::did:plc:/);
    },
  );
}
