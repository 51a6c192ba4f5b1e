import assert from "node:assert/strict";
import { startCli } from "../support/child.ts";
import { assertCalm, ended, parseSummary, rowsIn, run, summaryOf, until } from "../support/program.ts";
import { readBack } from "../support/sqlite.ts";
import { tempFolder } from "../support/temp.ts";

const SIMULATE = ["jetstream", "--simulate", "-c", "all"];

for (const sink of ["sqlite", "ndjson"] as const) {
  Deno.test(`L8: a second run on one state exits 75 and names the first, into ${sink}`, async () => {
    using folder = tempFolder();
    const args = [...SIMULATE, "--sink", sink, "--json"];
    await using first = startCli(args, { cwd: folder.path });
    await first.stderr.waitFor("Connected to");
    const second = await run(folder.path, args);
    assert.equal(second.code, 75);
    assertCalm(second);
    const holder = `jetstream (pid ${first.pid} on ${Deno.hostname()}) holds it since `;
    const errors = second.stderr.filter((line) => line.includes(holder));
    assert.equal(errors.length, 1, second.stderr.join("\n"));
    first.kill();
    assert.equal(parseSummary(await ended(first)).ended_by, "signal");
    assert.equal((await summaryOf(folder.path, [...args.slice(0, -1), "-n", "10"])).written, 10);
  });
}

Deno.test("L8: two state keys share a database", async () => {
  using folder = tempFolder();
  const both = ["a", "b"].map((key) => summaryOf(folder.path, [...SIMULATE, "-n", "3000", "--state-key", key]));
  assert.deepEqual((await Promise.all(both)).map(({ written }) => written), [3000, 3000]);
  const db = `${folder.path}/bskyingest.db`;
  assert.equal(rowsIn(db), 6000);
  assert.deepEqual(readBack(db, "SELECT key FROM cursors ORDER BY key"), [{ key: "a" }, { key: "b" }]);
});

Deno.test("T25: after kill -9 the next run starts at once: a lock goes with its process", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/bskyingest.db`;
  for (const sink of ["sqlite", "ndjson"]) {
    const args = [...SIMULATE, "--sink", sink, "--batch-timeout", "50ms"];
    await using first = startCli(args, { cwd: folder.path });
    await first.stderr.waitFor("Connected to");
    if (sink === "sqlite") await until(() => rowsIn(db) > 0, "rows");
    first.kill("SIGKILL");
    await first.status;
    assert.equal((await summaryOf(folder.path, [...args, "-n", "10"])).written, 10, sink);
  }
});
