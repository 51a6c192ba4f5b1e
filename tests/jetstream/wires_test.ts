import assert from "node:assert/strict";
import { eventId, toJson } from "../../lib/atproto/event.ts";
import { type EventLine, loadEventLines } from "../../lib/simulate/events.ts";
import { type SimulateOptions, startSimulate } from "../../lib/simulate/server.ts";
import type { JetstreamOptions } from "../../lib/sources/jetstream/options.ts";
import { idsOf, memoryCheckpoints, run } from "../support/jetstream_run.ts";
import { realTest } from "../support/real_data.ts";

const E = "expected_v1.jsonl", G1 = "golden_v2server_v1wire.jsonl", G2 = "golden_v2.jsonl";
const linesOf = async (path: string) => (await Deno.readTextFile(path)).trim().split("\n");

/** Serves a file's lines and reads them until `count` events are written. */
async function readAll(
  path: string,
  server: SimulateOptions,
  wire: "v1" | "v2",
  count: number,
  options: JetstreamOptions = {},
) {
  const events: readonly EventLine[] = loadEventLines(await Deno.readTextFile(path));
  await using simulate = await startSimulate({ ...server, events });
  const url = wire === "v1" ? simulate.jetstream : simulate.jetstreamV2;
  await using reading = run({ url, ...options });
  await reading.until(() => reading.counters.received >= 152 || reading.events.length >= count, `${count} events`);
  await reading.stop();
  assert.equal(reading.events.length, count);
  assert.equal(reading.letters.length, 0);
  return reading.events;
}

realTest("J12: the legacy server's text comes through byte for byte", [E], async ([path]) => {
  const events = await readAll(path!, { kind: "legacy" }, "v1", 152);
  assert.deepEqual(events.map(toJson), await linesOf(path!));
});

realTest("J13: v2 frames become v1's text of the same run", [G2, G1], async ([g2, g1]) => {
  const events = await readAll(g2!, { kind: "new" }, "v2", 152);
  const byCursor = new Map((await linesOf(g1!)).map((line) => [JSON.parse(line).cursor, JSON.parse(line)]));
  for (const event of events) assert.deepEqual(JSON.parse(toJson(event)), byCursor.get(event.seq));
});

realTest(
  "J14: every wire yields the same event ids (the relay's is a test of its own)",
  [E, G1, G2],
  async ([e, g1, g2]) => {
    const legacy = await readAll(e!, { kind: "legacy" }, "v1", 152);
    const ids = new Set(idsOf(legacy));
    assert.equal(ids.size, 152);
    assert.deepEqual(new Set(idsOf(await readAll(g1!, { kind: "new" }, "v1", 152))), ids);
    assert.deepEqual(new Set(idsOf(await readAll(g2!, { kind: "new" }, "v2", 152))), ids);
    assert.equal(eventId(legacy[0]!), "2957cf6d82e107254d330f62f19e1429");
  },
);

realTest("J15: filters yield the same events on both wires", [E], async ([path]) => {
  const cases: [JetstreamOptions, number][] = [
    [{ collections: ["app.bsky.feed.post"] }, 20],
    [{ collections: ["app.bsky.graph.*"] }, 12],
    [{ collections: ["app.bsky.*"] }, 151],
    [{ collections: ["app.bsky.feed.post"], kinds: ["commit"] }, 18],
  ];
  for (const [options, count] of cases) {
    const v1 = await readAll(path!, { kind: "legacy" }, "v1", count, options);
    const v2 = await readAll(path!, { kind: "new" }, "v2", count, options);
    assert.deepEqual(idsOf(v2), idsOf(v1), JSON.stringify(options));
  }
});

realTest("J37: an end before all events writes none and ends the run", [E], async ([path]) => {
  const events = loadEventLines(await Deno.readTextFile(path!));
  await using simulate = await startSimulate({ kind: "legacy", events });
  await using reading = run({ url: simulate.jetstream, end: 1783175888000000 });
  const { endedBy } = await reading.result;
  assert.equal(endedBy, "source");
  assert.equal(reading.events.length, 0);
  assert.equal(reading.counters.filtered, 152);
});

realTest(
  "an end within the stream: earlier events that come late are still written, and a later run has the rest",
  [E],
  async ([path]) => {
    const events = loadEventLines(await Deno.readTextFile(path!));
    const end = 1783175888200000;
    const early = events.filter((e) => e.time_us < end).length;
    assert.ok(early > 0 && early < 152);
    for (const kind of ["legacy", "new"] as const) {
      await using simulate = await startSimulate({ kind, events });
      const checkpoints = memoryCheckpoints();
      await using first = run({ url: simulate.jetstream, end }, { checkpoints });
      await first.result;
      assert.equal(first.events.length, early);
      assert.ok(first.events.every((e) => e.time_us < end));
      await using second = run({ url: simulate.jetstream }, { checkpoints });
      await second.until(() => second.events.length >= 152 - early);
      await second.stop();
      assert.equal(new Set(idsOf([...first.events, ...second.events])).size, 152, kind);
      assert.equal(second.events.length, 152 - early, kind);
    }
  },
);

realTest("J38: a run ends at its limit, the next one goes on with the event behind it", [E], async ([path]) => {
  const events = loadEventLines(await Deno.readTextFile(path!));
  for (const kind of ["legacy", "new"] as const) {
    await using simulate = await startSimulate({ kind, events });
    const checkpoints = memoryCheckpoints();
    const written: string[] = [];
    for (let i = 0; i < 4; i++) {
      await using reading = run({ url: simulate.jetstream }, { checkpoints, limit: 5 });
      assert.equal((await reading.result).endedBy, "limit");
      assert.equal(reading.events.length, 5);
      written.push(...reading.events.map(toJson));
    }
    const lines = kind === "legacy" ? await linesOf(path!) : written;
    assert.deepEqual(written, lines.slice(0, 20), kind);
    assert.equal(new Set(written).size, 20, kind);
  }
});
