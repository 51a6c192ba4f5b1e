import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { assertEquation, parseSummary, run, serve } from "../support/program.ts";
import { tempFolder } from "../support/temp.ts";

/** Both servers have the same events. */
const EVENTS = ["--epoch", "2026-01-01", "--count", "500"];

for (
  const [what, args, copies] of [
    ["says nothing after the handshake", ["--stall-after", "0"], 0],
    ["falls silent in the middle", ["--stall-after", "200"], 200],
  ] as const
) {
  Deno.test(`fail-over: a host that ${what}: the next one goes on, complete, nothing twice, one reconnect`, async () => {
    await using folder = await tempFolder();
    await using stalled = await serve(folder.path, [...EVENTS, ...args]);
    await using good = await serve(folder.path, EVENTS);
    const hosts = ["-i", `ws://${stalled.host}`, "-i", `ws://${good.host}`];
    const from = ["-c", "all", "--cursor", "0", "-n", "500", "--idle-timeout", "1s", "--db", "x.db"];
    const end = await run(folder.path, ["jetstream", ...hosts, ...from, "--json"]);
    const summary = parseSummary(end);
    assertEquation(summary);
    assert.deepEqual([summary.written, summary.duplicates, summary.reconnects, summary.gaps], [500, copies, 1, 0]);
    assert.equal(end.stderr.filter((line) => line.includes(`Connecting to ${good.host}`)).length, 1);
    assert.equal(end.stderr.filter((line) => line.includes("Connecting to")).length, 1, end.stderr.join("\n"));
    using db = new DatabaseSync(`${folder.path}/x.db`, { readOnly: true });
    const { n, distinct } = db.prepare(
      'SELECT count(*) AS n, count(DISTINCT did || time_us || kind) AS "distinct" FROM events',
    )
      .get()!;
    assert.deepEqual([n, distinct], [500, 500]);
  });
}
