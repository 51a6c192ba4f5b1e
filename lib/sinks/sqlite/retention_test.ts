import assert from "node:assert/strict";
import type { Gap } from "../../pipeline/batch.ts";
import { listCursors } from "../../state/cursors_table.ts";
import { listGaps } from "../../state/gaps.ts";
import { commitEvent, EPOCH_US, put, readBack, readBackTest } from "../../../tests/support/sqlite.ts";
import { tempFolder } from "../../../tests/support/temp.ts";
import { sqliteSink } from "../sqlite.ts";

const HOUR_MS = 3_600_000;

readBackTest("S15: what is older than an hour goes in chunks, in order; positions and gaps stay", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  let now = EPOCH_US / 1000 + 3 * HOUR_MS;
  await using sink = await sqliteSink({ path, retentionMs: HOUR_MS, now: () => now });
  const gap: Gap = { source: "s", host: "h", unit: "us", from: 1, to: 2, reason: "clamped", state: "open" };
  // 36,000 events over three hours, the last third of them young enough.
  const events = Array.from({ length: 36_000 }, (_, i) => commitEvent(i, {}, EPOCH_US + i * 300_000));
  const range = () => {
    const [row] = readBack(path, "SELECT min(position) AS first, max(position) AS last, count(*) AS n FROM events");
    return [row!.first, row!.last, row!.n];
  };
  await put(sink, events, { cursor: "36000", gaps: [gap] });
  assert.deepEqual(range(), [10_001, 36_000, 26_000]);
  await put(sink, [], { cursor: "36001" }); // within the same second
  assert.deepEqual(range(), [10_001, 36_000, 26_000]);
  now += 1_000;
  await put(sink, [], { cursor: "36002" });
  assert.deepEqual(range(), [20_001, 36_000, 16_000]);
  now += 1_000;
  await put(sink, [], { cursor: "36003" });
  assert.deepEqual(range(), [24_008, 36_000, 11_993]); // two more seconds have passed: seven events
  assert.deepEqual(listCursors(path).map((row) => row.cursor), ["36003"]);
  assert.equal(listGaps(path).length, 1);
});

readBackTest("one late row holds others back until it ages, and the newest row stays for good", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  let now = EPOCH_US / 1000 + 2 * HOUR_MS;
  await using sink = await sqliteSink({ path, retentionMs: HOUR_MS, now: () => now });
  const old = (i: number) => commitEvent(i, {}, EPOCH_US);
  await put(sink, [old(1), commitEvent(2, {}, now * 1000), old(3), old(4)]);
  const positions = () => readBack(path, "SELECT position FROM events ORDER BY 1").map((row) => row.position);
  assert.deepEqual(positions(), [2, 3, 4]);
  now += 2 * HOUR_MS;
  await put(sink, [], { cursor: "x" });
  assert.deepEqual(positions(), [4]);
  now -= 3 * HOUR_MS; // the clock is set back: no storm, no stall
  await put(sink, [old(5)], { cursor: "y" });
  assert.deepEqual(positions(), [4, 5]);
});
