import assert from "node:assert/strict";
import { loadEventLines } from "../../lib/simulate/events.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import type { JetstreamOptions } from "../../lib/sources/jetstream/options.ts";
import type { Position } from "../../lib/sources/jetstream/position.ts";
import {
  at,
  idsOf,
  memoryCheckpoints,
  numbersOf,
  range,
  run,
  type RunOptions,
  T0,
  v1Line,
  v2Frame,
} from "../support/jetstream_run.ts";
import { captureLog } from "../support/log_records.ts";
import { realTest } from "../support/real_data.ts";
import { type Dial, startScripted } from "../support/scripted_jetstream.ts";

const SECOND = 1e6;
/** Just after the generated events, in milliseconds. */
const now = () => T0 / 1000 + 60_000;
/** Events 100 ms apart: the default overlap of 5 s covers 50 of them. */
const spaced = (i: number) => T0 + i * 100_000;
const legacy = (from: number, to: number) => range(from, to).map((i) => v1Line(i, { time: spaced(i) }));
const v2 = (from: number, to: number, seq = (i: number) => i) =>
  range(from, to).map((i) => v2Frame(i, { time: spaced(i), seq: seq(i) }));

realTest(
  "J27: cut after each event in turn, nothing is lost and nothing comes twice",
  ["expected_v1.jsonl"],
  async ([path]) => {
    const events = loadEventLines(await Deno.readTextFile(path!));
    for (const kind of ["legacy", "new"] as const) {
      let cut = 0;
      await using server = await startSimulate({ kind, events, onRequest: () => cut > 0 ? { closeAfter: cut } : {} });
      for (let k = 1; k <= 152; k++) {
        cut = k;
        await using reading = run({ url: server.jetstream });
        await reading.until(() => reading.events.length >= k);
        cut = 0;
        await reading.until(() => reading.events.length >= 152);
        // All copies come before the last event, so there is nothing to wait for.
        await reading.stop();
        assert.equal(reading.events.length, 152, `${kind}, cut after ${k}`);
        assert.equal(new Set(idsOf(reading.events)).size, 152, `${kind}, cut after ${k}`);
      }
    }
  },
);

realTest(
  "J27: stopped after each event in turn, the next run goes on exactly",
  ["expected_v1.jsonl"],
  async ([path]) => {
    const events = loadEventLines(await Deno.readTextFile(path!));
    for (const kind of ["legacy", "new"] as const) {
      await using server = await startSimulate({ kind, events });
      for (let k = 1; k <= 151; k += 5) {
        const checkpoints = memoryCheckpoints();
        await using first = run({ url: server.jetstream }, { checkpoints, limit: k });
        await first.result;
        await using second = run({ url: server.jetstream }, { checkpoints });
        await second.until(() =>
          second.events.length + second.counters.duplicates === (kind === "new" ? 153 - k : 152)
        );
        await second.stop();
        const ids = idsOf([...first.events, ...second.events]);
        assert.equal(new Set(ids).size, 152, `${kind}, stopped after ${k}`);
        await using third = run({ url: server.jetstream }, { checkpoints });
        await third.until(() => third.counters.duplicates >= (kind === "new" ? 1 : 152));
        await third.stop();
        assert.equal(third.events.length, 0, `${kind}, stopped after ${k}`);
      }
    }
  },
);

realTest("every position that is saved on the way resumes without a loss", ["expected_v1.jsonl"], async ([path]) => {
  const lines = (await Deno.readTextFile(path!)).trim().split("\n");
  // One event a message burst, so that each is a batch: half of them are older than one before.
  await using server = await startScripted({
    onDial: (dial) => {
      const socket = dial.accept();
      let i = 0;
      const timer = setInterval(() => i < lines.length ? socket.send(lines[i++]!) : clearInterval(timer), 8);
      socket.on("close", () => clearInterval(timer));
    },
  });
  const checkpoints = memoryCheckpoints();
  const saved: { cursor: string; written: number }[] = [];
  const save = (_: string, cursor: string) =>
    Promise.resolve(void saved.push({ cursor, written: first.events.length }));
  // Writing is slow: positions are saved while later events are on their way.
  const slow: RunOptions = {
    checkpoints: { ...checkpoints, save },
    gate: () => new Promise((resolve) => setTimeout(resolve, 20)),
    limit: 60,
    pipeline: { checkpointMs: 0, batchMs: 0, batchSize: 4 },
  };
  await using first = run({ url: server.url }, slow);
  await first.result;
  assert.ok(saved.length >= 5, `${saved.length} positions`);
  await using whole = await startSimulate({ kind: "legacy", events: loadEventLines(lines.slice(0, 60).join("\n")) });
  for (const { cursor, written } of saved) {
    const position = { ...JSON.parse(cursor), host: `127.0.0.1:${whole.port}` };
    await using again = run({ url: whole.jetstream }, { checkpoints: memoryCheckpoints(position) });
    await again.until(() => again.counters.received === 60);
    await again.stop();
    const seen = new Set(idsOf([...first.events.slice(0, written), ...again.events]));
    assert.equal(seen.size, 60, `${written} written, then ${again.events.length}: ${cursor.slice(0, 90)}`);
  }
});

Deno.test("J29: from host to host by time, nothing lost or doubled", async () => {
  const refuseAfter = (first: (dial: Dial) => void) => (dial: Dial) =>
    dial.index === 0 ? first(dial) : dial.refuse(403);
  const close = (dial: Dial, messages: string[]) => dial.accept(...messages).close(1001);
  await using a = await startScripted({
    get: { status: 426 },
    onDial: refuseAfter((dial) => close(dial, v2(1, 100, (i) => 90_000 + i))),
  });
  await using b = await startScripted({ onDial: refuseAfter((dial) => close(dial, legacy(40, 200))) });
  await using c = await startScripted({
    get: { status: 426 },
    onDial: (dial) => void dial.accept(...v2(100, 300, (i) => i - 95)),
  });
  await using reading = run({ instances: [a, b, c].map((s) => `ws://${s.host}`), now });
  await reading.until(() => reading.events.length >= 300);
  await reading.stop();
  assert.deepEqual(numbersOf(reading.events), range(1, 300));
  assert.deepEqual(a.dials.map((d) => d.cursor), [undefined, 90_100]);
  assert.deepEqual(b.dials.map((d) => d.cursor), [spaced(100) - 5 * SECOND, spaced(200) - 5 * SECOND]);
  assert.deepEqual(c.dials.map((d) => d.cursor), [spaced(200) - 5 * SECOND]);
  assert.equal(reading.position()?.seq, 205);
});

Deno.test("J30: a new server that replays its open segment from the start: only what is new is handed on", async () => {
  const old = range(1, 30).map((i) => v2Frame(i, { time: T0 - 40 * 60 * SECOND + i, seq: i }));
  const frames = [...old, ...v2(31, 200)];
  await using server = await startScripted({ get: { status: 426 }, onDial: (dial) => void dial.accept(...frames) });
  const { host, urlV2: url } = server;
  const known = v2(31, 100).length;
  /** The positions that lead to a request by time, and the first event that is new then. */
  const cases: [string, JetstreamOptions, string | Position | undefined, number][] = [
    ["a position of another host", {}, at("elsewhere", { time_us: spaced(100) }), 50],
    ["a bare number", {}, String(spaced(100)), 50],
    ["a position of this host without a sequence number", {}, at(host, { wire: "v2", time_us: spaced(100) }), 50],
    ["a start given by the user", { start: spaced(100) }, undefined, 100],
  ];
  assert.equal(known, 70);
  for (const [name, options, position, first] of cases) {
    await using reading = run({ url, now, ...options }, { checkpoints: memoryCheckpoints(position) });
    await reading.until(() => reading.counters.received === frames.length, name);
    await reading.stop();
    assert.deepEqual(numbersOf(reading.events), range(first, 200), name);
    assert.equal(reading.counters.duplicates, first - 1, name);
    assert.deepEqual(reading.gaps, [], name);
  }
});

Deno.test("J31: a server that counts anew is recognised and asked by time", async () => {
  await using log = await captureLog();
  const renumbered = v2(1, 120, (i) => i + 2);
  await using server = await startScripted({ onDial: (dial) => void dial.accept(...renumbered) });
  const position = at(server.host, { wire: "v2", time_us: spaced(100), seq: 500 });
  await using reading = run({ url: server.urlV2, now }, { checkpoints: memoryCheckpoints(position) });
  await reading.until(() => reading.position()?.seq === 122);
  await reading.stop();
  assert.deepEqual(server.dials.map((d) => d.cursor), [500, spaced(100) - 5 * SECOND]);
  assert.match(log.lines.join("\n"), /warning: .* is not where it was: The first event has seq 3/);
  assert.deepEqual(
    numbersOf(reading.events),
    range(50, 120),
    "all within the overlap comes again: nothing is remembered",
  );
  assert.deepEqual(reading.gaps, []);
});

Deno.test("J31: within one run what was handed on is remembered over the change of numbers", async () => {
  await using server = await startScripted({
    onDial: (dial) => {
      if (dial.index === 0) dial.accept(...v2(1, 100, (i) => i + 1000)).close(1001);
      else dial.accept(...v2(1, 120));
    },
  });
  await using reading = run({ url: server.urlV2, now });
  await reading.until(() => reading.events.length >= 120);
  await reading.stop();
  assert.deepEqual(numbersOf(reading.events), range(1, 120));
  assert.deepEqual(server.dials.map((d) => d.cursor), [undefined, 1100, spaced(100) - 5 * SECOND]);
});

Deno.test("J38: a start that the user gave is never gone behind, however soon the connection breaks", async () => {
  await using server = await startScripted({
    onDial: (dial) => {
      if (dial.index === 0) dial.accept(...legacy(100, 110)).close(1001);
      else dial.accept(...legacy(1, 120).filter((_, i) => spaced(i + 1) >= dial.cursor!));
    },
  });
  for (const position of [undefined, at(server.host, { time_us: spaced(110) })]) {
    await using reading = run({ url: server.url, now, start: spaced(100) }, {
      checkpoints: memoryCheckpoints(position),
    });
    await reading.until(() => reading.events.at(-1)?.did === "did:plc:00000120");
    await reading.stop();
    assert.deepEqual(numbersOf(reading.events), range(100, 120));
  }
});

Deno.test("--no-rewind never goes back to before the saved position", async () => {
  await using server = await startScripted({
    onDial: (dial) => {
      if (dial.index === 0) dial.accept(...legacy(105, 110)).close(1001);
      else dial.accept(...legacy(1, 120).filter((_, i) => spaced(i + 1) >= dial.cursor!));
    },
  });
  const checkpoints = memoryCheckpoints(at(server.host, { time_us: spaced(90) }));
  await using reading = run({ url: server.url, now, noRewind: true }, { checkpoints });
  await reading.until(() => reading.events.at(-1)?.did === "did:plc:00000120");
  await reading.stop();
  assert.equal(server.dials[0]!.cursor, undefined);
  assert.ok(Math.min(...numbersOf(reading.events)) > 90);
  assert.equal(new Set(numbersOf(reading.events)).size, reading.events.length);
});

Deno.test("J39: reconnecting 20 times during traffic leaves one socket, no loss and no copy", async () => {
  for (const kind of ["legacy", "new"] as const) {
    const events = loadEventLines(range(1, 2000).map((i) => v1Line(i)).join("\n"));
    await using server = await startSimulate({ kind, events, rate: 20_000 });
    await using reading = run({ url: server.jetstream, now });
    await reading.until(() => reading.position() !== undefined);
    for (let i = 1; i <= 20; i++) {
      await reading.until(() => reading.source.stats.connections >= i);
      reading.source.reconnect();
      if (i % 4 === 0) reading.source.reconnect(); // while it is dialling already
    }
    await reading.until(() => reading.events.length >= 2000);
    await reading.until(() => server.counters.open === 1);
    await reading.stop();
    assert.deepEqual(numbersOf(reading.events), range(1, 2000), kind);
    assert.ok(reading.source.stats.connections >= 20);
  }
});

Deno.test("J39: reconnecting while waiting dials at once", async () => {
  await using server = await startScripted({
    onDial: (dial) => dial.index === 0 ? dial.refuse(503) : void dial.accept(v1Line(1)),
  });
  const waits: number[] = [];
  await using reading = run({ url: server.url, backoff: (n) => (waits.push(n), 60_000) });
  await reading.until(() => waits.length === 1);
  reading.source.reconnect();
  await reading.until(() => reading.events.length === 1);
});

Deno.test("J40: older positions and those of hosts not listed now are asked for by time, less the overlap", async () => {
  await using server = await startScripted({ get: { status: 426 }, onDial: (dial) => void dial.accept() });
  const recent = { recent: [], recent_since: spaced(100) - 6 * SECOND };
  const cases = [
    String(spaced(100)),
    at("elsewhere", { wire: "v2", time_us: spaced(100), seq: 77, ...recent }),
    at(server.host, { time_us: spaced(100), ...recent }),
  ];
  for (const position of cases) {
    await using reading = run({ url: server.urlV2, now }, { checkpoints: memoryCheckpoints(position) });
    await reading.until(() => reading.source.stats.connections === 1);
  }
  assert.deepEqual(server.dials.map((d) => d.cursor), cases.map(() => spaced(100) - 5 * SECOND));
});

Deno.test("the overlap shrinks to what is remembered", async () => {
  await using server = await startScripted({ onDial: (dial) => void dial.accept(...legacy(100, 110)) });
  const position = at(server.host, { time_us: spaced(100), recent: [], recent_since: spaced(100) });
  await using reading = run({ url: server.url, now }, { checkpoints: memoryCheckpoints(position) });
  await reading.until(() => reading.counters.received >= 11);
  assert.deepEqual(server.dials.map((d) => d.cursor), [spaced(100) + 1]);
});

Deno.test("J42: a local clock that is wrong makes no gap, no storm, and the position follows the stream", async () => {
  for (const hours of [-2, 2]) {
    await using server = await startScripted({
      onDial: (dial) => {
        const first = dial.index === 0 ? 1 : 51;
        const socket = dial.accept(...legacy(first, dial.index === 0 ? 100 : 200));
        if (dial.index === 0) socket.close(1001);
      },
    });
    await using reading = run({ url: server.url, now: () => T0 / 1000 + hours * 3600_000 });
    await reading.until(() => reading.events.length >= 200);
    await reading.until(() => reading.position()?.time_us === spaced(200));
    await reading.stop();
    assert.deepEqual(numbersOf(reading.events), range(1, 200));
    assert.equal(server.dials.length, 2);
    assert.equal(server.dials[1]!.cursor, spaced(100) - 5 * SECOND);
    assert.deepEqual(reading.gaps, []);
  }
});

Deno.test("J42: an event dated 2099 neither moves the position nor ends the search for copies", async () => {
  const future = v1Line(500, { time: 4070908800000000 });
  await using server = await startScripted({
    onDial: (dial) => {
      if (dial.index === 0) dial.accept(future, ...legacy(1, 100), future).close(1001);
      else dial.accept(future, ...legacy(51, 200));
    },
  });
  await using reading = run({ url: server.url, now });
  await reading.until(() => reading.position()?.time_us === spaced(200));
  await reading.stop();
  assert.deepEqual(numbersOf(reading.events).filter((n) => n !== 500), range(1, 200));
  assert.equal(server.dials[1]!.cursor, spaced(100) - 5 * SECOND);
  assert.deepEqual(reading.gaps, []);
});
