import assert from "node:assert/strict";
import { GapError } from "../../lib/pipeline/errors.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import type { JetstreamOptions } from "../../lib/sources/jetstream/options.ts";
import { at, memoryCheckpoints, range, run, T0, v1Line } from "../support/jetstream_run.ts";
import { captureLog } from "../support/log_records.ts";
import { startScripted } from "../support/scripted_jetstream.ts";

const SECOND = 1e6, HOUR = 3600 * SECOND;
/** Just after the generated events, in milliseconds. */
const now = () => T0 / 1000 + 60_000;

Deno.test("J24: ConsumerTooSlow resumes at the last event, which is not written twice, and leaves a healed gap", async () => {
  await using server = await startSimulate({
    count: 20,
    onRequest: ({ n }) => n === 1 ? { errorFrame: { after: 7, name: "ConsumerTooSlow" } } : {},
  });
  const asked: string[] = [];
  await using reading = run({
    url: server.jetstreamV2,
    cursor: 1,
    tap: (e) => void (e.type === "opened" && asked.push(e.url)),
  });
  await reading.until(() => reading.events.length === 20);
  await reading.stop();
  assert.deepEqual(reading.events.map((e) => e.seq), range(1, 20));
  assert.deepEqual(asked.map((url) => new URL(url).searchParams.get("cursor")), ["1", "7"]);
  assert.equal(reading.counters.duplicates, 1);
  assert.deepEqual(reading.gaps.map(({ reason, state }) => ({ reason, state })), [
    { reason: "consumer_too_slow", state: "healed" },
  ]);
});

Deno.test("J25: a sequence number below the floor is asked for by time, and the gap has both ends", async () => {
  await using server = await startSimulate({ count: 120, epoch: T0, oldest: 100 });
  const host = `127.0.0.1:${server.port}`;
  const position = at(host, { wire: "v2", time_us: T0 + 50 * 500, seq: 50 });
  await using reading = run({ url: server.jetstreamV2, now }, { checkpoints: memoryCheckpoints(position) });
  await reading.until(() => reading.events.length === 21);
  await reading.stop();
  assert.deepEqual(reading.events.map((e) => e.seq), range(100, 120));
  const [gap, ...others] = reading.gaps;
  assert.equal(others.length, 0, JSON.stringify(others));
  assert.deepEqual([gap!.reason, gap!.state, gap!.from, gap!.to, gap!.unit, gap!.host], [
    "cursor_too_old",
    "open",
    position.time_us,
    reading.events[0]!.time_us,
    "us",
    host,
  ]);
  assert.match(gap!.detail!, /cursor 50 below lookback floor 100/);
});

Deno.test("J25: with --on-gap fail the run ends there, and the position stays", async () => {
  await using server = await startSimulate({ count: 120, epoch: T0, oldest: 100 });
  const position = at(`127.0.0.1:${server.port}`, { wire: "v2", time_us: T0 + 50 * 500, seq: 50 });
  const checkpoints = memoryCheckpoints(position);
  await using reading = run({ url: server.jetstreamV2, now }, { checkpoints, onGap: "fail" });
  await assert.rejects(reading.result, (e) => e instanceof GapError && /cursor_too_old/.test(e.message));
  assert.equal(checkpoints.saved, JSON.stringify(position));
  assert.equal(reading.events.length, 0);
});

Deno.test("a given sequence number below the floor begins at the oldest", async () => {
  await using server = await startSimulate({ count: 120, epoch: T0, oldest: 100 });
  await using reading = run({ url: server.jetstreamV2, cursor: 50, now });
  await reading.until(() => reading.events.length === 21);
  await reading.stop();
  assert.deepEqual(reading.gaps.map(({ reason, unit, from, to }) => ({ reason, unit, from, to })), [
    { reason: "cursor_too_old", unit: "seq", from: 50, to: 100 },
  ]);
});

Deno.test("J26: a position older than the server keeps is announced, and what is missing is a gap", async () => {
  await using log = await captureLog();
  let warned = "";
  await using server = await startScripted({
    onDial: (dial) => {
      warned = log.lines.join("\n");
      dial.accept(v1Line(1, { time: T0 - 24 * HOUR }), v1Line(2, { time: T0 - 24 * HOUR + 5 }));
    },
  });
  const checkpoints = memoryCheckpoints(at(server.host, { time_us: T0 - 50 * HOUR }));
  await using reading = run({ url: server.url, now: () => T0 / 1000 }, { checkpoints });
  await reading.until(() => reading.events.length === 2);
  await reading.stop();
  assert.match(warned, /warning: The position .* is 50 h old/);
  await using given = run({ url: server.url, now: () => T0 / 1000, start: T0 - 49 * HOUR });
  await given.until(() => given.events.length === 2);
  assert.match(warned, /warning: The position .* is 49 h old/);
  assert.deepEqual(reading.gaps.map(({ reason, state, from, to }) => ({ reason, state, from, to })), [
    { reason: "clamped", state: "open", from: T0 - 50 * HOUR, to: T0 - 24 * HOUR },
  ]);
});

Deno.test("C7: on a quiet filter an old position may hide a gap, a young one does not", async () => {
  for (const [age, reasons] of [[25 * HOUR, ["maybe_clamped"]], [23 * HOUR, []]] as const) {
    await using server = await startScripted({ onDial: (dial) => void dial.accept(v1Line(1, { time: T0 })) });
    const checkpoints = memoryCheckpoints(at(server.host, { time_us: T0 - age }));
    const dids = ["did:plc:00000001"];
    await using reading = run({ url: server.url, dids, now: () => T0 / 1000 }, { checkpoints });
    await reading.until(() => reading.events.length === 1);
    await reading.stop();
    assert.deepEqual(reading.gaps.map((g) => g.reason), reasons);
  }
});

Deno.test("C7: asking for the oldest is no gap, what was asked to be skipped is an accepted one", async () => {
  await using server = await startScripted({ onDial: (dial) => void dial.accept(v1Line(1, { time: T0 })) });
  const gapsOf = async (options: JetstreamOptions) => {
    const checkpoints = memoryCheckpoints(at(server.host, { time_us: T0 - 2 * HOUR }));
    await using reading = run({ url: server.url, now: () => T0 / 1000, ...options }, { checkpoints, onGap: "fail" });
    await reading.until(() => reading.events.length === 1);
    await reading.stop();
    return reading.gaps.map(({ reason, state, from, to }) => ({ reason, state, from, to }));
  };
  assert.deepEqual(await gapsOf({ cursor: 0 }), []);
  assert.deepEqual(await gapsOf({ start: 0 }), []);
  assert.deepEqual(await gapsOf({ noRewind: true }), [
    { reason: "no_rewind", state: "accepted", from: T0 - 2 * HOUR, to: T0 },
  ]);
  assert.deepEqual(await gapsOf({ maxRewindMinutes: 0.5 }), [
    { reason: "max_rewind", state: "accepted", from: T0 - 2 * HOUR, to: T0 - 30 * SECOND },
  ]);
  assert.deepEqual(server.dials.map((d) => d.cursor), [0, 0, undefined, T0 - 30 * SECOND]);
});
