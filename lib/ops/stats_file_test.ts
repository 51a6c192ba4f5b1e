import assert from "node:assert/strict";
import { inFolder } from "../../tests/support/temp.ts";
import { loadStats, statsFile, statsSaver } from "./stats_file.ts";

const STATS = {
  cursor: 1783175888000000,
  eventCounts: { "app.bsky.feed.post": 93 },
  totalEvents: 93,
  totalReceived: 103,
  lastEventTime: "2026-07-04T14:38:08.000Z",
};

Deno.test("W26: figures are kept in a private file of the state key", () =>
  inFolder(async (folder) => {
    const path = statsFile(folder, "jetstream");
    assert.equal(path, `${folder}/stats/jetstream.json`);
    assert.equal(await loadStats(path), undefined);
    const saver = statsSaver(path);
    await saver.save({ ...STATS, totalReceived: 1 });
    await saver.save(STATS);
    assert.deepEqual(await loadStats(path), STATS);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  }));

Deno.test("a damaged file is no reason not to run: figures begin at zero", () =>
  inFolder(async (folder) => {
    const path = `${folder}/x.json`;
    const damaged = ["", "{", "[]", "null", '{"cursor":"1"}', JSON.stringify({ ...STATS, eventCounts: { a: -1 } })];
    for (const text of damaged) {
      await Deno.writeTextFile(path, text);
      assert.equal(await loadStats(path), undefined, text);
    }
  }));

Deno.test("a file that cannot be written is no reason to stop", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/stats`, "a file where the folder should be");
    await statsSaver(statsFile(folder, "k")).save(STATS);
    assert.equal(await Deno.readTextFile(`${folder}/stats`), "a file where the folder should be");
  }));
