import assert from "node:assert/strict";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { fullJitter } from "../../lib/pipeline/retry.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import { memoryCheckpoints, numbersOf, range, run, T0, v1Line } from "../support/jetstream_run.ts";
import { until } from "../support/run_control.ts";
import { type Dial, startScripted } from "../support/scripted_jetstream.ts";

const now = () => T0 / 1000 + 60_000;

/** Starts several servers that do the same; answers which was dialled, in order. */
async function startSeveral(count: number, onDial: (dial: Dial, nth: number) => void) {
  const stack = new AsyncDisposableStack();
  const order: number[] = [];
  const instances: string[] = [];
  for (let i = 0; i < count; i++) {
    const server = await startScripted({
      onDial: (dial) => {
        order.push(i);
        onDial(dial, order.length);
      },
    });
    stack.use(server);
    instances.push(`ws://${server.host}`);
  }
  return { order, instances, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("J32: closes right after the handshake: waits between 250 ms and a doubling bound, next host after three", async () => {
  for (
    const [random, expected] of [
      [1, [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]],
      [0, Array(10).fill(250)],
    ] as const
  ) {
    const waits: number[] = [];
    const jitter = fullJitter(0, () => random);
    await using servers = await startSeveral(3, (dial) => dial.accept().terminate());
    await using reading = run({
      instances: servers.instances,
      wire: "v1",
      now,
      backoff: (n, error) => {
        waits.push(jitter(n, error)!);
        return waits.length < 10 ? 1 : 60_000;
      },
    });
    await reading.until(() => waits.length === 10);
    assert.deepEqual(waits, expected);
    assert.deepEqual(servers.order, [0, 0, 0, 1, 1, 1, 2, 2, 2, 0]);
  }
});

Deno.test("J32: an event that is no copy begins the waits anew, a copy does not", async () => {
  const attempts: number[] = [];
  await using server = await startScripted({
    onDial: (dial) => {
      const last = dial.index < 4 ? 1 : 2;
      dial.accept(...range(1, last).map((i) => v1Line(i))).close(1011);
    },
  });
  await using _ = run({ url: server.url, now, backoff: (n) => (attempts.push(n), attempts.length < 6 ? 1 : 60_000) });
  await until(() => attempts.length === 6);
  assert.deepEqual(attempts, [0, 1, 2, 3, 0, 1]);
});

Deno.test("J32: a connection that stayed open for 30 s begins the waits anew", async () => {
  const attempts: number[] = [];
  let clock = now();
  await using server = await startScripted({
    onDial: (dial) => {
      const socket = dial.accept();
      if (dial.index === 2) clock += 30_000;
      socket.close(1011);
    },
  });
  const backoff = (n: number) => (attempts.push(n), attempts.length < 5 ? 1 : 60_000);
  await using _ = run({ url: server.url, now: () => clock, backoff });
  await until(() => attempts.length === 5);
  assert.deepEqual(attempts, [0, 1, 0, 1, 2]);
});

Deno.test("C6: protocol errors three times in a row on every host end the run", async () => {
  await using servers = await startSeveral(2, (dial) => dial.accept().close(1007, "bad data"));
  await using reading = run({ instances: servers.instances, wire: "v1", now });
  await assert.rejects(
    reading.result,
    (e) => e instanceof Error && !(e instanceof ConfigError) && /1007 "bad data"/.test(e.message),
  );
  assert.deepEqual(servers.order, [0, 0, 0, 1, 1, 1]);
});

Deno.test("J33: a busy filter and silence, with or without pings: the next host after one idle timeout", async () => {
  for (const pings of [false, true]) {
    const timers: number[] = [];
    const times: number[] = [];
    await using servers = await startSeveral(2, (dial, nth) => {
      times.push(Date.now());
      const socket = dial.accept();
      if (nth > 1) socket.send(v1Line(1));
      if (pings) timers.push(setInterval(() => socket.ping(), 40) as unknown as number);
    });
    await using reading = run({ instances: servers.instances, wire: "v1", now, idleTimeoutMs: 200 });
    await reading.until(() => reading.events.length === 1);
    timers.forEach(clearInterval);
    assert.deepEqual(servers.order, [0, 1]);
    assert.ok(times[1]! - times[0]! >= 190, `${times[1]! - times[0]!} ms`);
  }
});

Deno.test("J33: a filter of accounts may be silent for 20 idle timeouts, then the same host is dialled again", async () => {
  const timers: number[] = [];
  const times: number[] = [];
  let failures = 0;
  await using servers = await startSeveral(2, (dial) => {
    times.push(Date.now());
    const socket = dial.accept();
    timers.push(setInterval(() => socket.ping(), 10) as unknown as number);
  });
  const dids = ["did:plc:a"];
  await using reading = run({
    instances: servers.instances,
    wire: "v1",
    now,
    idleTimeoutMs: 100,
    dids,
    backoff: () => (failures++, 1),
  });
  await reading.until(() => servers.order.length === 2);
  timers.forEach(clearInterval);
  assert.deepEqual([servers.order, failures], [[0, 0], 0]);
  assert.ok(times[1]! - times[0]! >= 1950, `${times[1]! - times[0]!} ms`);
});

Deno.test("J33: our pings keep a quiet connection, unless nobody answers them", async () => {
  await using answers = await startSimulate({ pingsOnly: true });
  await using quiet = run({ url: answers.jetstream, now, idleTimeoutMs: 100, dids: ["did:plc:a"] });
  await quiet.until(() => quiet.source.stats.connections === 1);
  const begun = Date.now();
  await until(() => Date.now() - begun > 500); // five idle timeouts
  assert.equal(quiet.source.stats.connections, 1);

  await using mute = await startSimulate({ silent: true, noPong: true });
  const failures: string[] = [];
  const backoff = (_: number, error: unknown) => (failures.push(String(error)), 1);
  await using dead = run({ url: mute.jetstream, now, idleTimeoutMs: 60, dids: ["did:plc:a"], backoff });
  await dead.until(() => dead.source.stats.connections === 2);
  assert.match(failures[0]!, /no sign of life/);
});

Deno.test("J33: without an idle timeout a silent connection is left alone", async () => {
  await using server = await startSimulate({ silent: true });
  await using reading = run({ url: server.jetstream, now, idleTimeoutMs: 0 });
  await reading.until(() => reading.source.stats.connections === 1);
  const begun = Date.now();
  await until(() => Date.now() - begun > 200);
  assert.equal(reading.source.stats.connections, 1);
});

Deno.test("C6: every third silence doubles the patience", async () => {
  const times: number[] = [], timers: number[] = [];
  await using server = await startScripted({
    onDial: (dial) => {
      times.push(Date.now());
      const socket = dial.accept();
      // Signs of life: without them, on a busy machine, a connection may be taken for dead, which is no silence.
      timers.push(setInterval(() => socket.ping(), 10) as unknown as number);
    },
  });
  await using reading = run({ url: server.url, now, idleTimeoutMs: 100, backoff: () => 0 });
  await reading.until(() => times.length === 8);
  timers.forEach(clearInterval);
  const waits = times.slice(1).map((t, i) => t - times[i]!);
  for (const wait of waits.slice(0, 3)) assert.ok(wait >= 95, waits.join());
  for (const wait of waits.slice(3, 6)) assert.ok(wait >= 195, waits.join());
  assert.ok(waits[6]! >= 395, waits.join());
});

Deno.test("J35: a sink that stands still closes the socket after 3 s, and nothing is lost when it goes on", async () => {
  const count = 60_000;
  for (const [kind, wire] of [["legacy", "v1"], ["new", "v2"]] as const) {
    await using server = await startSimulate({ kind, count, epoch: T0 });
    await using other = await startSimulate({ count: 1 });
    const gate = Promise.withResolvers<void>();
    let failures = 0;
    const checkpoints = memoryCheckpoints();
    await using reading = run(
      {
        instances: [server, other].map((s) => `ws://127.0.0.1:${s.port}`),
        wire,
        backoff: () => (failures++, 1),
        now,
      },
      { checkpoints, gate: () => gate.promise, pipeline: { batchSize: 5000, batchMs: 1000 } },
    );
    await reading.until(() => reading.counters.received > 0);
    const begun = Date.now();
    await until(() => server.counters.open === 0);
    const stood = Date.now() - begun;
    const { received } = reading.counters;
    const written = reading.events.length;
    gate.resolve(); // before anything can fail: the run cannot be stopped while its sink stands still
    assert.ok(stood >= 2500, `${stood} ms`);
    assert.equal(written, 0);
    assert.ok(received < 30_000, `${received}`); // how much memory that is, the benchmarks measure
    await reading.until(() => reading.events.length >= count);
    await reading.stop();
    assert.deepEqual(reading.events.map((e) => (e.time_us - T0) / 500), range(1, count), kind);
    assert.deepEqual([reading.source.stats.connections >= 2, failures, other.counters.requests], [true, 0, 0]);
  }
});

Deno.test("a connection that is closed by the server goes on at its last event", async () => {
  await using server = await startScripted({
    onDial: (dial) => {
      const first = dial.cursor ?? 1;
      const socket = dial.accept(...range(first, first + 4).map((seq) => v1Line(seq, { seq })));
      if (first < 30) socket.close(1001, "going away");
    },
  });
  await using reading = run({ url: server.url, now });
  await reading.until(() => reading.events.length >= 33);
  await reading.stop();
  assert.deepEqual(numbersOf(reading.events), range(1, 33));
  assert.deepEqual(server.dials.map((d) => d.cursor), [undefined, 5, 9, 13, 17, 21, 25, 29]);
});
