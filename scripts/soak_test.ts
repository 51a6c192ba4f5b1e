import { deepEqual, equal, ok } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { startNumber } from "../tests/support/random.ts";
import { serviceTest } from "../tests/support/services.ts";
import { inFolder } from "../tests/support/temp.ts";
import { reportLines } from "./soak.ts";
import { figuresOf, growthOf } from "./soak/figures.ts";
import { soak } from "./soak/run.ts";
import { sqliteLane } from "./soak/sqlite_lane.ts";

serviceTest("twelve seconds of soak: each sink has what was sent, once, and nothing grows", ["redis"], async () => {
  const report = await soak({
    ms: 12_000,
    rate: 5000,
    seed: startNumber("soak") % 2 ** 31,
    disconnectEveryMs: 1500,
    pauseEveryMs: 2500,
    pauseMs: 500,
    killEveryMs: 2000,
    say: () => {},
  });
  const lines = reportLines(report).join("\n");
  console.log(lines);
  for (const { name, events, kills, disconnects, pauses, faults, figures } of report.lanes) {
    // In lives of seconds memory still grows into its normal size.
    deepEqual(faults.filter((fault) => !fault.startsWith("memory")), [], lines);
    ok(events > 1000 && kills > 0 && disconnects > 3 && pauses > 1, lines);
    ok(figures.rss.peak < 600e6, `${name}: ${figures.rss.peak} bytes`);
  }
});

Deno.test("the soak sees what is missing, doubled or changed in SQLite, and takes out what it has seen", async () => {
  await inFolder(async (folder) => {
    using db = new DatabaseSync(`${folder}/bskyingest.db`);
    db.exec("PRAGMA journal_mode = WAL; CREATE TABLE events (position INTEGER PRIMARY KEY, seq INTEGER, json TEXT)");
    const insert = db.prepare("INSERT INTO events (seq, json) VALUES (?, ?)");
    const put = (...seqs: number[]) => seqs.forEach((seq) => insert.run(seq, `${seq}`));
    const lane = sqliteLane(folder, (seq) => `${seq === 5 ? "another" : seq}`);
    put(1, 2, 5, 4, 5, 6);
    await lane.check();
    const { events, last, lost, doubled, changed } = lane.tally;
    deepEqual({ events, last, lost, doubled, changed }, { events: 4, last: 6, lost: 2, doubled: 2, changed: 1 });
    db.exec("BEGIN");
    put(...Array.from({ length: 50_000 }, (_, i) => 7 + i));
    db.exec("COMMIT");
    await lane.check();
    equal(lane.tally.events, 50_004);
    ok(Number(db.prepare("SELECT count(*) AS n FROM events").get()!.n) < 50_000);
  });
});

const life = (rss: (i: number) => number, handles = (_: number) => 20) =>
  figuresOf(Array.from({ length: 100 }, (_, i) => ({ rss: rss(i), handles: handles(i) })));

Deno.test("memory that breathes, or grows while a process warms up, is flat; what grows all the time is not", () => {
  deepEqual(growthOf(life((i) => 200e6 + 40e6 * (i % 2))), []);
  deepEqual(growthOf(life((i) => i < 20 ? i * 10e6 : 200e6)), []);
  deepEqual(growthOf(life((i) => 200e6 + i * 2e6)), ["memory grew from 260 MB to 380 MB"]);
  deepEqual(growthOf(life(() => 200e6, (i) => 20 + i)), ["handles grew from 50 to 110"]);
});
