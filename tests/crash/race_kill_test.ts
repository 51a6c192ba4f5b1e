/**
 * `jetstream --race` that is killed: what two servers send is in the sink once, whichever of them had it.
 */
import assert from "node:assert/strict";
import { startCli } from "../support/child.ts";
import { ended, parseSummary, rowsIn, serve, type Server, summaryOf, until } from "../support/program.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { realTest } from "../support/real_data.ts";
import { readBack } from "../support/sqlite.ts";
import { tempFolder } from "../support/temp.ts";

const KILLS = 20;

const between = (a: Server, b: Server) => ["jetstream", "-i", `ws://${a.host}`, "-i", `ws://${b.host}`, "--race"];

/** Kills runs with these arguments at random moments. */
async function killOften(folder: string, args: readonly string[], withinMs: number): Promise<void> {
  const random = randomFrom(startNumber(`kill -9 of ${args.join(" ")}`));
  for (let kill = 0; kill < KILLS; kill++) {
    await using child = startCli(args, { cwd: folder });
    const { signal } = await child.killWithin(withinMs, random);
    assert.equal(signal, "SIGKILL", child.stderr.lines.join("\n"));
  }
}

/** The cursor that a host was asked for, as the log tells. */
function askedOf({ stderr }: { readonly stderr: readonly string[] }, { host }: Server): string | undefined {
  return stderr.map((line) => new RegExp(`Connected to ${host}, .*, (live|from \\d+)$`).exec(line)?.[1]).find(Boolean);
}

const savedSeq = (db: string, { host }: Server): unknown =>
  readBack(db, `SELECT json_extract(cursor, '$.seq') AS seq FROM cursors WHERE key = 'jetstream:${host}'`)[0]?.seq;

realTest(
  `J44: kill -9 at ${KILLS} random moments, the real events, every third one missing on b and one more there`,
  ["golden_v2server_v1wire.jsonl"],
  async ([path]) => {
    using folder = tempFolder();
    const all = (await Deno.readTextFile(path!)).trimEnd().split("\n");
    const some = all.filter((_, i) => i % 3 !== 2);
    const more = some[50]!.replace(/"did":"[^"]*"/, '"did":"did:plc:onlyonb"').replace(
      /"cursor":\d+/,
      '"cursor":99999',
    );
    Deno.writeTextFileSync(`${folder.path}/b.jsonl`, `${[...some, more].join("\n")}\n`);
    await using a = await serve(folder.path, [path!, "--rate", "60"]);
    await using b = await serve(folder.path, [`${folder.path}/b.jsonl`, "--rate", "45"]);
    const db = `${folder.path}/race.db`;
    const args = [...between(a, b), "-c", "all", "--db", db, "--batch-size", "4"];
    // Enough for both to have sent something: lives that end before they connect add nothing.
    await summaryOf(folder.path, [...args, "-s", "1970-01-01", "-n", "50"]);
    await killOften(folder.path, args, 800);
    const saved = [a, b].map((server) => savedSeq(db, server));
    await using child = startCli([...args, "--json"], { cwd: folder.path });
    await until(() => rowsIn(db) === 153, "the last event");
    child.kill();
    const last = await ended(child);
    parseSummary(last);
    const asked = [a, b].map((server) => askedOf(last, server));
    assert.deepEqual(asked, saved.map((seq) => `from ${seq}`));
    const sql = `SELECT count(*) AS n, count(DISTINCT did || ifnull(rkey, '') || ifnull(rev, '') || kind) AS events,
      sum(did = 'did:plc:onlyonb') AS only_b, (SELECT count(*) FROM gaps) AS gaps, (SELECT count(*) FROM cursors) AS keys
      FROM events`;
    assert.deepEqual(readBack(db, sql), [{ n: 153, events: 153, only_b: 1, gaps: 0, keys: 3 }]);
  },
);

Deno.test(`J44: kill -9 at ${KILLS} random moments, a new and a legacy server at full speed: exactly the rows`, async () => {
  using folder = tempFolder();
  const total = 60_000;
  const made = ["--epoch", "2026-01-01", "--count", String(total)];
  await using a = await serve(folder.path, [...made, "--rate", "15000"]);
  await using b = await serve(folder.path, [...made, "--rate", "12000", "--kind", "legacy"]);
  const db = `${folder.path}/k.db`;
  const args = [...between(a, b), "-c", "all", "--db", db, "--overlap", "1s"];
  await summaryOf(folder.path, [...args, "-s", "1970-01-01", "-n", "1"]);
  await killOften(folder.path, args, 900);
  const rest = total - rowsIn(db);
  console.log(`${rest} of ${total} are left after the last kill`);
  if (rest > 0) await summaryOf(folder.path, [...args, "-n", String(rest)]);
  const again = await summaryOf(folder.path, [...args, "-t", "5"]);
  assert.equal(again.written, 0);
  const sql =
    `SELECT count(*) AS n, max(position) AS last, count(DISTINCT time_us || did || ifnull(rkey, '')) AS events,
    (SELECT count(*) FROM gaps) AS gaps FROM events`;
  assert.deepEqual(readBack(db, sql), [{ n: total, last: total, events: total, gaps: 0 }]);
});

Deno.test("J44: into NDJSON: stopped 5 times nothing comes twice, and after kill -9 nothing is missing", async () => {
  using folder = tempFolder();
  const total = 40_000;
  const made = ["--epoch", "2026-01-01", "--count", String(total), "--rate", "8000"];
  await using a = await serve(folder.path, [...made, "--kind", "legacy"]);
  await using b = await serve(folder.path, made);
  const out = `${folder.path}/x.ndjson`;
  const args = [...between(a, b), "-c", "all", "--sink", "ndjson", "--out", out, "--overlap", "1s"];
  /** What makes the events themselves, without what only one server adds. */
  const keys = () =>
    Deno.readTextFileSync(out).split("\n").slice(0, -1).map((line) => {
      const { cursor: _, ...event } = JSON.parse(line);
      return JSON.stringify(event);
    });
  await summaryOf(folder.path, [...args, "-s", "1970-01-01", "-n", "1"]);
  for (let i = 0; i < 5; i++) {
    await summaryOf(folder.path, [...args, "-n", "2000"]);
    const found = keys();
    assert.deepEqual([found.length, new Set(found).size], [2000 * (i + 1) + 1, 2000 * (i + 1) + 1]);
  }
  const random = randomFrom(startNumber("kill -9 of a race into NDJSON"));
  for (let kill = 0; kill < 5; kill++) {
    await using child = startCli([...args, "--checkpoint-interval", "50ms"], { cwd: folder.path });
    await child.killWithin(1500, random);
  }
  await using last = startCli([...args, "--json"], { cwd: folder.path });
  await last.stderr.waitFor("Connected to ");
  let found = keys();
  await until(() => {
    found = keys();
    return new Set(found).size === total;
  }, "all events");
  last.kill("SIGTERM");
  assert.equal(parseSummary(await ended(last)).gaps, 0);
  // What was written after the last save comes again.
  assert(found.length < total * 1.5, `${found.length} lines`);
});
