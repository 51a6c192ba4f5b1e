import assert from "node:assert/strict";
import { loadFrames, startSimulate } from "../../lib/simulate/server.ts";
import { run, summaryOf } from "../support/program.ts";
import { realTest } from "../support/real_data.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { isInstalled } from "../support/services.ts";
import { cursorsIn, eventsIn } from "../support/stream_run.ts";
import { tempFolder } from "../support/temp.ts";

const LAST = "31527015471";

const linesOf = (path: string) => Deno.readTextFileSync(path).trimEnd().split("\n");
/** The clock of a run of rsky-ingester, or of ours in its format. */
const timeless = (value: string) => value.replace(/"time":"[^"]*\+00:00"/, '"time":""');

/** A run over the real frames, to the last one of them. */
function realRun(relay: string, ...more: string[]): string[] {
  return ["firehose", "--relay-hosts", relay, "--until", LAST, ...more];
}

/** Registers a test that needs the real frames, another real file, and a Redis server. */
function redisRealTest(
  name: string,
  file: string,
  fn: (
    env: { readonly redis: RedisServer; readonly relay: string; readonly folder: string; readonly file: string },
  ) => Promise<void>,
): void {
  if (!isInstalled("redis")) return Deno.test.ignore(`${name} (skipped: scripts/services install redis)`, () => {});
  realTest(name, ["frames.bin.zst", file], async ([frames, path]) => {
    using folder = tempFolder();
    await using redis = await startRedis();
    await using server = await startSimulate({ frames: await loadFrames(frames!) });
    await fn({ redis, relay: server.relay, folder: folder.path, file: path! });
  });
}

redisRealTest(
  "F2, R1: firehose --sink redis makes the entries of format bsky, line by line",
  "stream_events_bsky.jsonl",
  async ({ redis, relay, folder, file }) => {
    const { written, cursor } = await summaryOf(folder, [
      ...realRun(relay, "--sink", "redis", "--redis-url", redis.url),
    ]);
    assert.deepEqual([written, cursor], [152, Number(LAST)]);
    const entries = await redis.entries("firehose_live");
    assert.deepEqual(new Set(entries.map(({ field }) => field)), new Set(["event"]));
    assert.deepEqual(entries.map(({ value }) => JSON.parse(value)), linesOf(file).map((line) => JSON.parse(line)));
    assert.equal(entries.length, 152);
    const host = new URL(relay).host;
    assert.equal(await redis.command("GET", `firehose_live:cursor:${host}`), LAST);
    const again = await summaryOf(folder, realRun(relay, "--redis-url", redis.url));
    assert.deepEqual([again.written, again.ended_by], [0, "until"], "there is nothing left to read");
  },
);

redisRealTest(
  "R2, R3: --format rsky makes the entries of a run of rsky-ingester, and with -c all the others too",
  "rsky_stream_samples.jsonl",
  async ({ redis, relay, folder, file }) => {
    const args = ["--sink", "redis", "--redis-url", redis.url, "--format", "rsky"];
    const { written } = await summaryOf(folder, realRun(relay, ...args));
    assert.equal(written, 150);
    const entries = (await redis.entries("firehose_live")).map(({ field, value }) => [field, timeless(value)]);
    const theirs = linesOf(file).map((line) => JSON.parse(line)).map(({ field, value }) => [field, timeless(value)]);
    assert.equal(theirs.length, 150);
    assert.deepEqual(entries, theirs);
    const host = new URL(relay).host;
    assert.equal(await redis.command("GET", `firehose_live:cursor:${host}`), LAST);

    const all = await summaryOf(folder, realRun(relay, ...args, "--stream", "all", "-c", "all"));
    assert.equal(all.written, 151);
    const more = (await redis.entries("all")).map(({ value }) => JSON.parse(value));
    assert.equal(more.filter(({ collection }) => collection?.startsWith("fm.teal.")).length, 1);
    assert.equal(more.some(({ type }) => type === "identity"), false, "the only one has no handle");
    assert.equal(await redis.command("GET", `all:cursor:${host}`), LAST);
  },
);

realTest("F2, F3: 152 events of the real frames in SQLite, NDJSON and filtered, the position is always the last", [
  "frames.bin.zst",
  "expected_v1.jsonl",
], async ([frames, expected]) => {
  using folder = tempFolder();
  await using server = await startSimulate({ frames: await loadFrames(frames!) });
  const all = await summaryOf(folder.path, realRun(server.relay));
  assert.deepEqual([all.written, all.cursor, all.ended_by], [152, Number(LAST), "until"]);
  const key = `firehose_live:cursor:${new URL(server.relay).host}`;
  assert.deepEqual(cursorsIn(folder.path), { [key]: LAST });
  const stored = eventsIn(folder.path);
  const records = (lines: readonly string[]) =>
    lines.map((line) => JSON.parse(line)).map(({ did, kind, commit, account, identity }) => ({
      did,
      kind,
      commit,
      active: account?.active,
      handle: identity?.handle,
    }));
  assert.deepEqual(records(stored), records(linesOf(expected!)));

  await summaryOf(folder.path, realRun(server.relay, "--sink", "ndjson", "--out", "all.ndjson"));
  assert.deepEqual(linesOf(`${folder.path}/all.ndjson`), stored);

  for (const [collections, events] of [["app.bsky.*,chat.bsky.*", 151], ["fm.teal.*", 3]] as const) {
    const db = `${events}.db`;
    const { written, filtered } = await summaryOf(folder.path, [
      ...realRun(server.relay, "-c", collections, "--db", db),
    ]);
    assert.deepEqual([written, filtered], [events, 152 - events], collections);
    const shown = await run(folder.path, ["cursor", "show", "--json", "--db", db]);
    assert.deepEqual(shown.stdout.map((line) => JSON.parse(line).cursor), [LAST], collections);
  }
});

realTest("F43: --until ends a run at that number, and another one goes on behind it", ["frames.bin.zst"], async ([
  frames,
]) => {
  using folder = tempFolder();
  await using server = await startSimulate({ frames: await loadFrames(frames!) });
  const until = (seq: string) => summaryOf(folder.path, ["firehose", "--relay-hosts", server.relay, "--until", seq]);
  const first = await until("31527015400");
  assert.deepEqual([first.cursor, first.ended_by, first.exit], [31527015400, "until", 0]);
  const second = await until(LAST);
  assert.equal(first.written + second.written, 152);
  assert.equal(new Set(eventsIn(folder.path)).size, 152);
});
