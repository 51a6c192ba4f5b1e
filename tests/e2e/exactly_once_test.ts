import assert from "node:assert/strict";
import { startCli } from "../support/child.ts";
import { askedFor, parseSummary, rowsIn, run, serve, summaryOf } from "../support/program.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { realTest } from "../support/real_data.ts";
import { EPOCH_US, readBack } from "../support/sqlite.ts";
import { tempFolder } from "../support/temp.ts";

const KILLS = 20;

Deno.test("T1: two runs of --simulate, 10,000 distinct events each, the second resumes by sequence number", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/bskyingest.db`;
  const first = await summaryOf(folder.path, ["jetstream", "--simulate", "-n", "10000"]);
  assert.deepEqual([first.written, first.ended_by, first.gaps, first.reconnects], [10_000, "count", 0, 0]);
  const second = await run(folder.path, ["jetstream", "--simulate", "-n", "10000", "--json"]);
  assert.equal(parseSummary(second).written, 10_000);
  assert.deepEqual(askedFor(second), [`from ${(first.cursor as { seq: number }).seq}`]);
  const distinct = `SELECT count(*) AS rows, count(DISTINCT seq) AS seqs, count(DISTINCT json) AS texts,
    max(position) AS last, (SELECT count(*) FROM gaps) AS gaps FROM events`;
  assert.deepEqual(readBack(db, distinct), [{ rows: 20_000, seqs: 20_000, texts: 20_000, last: 20_000, gaps: 0 }]);
});

/** The `json` column as a file of lines. */
function linesOf(db: string): string {
  return readBack<{ json: string }>(db, "SELECT json FROM events ORDER BY position").map(({ json }) => `${json}\n`)
    .join("");
}

realTest(
  "the real events are stored byte for byte, in order, once; also from a server that closes every 10 events",
  ["expected_v1.jsonl"],
  async ([path]) => {
    using folder = tempFolder();
    const expected = await Deno.readTextFile(path!);
    for (const [name, faults] of [["whole", []], ["cut", ["--close-after", "10"]]] as const) {
      await using server = await serve(folder.path, [path!, "--kind", "legacy", ...faults]);
      const db = `${folder.path}/${name}.db`;
      const args = ["jetstream", "--url", server.v1, "-c", "all", "-n", "152", "--db", db];
      const { written, reconnects, gaps } = await summaryOf(folder.path, args);
      assert.deepEqual({ written, reconnects, gaps }, { written: 152, reconnects: name === "cut" ? 15 : 0, gaps: 0 });
      assert.equal(linesOf(db), expected, name);
    }
  },
);

/** Kills runs with these arguments at random moments, then lets one go on until there are `total` rows. */
async function killAndFinish(folder: string, args: readonly string[], db: string, total: number, withinMs: number) {
  const random = randomFrom(startNumber(`kill -9 of ${args.join(" ")}`));
  for (let kill = 0; kill < KILLS; kill++) {
    await using child = startCli(args, { cwd: folder });
    const { signal } = await child.killWithin(withinMs, random);
    assert.equal(signal, "SIGKILL", child.stderr.lines.join("\n"));
  }
  const rest = total - rowsIn(db);
  console.log(`${rest} of ${total} are left after the last kill`);
  if (rest > 0) assert.equal((await summaryOf(folder, [...args, "-n", String(rest)])).written, rest);
}

realTest(`J28: kill -9 at ${KILLS} random moments, the real events`, ["expected_v1.jsonl"], async ([path]) => {
  using folder = tempFolder();
  await using server = await serve(folder.path, [path!, "--kind", "legacy", "--rate", "300"]);
  const db = `${folder.path}/e.db`;
  const args = ["jetstream", "--url", server.v1, "-c", "all", "--db", db, "--batch-size", "4"];
  await killAndFinish(folder.path, args, db, 152, 700);
  assert.equal(linesOf(db), await Deno.readTextFile(path!));
});

for (
  const [name, kind, wire] of [["v1 legacy", "legacy", "v1"], ["v1 new", "new", "v1"], ["v2", "new", "v2"]] as const
) {
  Deno.test(`J28: kill -9 at ${KILLS} random moments, ${name}: exactly the rows`, async () => {
    using folder = tempFolder();
    const total = 60_000;
    const made = ["--epoch", "2026-01-01", "--count", String(total), "--rate", "20000", "--kind", kind];
    await using server = await serve(folder.path, made);
    const db = `${folder.path}/k.db`;
    const args = [
      "jetstream",
      "--url",
      server[wire],
      "-c",
      "all",
      "--db",
      db,
      "--overlap",
      "1s",
      "--batch-size",
      "250",
    ];
    // A run that is killed before its first write has no position: from then on it would be live.
    assert.equal((await summaryOf(folder.path, [...args, "--cursor", "1", "-n", "1"])).written, 1);
    await killAndFinish(folder.path, args, db, total, 700);
    const sql = `SELECT count(*) AS n, max(position) AS last, count(DISTINCT json) AS texts,
      sum(time_us = ${EPOCH_US} + position * 500) AS in_place, (SELECT count(*) FROM gaps) AS gaps FROM events`;
    assert.deepEqual(readBack(db, sql), [{ n: total, last: total, texts: total, in_place: total, gaps: 0 }]);
  });
}
