import assert from "node:assert/strict";
import { type AtEvent, dedupeKey, eventId } from "../../lib/atproto/event.ts";
import type { Cursor, Gap } from "../../lib/pipeline/batch.ts";
import { createCounters } from "../../lib/pipeline/counters.ts";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { type PipelineOptions, runPipeline } from "../../lib/pipeline/pipeline.ts";
import type { Recall } from "../../lib/pipeline/sink.ts";
import { loadEventLines } from "../../lib/simulate/events.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import { jetstreamRace, type JetstreamRaceOptions } from "../../lib/sources/jetstream/race.ts";
import { formatPosition, parsePosition } from "../../lib/sources/jetstream/position.ts";
import { idsOf, numbersOf, range, T0, v1Line } from "../support/jetstream_run.ts";
import { captureLog } from "../support/log_records.ts";
import { realTest } from "../support/real_data.ts";
import { controlRun, until } from "../support/run_control.ts";
import { type Dial, type ScriptedJetstream, startScripted } from "../support/scripted_jetstream.ts";

const SECOND = 1e6;
/** Some minutes after the generated events, in milliseconds. */
const now = () => T0 / 1000 + 600_000;

/** What outlives a run. */
interface Disk {
  readonly events: AtEvent[];
  readonly positions: Map<string, Cursor>;
  readonly gaps: Gap[];
}

const emptyDisk = (): Disk => ({ events: [], positions: new Map(), gaps: [] });

/** Whether the sink can tell what it holds, as SQLite can. */
interface RaceHow {
  readonly disk?: Disk;
  readonly recalls?: boolean;
  readonly pipeline?: Partial<PipelineOptions<AtEvent, AtEvent>>;
}

/** What SQLite answers: the newest events from a time on. */
const recallFrom = (events: readonly AtEvent[]): Recall<AtEvent> => (since, limit) => {
  const found = events.filter((e) => e.time_us >= since).toSorted((a, b) => b.time_us - a.time_us);
  const items = found.slice(0, limit);
  return Promise.resolve({ items, since: found[limit]?.time_us ?? since - 1 });
};

/** Runs a race into memory until it is stopped, ends or fails. */
function race(options: JetstreamRaceOptions, { disk = emptyDisk(), recalls = false, pipeline }: RaceHow = {}) {
  const source = jetstreamRace({ collections: ["all"], backoff: () => 5, wire: "v1", ...options });
  const { events, positions, gaps } = disk;
  const counters = createCounters();
  const stop = new AbortController();
  const result = runPipeline<AtEvent>({
    source,
    sink: {
      name: "memory",
      write: ({ items }) => Promise.resolve(void events.push(...items)).then(() => ({ rejected: [] })),
      ...(recalls && { recall: recallFrom(events) as never }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
    checkpoints: {
      load: (key) => Promise.resolve(positions.get(key)),
      save: (key, cursor) => Promise.resolve(void positions.set(key, cursor)),
    },
    checkpointMs: 1,
    batchMs: 1,
    counters,
    deadLetter: () => Promise.resolve(),
    recordGaps: (_, met) => Promise.resolve(void gaps.push(...met)),
    stop: stop.signal,
    ...pipeline,
  });
  return { ...controlRun(result, stop), source, counters, events, positions, gaps };
}

const named = (...servers: readonly { readonly host: string }[]) => servers.map(({ host }) => `ws://${host}`);
const assertOnce = (events: readonly AtEvent[], expected: Iterable<number>) =>
  assert.deepEqual(numbersOf(events).toSorted((a, b) => a - b), [...expected]);
const lines = (numbers: readonly number[], stepUs = 1000) => numbers.map((i) => v1Line(i, { time: T0 + i * stepUs }));
/** A host that sends lines to everybody who comes, from the time that is asked for on. */
const legacyHost = (numbers: readonly number[], stepUs: number, onDial?: (dial: Dial) => boolean) =>
  startScripted({
    onDial(dial) {
      if (onDial?.(dial) === false) return;
      dial.accept(...lines(numbers.filter((i) => T0 + i * stepUs >= (dial.cursor ?? 0)), stepUs));
    },
  });
const sendToAll = (server: ScriptedJetstream, ...texts: readonly string[]) => {
  for (const socket of server.sockets) for (const text of texts) socket.send(text);
};

Deno.test("C9: less than two hosts is a fault of the options, and copies of one do not count", () => {
  const fault = (instances: readonly string[]) => () => jetstreamRace({ instances });
  assert.throws(fault(["a.test"]), ConfigError);
  assert.throws(fault(["a.test", " wss://a.test "]), /Cannot race with one host/);
  assert.throws(() => jetstreamRace({ url: "wss://a.test/subscribe" }), /Cannot race with one host/);
  assert.throws(() => jetstreamRace({ instances: ["a.test", "b.test"], cursor: 5 }), /belongs to one host/);
  assert.deepEqual(jetstreamRace({ instances: ["b.test", "a.test", "b.test"] }).hosts, ["b.test", "a.test"]);
});

realTest(
  "J44: every third event missing on b, one more there: each once, `first` and `only` as made",
  ["golden_v2server_v1wire.jsonl"],
  async ([path]) => {
    await using log = await captureLog();
    const all = (await Deno.readTextFile(path!)).trimEnd().split("\n");
    const onlyB = v1Line(1, { time: JSON.parse(all[20]!).time_us, seq: 500 });
    const someOnB = all.filter((_, i) => i % 3 !== 2);
    const lastTime = Math.max(...all.map((line) => JSON.parse(line).time_us));
    await using a = await startScripted({ onDial: (dial) => dial.accept(...all) });
    await using b = await startScripted({ onDial: (dial) => dial.accept(...someOnB, onlyB) });
    await using run = race({ instances: named(a, b), aloneMs: 200 });
    await until(() => run.events.length === all.length + 1);
    const both = (i: number) => {
      for (const server of [a, b]) sendToAll(server, v1Line(i, { time: lastTime + i * SECOND, seq: 1000 + i }));
    };
    both(60);
    const count = () => ({ a: run.source.stats.race[a.host]!.only, b: run.source.stats.race[b.host]!.only });
    let next = 61;
    await until(() => {
      if (next < 200) both(next++);
      return count().a + count().b >= 51;
    });
    assert.deepEqual(count(), { a: Math.floor(all.length / 3), b: 1 });
    await run.stop();
    assert.equal(new Set(idsOf(run.events)).size, run.events.length);
    const { race: figures } = run.source.stats;
    assert.equal(figures[a.host]!.first + figures[b.host]!.first, run.events.length);
    assert.equal(run.counters.duplicates, run.counters.received - run.events.length);
    const told = log.lines.filter((line) => line.includes("one host only"));
    assert.equal(told.length, 1, told.join("\n"));
    assert.match(told[0]!, new RegExp(`50 from ${a.host}`));
    assert.match(told[0]!, new RegExp(`1 from ${b.host}`));
    assert.equal(told[0]!.match(/did:/g)!.length, 5);
  },
);

Deno.test("J44: an event is not only there while a host is away, or before every host is past it", async () => {
  await using a = await legacyHost(range(0, 9), 1000);
  let away = true;
  await using b = await legacyHost([], 1000, ({ refuse }) => {
    if (away) refuse(503);
    return !away;
  });
  await using run = race({ instances: named(a, b), aloneMs: 50 });
  await until(() => run.events.length === 10);
  const tick = (server: ScriptedJetstream, i: number) => sendToAll(server, ...lines([i], SECOND));
  for (let i = 20; i < 30; i++) {
    tick(a, i);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const only = () => run.source.stats.race[a.host]!.only;
  assert.deepEqual([only(), run.source.stats.connected], [0, false]);
  away = false;
  await until(() => run.source.stats.connected);
  for (let i = 30; i < 40; i++) {
    tick(a, i);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(only(), 0, "b has not sent anything yet");
  let next = 50;
  await until(() => {
    tick(b, next++);
    return only() > 0;
  });
  // The others are newer than a's newest event minus the five seconds in which order is no proof.
  await until(() => {
    tick(b, next++);
    return only() === 10 + 15;
  });
});

for (const recalls of [true, false]) {
  const sink = recalls ? "a sink that recalls" : "one that cannot (`recent`)";
  Deno.test(`J44: a restart resumes each host at its own position, into ${sink}: each once`, async () => {
    const disk = emptyDisk();
    const step = SECOND / 10;
    /** Each host has events up to here. */
    const ends = { a: 0, b: 0 };
    const upTo = (end: () => number, missing: number) =>
      startScripted({
        onDial(dial) {
          const have = range(0, end()).filter((i) => i % 7 !== missing);
          dial.accept(...lines(have.filter((i) => T0 + i * step >= (dial.cursor ?? T0)), step));
        },
      });
    await using a = await upTo(() => ends.a, 3);
    await using b = await upTo(() => ends.b, 5);
    for (const [endA, endB] of [[100, 40], [160, 165], [170, 230], [320, 300]] as const) {
      Object.assign(ends, { a: endA, b: endB });
      const expected = range(0, Math.max(endA, endB)).filter((i) =>
        (i <= endA && i % 7 !== 3) || (i <= endB && i % 7 !== 5)
      );
      await using run = race({ instances: named(a, b), now }, { disk, recalls });
      await until(() => disk.events.length >= expected.length);
      await run.stop();
      assertOnce(disk.events, expected);
      const times = [a, b].map(({ host }) => parsePosition(disk.positions.get(`jetstream:${host}`)!).time_us);
      const last = (end: number, missing: number) => T0 + step * (end % 7 === missing ? end - 1 : end);
      assert.deepEqual(times, [last(endA, 3), last(endB, 5)]);
    }
    assert.deepEqual(disk.gaps, []);
    // Asked each time for its own position minus the overlap of five seconds.
    assert.deepEqual([a, b].map(({ dials }) => dials.at(-1)!.cursor), [T0 + 120 * step, T0 + 180 * step]);
  });
}

Deno.test("J44: `recent` remembers what another host wrote, up to the saved position and not further", async () => {
  const disk = emptyDisk();
  await using a = await legacyHost(range(0, 99), SECOND / 10);
  await using b = await legacyHost(range(0, 49), SECOND / 10);
  const limited = race({ instances: named(a, b), now, start: T0 }, { disk, pipeline: { limit: 60 } });
  await limited.result;
  assert.equal(disk.events.length, 60);
  for (const [, cursor] of disk.positions) {
    const { recent } = parsePosition(cursor);
    assert(recent!.length <= 60);
  }
  await using run = race({ instances: named(a, b), now }, { disk });
  await until(() => disk.events.length >= 100);
  await run.stop();
  assertOnce(disk.events, range(0, 99));
});

Deno.test("C9: a race goes on where a run with one host at a time ended, and a new host where the others are", async () => {
  const disk = emptyDisk();
  const step = SECOND / 10;
  await using a = await legacyHost(range(0, 99), step);
  await using b = await legacyHost(range(0, 99), step);
  const before = { v: 1, host: a.host, wire: "v1", time_us: T0 + 60 * step } as const;
  disk.positions.set("jetstream", formatPosition({ ...before, recent: [], recent_since: T0 + 60 * step }));
  await using first = race({ instances: named(a, b), now }, { disk });
  await until(() => disk.events.length === 39);
  await first.stop();
  assertOnce(disk.events, range(61, 99));
  await using c = await legacyHost(range(0, 120), step);
  await using second = race({ instances: named(a, c), now }, { disk });
  await until(() => disk.events.length === 60);
  await second.stop();
  assertOnce(disk.events, range(61, 120));
  assert.equal(c.dials[0]!.cursor, T0 + 61 * step - step + 1, "what was handed on before the first run is not known");
});

Deno.test("C9: a host that is down is dialled again while the other lives, and catches up without doubles", async () => {
  await using a = await legacyHost(range(0, 199), 1000);
  await using b = await legacyHost(range(100, 299), 1000, ({ index, refuse }) => {
    if (index < 8) refuse(503, "not ready");
    return index >= 8;
  });
  await using run = race({ instances: named(a, b), start: T0 });
  await until(() => run.events.length === 300);
  await until(() => run.counters.duplicates === 100);
  assertOnce(run.events, range(0, 299));
  assert.equal(b.dials.length, 9);
  const { race: figures, connections } = run.source.stats;
  assert.deepEqual([connections, figures[a.host]!.first, figures[b.host]!.first], [2, 200, 100]);
});

Deno.test("C9: a host that refuses for good is left out; when all do, the run fails as with one", async () => {
  await using log = await captureLog();
  await using a = await legacyHost(range(0, 9), 1000);
  const refusing = (status: number, words: string) => startScripted({ onDial: (dial) => dial.refuse(status, words) });
  await using b = await refusing(403, "go away");
  await using run = race({ instances: named(a, b) });
  await until(() => log.lines.some((line) => line.includes(`Going on without ${b.host}`)));
  await until(() => run.events.length === 10);
  sendToAll(a, v1Line(10));
  await until(() => run.events.length === 11);
  await run.stop();
  assert(log.lines.some((line) => /warning: .*403: go away/.test(line)), log.lines.join("\n"));
  await using c = await refusing(401, "who are you");
  await using failed = race({ instances: named(b, c) });
  await assert.rejects(failed.result, (error) => error instanceof ConfigError && /40[13]/.test(error.message));
});

Deno.test("C9: a host that comes back from behind the window resumes where copies are known, with a gap", async () => {
  const step = SECOND / 10;
  let down = true;
  await using a = await startScripted({
    onDial(dial) {
      if (dial.index === 0) dial.accept(...lines(range(0, 20), step)).close(1001);
      else if (down) dial.refuse(503);
      else dial.accept(...lines(range(0, 600).filter((i) => T0 + i * step >= dial.cursor!), step));
    },
  });
  await using b = await startScripted({ onDial: (dial) => dial.accept(...lines(range(0, 20), step)) });
  await using run = race({ instances: named(a, b), windowMs: 8000, patienceMs: 50, now });
  await until(() => run.events.length === 21 && run.counters.duplicates === 21);
  sendToAll(b, ...lines(range(21, 599), step));
  await until(() => run.events.length === 600);
  down = false;
  await until(() => run.events.some(({ did }) => did === "did:plc:00000600"));
  await run.stop();
  assertOnce(run.events, range(0, 600));
  assert.equal(run.gaps.length, 1);
  const { host, reason, from, to, unit, state } = run.gaps[0]!;
  assert.deepEqual(
    { host, reason, from, unit, state },
    { host: a.host, reason: "race_behind", from: T0 + 20 * step, unit: "us", state: "open" },
  );
  assert(to! > T0 + 20 * step && to! < T0 + 599 * step, `to ${to! - T0}`);
  assert(a.dials.at(-1)!.cursor! <= to!);
});

Deno.test("C9: hosts that were away together lose nothing, however long it was", async () => {
  const disk = emptyDisk();
  const step = 60 * SECOND;
  const part = () => race({ instances: named(a, b), now: () => (T0 + 200 * step) / 1000 }, { disk });
  let end = 20;
  const host = () =>
    startScripted({
      onDial(dial) {
        dial.accept(...lines(range(0, end).filter((i) => T0 + i * step >= (dial.cursor ?? 0)), step));
      },
    });
  await using a = await host();
  await using b = await host();
  {
    await using run = part();
    await until(() => run.events.length === 21);
    await run.stop();
  }
  end = 180;
  await using run = part();
  await until(() => run.events.length === 181);
  await run.stop();
  assertOnce(disk.events, range(0, 180));
  assert.deepEqual(disk.gaps, []);
});

Deno.test("J44: one server paced, the other flat out from the same start: aligned, no doubles", async () => {
  const count = 6000;
  const common = { epoch: T0, count, kind: "new" } as const;
  await using fast = await startSimulate(common);
  await using slow = await startSimulate({ ...common, rate: 4000 });
  const instances = [fast, slow].map(({ port }) => `ws://127.0.0.1:${port}`);
  // Far smaller than the difference that two seconds would make.
  await using run = race({ instances, start: T0, now, windowKeys: 2000 });
  await until(() => run.events.length + run.counters.duplicates >= 2 * count);
  await run.stop();
  assert.equal(run.events.length, count);
  assert.equal(new Set(run.events.map(dedupeKey)).size, count);
  assert.deepEqual(run.gaps, []);
});

Deno.test("C9: -e ends the stream when it has come on all hosts, reconnect() dials all", async () => {
  const events = (count: number) => loadEventLines(lines(range(0, count - 1), SECOND).join("\n"));
  await using a = await startSimulate({ kind: "legacy", events: events(100) });
  await using b = await startSimulate({ kind: "legacy", events: events(60) });
  const instances = [a, b].map(({ port }) => `ws://127.0.0.1:${port}`);
  await using run = race({ instances, start: T0, end: T0 + 50 * SECOND, now });
  const { endedBy } = await run.result;
  assert.deepEqual([endedBy, run.source.stats.connections, run.source.stats.connected], ["source", 2, false]);
  assertOnce(run.events, range(0, 49));
  await using again = race({ instances, now });
  await until(() => again.source.stats.connected);
  again.source.reconnect();
  await until(() => again.source.stats.connections === 4);
  await until(() => again.events.length === 100);
  await again.stop();
  assert.equal(new Set(again.events.map(eventId)).size, 100);
});
