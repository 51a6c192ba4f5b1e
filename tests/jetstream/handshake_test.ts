import assert from "node:assert/strict";
import { ConfigError, TransientError } from "../../lib/pipeline/errors.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import { numbersOf, range, run, v1Line } from "../support/jetstream_run.ts";
import { until } from "../support/run_control.ts";
import { startScripted } from "../support/scripted_jetstream.ts";

const dids = range(1, 150).map((i) => `did:plc:${String(i).padStart(8, "0")}`);

Deno.test("J10: 150 DIDs go to a new server by v1, in one message after the handshake", async () => {
  const heard: string[] = [];
  await using server = await startScripted({
    get: { status: 426 },
    onDial: (dial) => {
      const socket = dial.accept();
      socket.on("message", (data) => {
        heard.push(data.toString());
        socket.send(v1Line(7, { seq: 7 }));
      });
    },
  });
  await using reading = run({ instances: [`ws://${server.host}`], collections: ["app.bsky.feed.post"], dids });
  await reading.until(() => reading.events.length === 1);
  assert.equal(server.dials[0]!.url.pathname + server.dials[0]!.url.search, "/subscribe?requireHello=true");
  assert.equal(heard.length, 1);
  assert.deepEqual(JSON.parse(heard[0]!), {
    type: "options_update",
    payload: { wantedCollections: ["app.bsky.feed.post"], wantedDids: dids, maxMessageSizeBytes: 0 },
  });
});

Deno.test("J10: a server that waits for the message accepts it", async () => {
  await using server = await startSimulate({ count: 500, accounts: 20 });
  const all: string[] = [];
  {
    await using reading = run({ url: server.jetstream, cursor: 0 });
    await reading.until(() => reading.events.length === 500);
    all.push(...reading.events.map(({ did }) => did));
  }
  const wanted = all[0]!;
  await using reading = run({ url: server.jetstream, cursor: 0, dids: [wanted, ...dids] });
  const count = all.filter((did) => did === wanted).length;
  await reading.until(() => reading.events.length >= count);
  assert.ok(reading.events.every(({ did }) => did === wanted));
});

Deno.test("J11: a server that refuses the message's options ends the run with its words", async () => {
  await using server = await startScripted({
    onDial: (dial) => {
      const socket = dial.accept();
      socket.on("message", () => socket.close(1008, "bad option"));
    },
  });
  await using reading = run({ url: server.url, dids });
  await assert.rejects(reading.result, (e) => e instanceof ConfigError && e.message.includes("bad option"));
  assert.equal(server.dials.length, 1);
});

Deno.test("J19: deflate is never offered, and the client says who it is", async () => {
  await using server = await startScripted({ onDial: (dial) => void dial.accept(v1Line(1)) });
  await using reading = run({ url: server.url });
  await reading.until(() => reading.events.length === 1);
  const { headers } = server.dials[0]!;
  assert.equal(headers["sec-websocket-extensions"], undefined);
  assert.match(headers["user-agent"]!, /^bskyingest\/\d+\.\d+\.\d+ \(\+https:/);
});

Deno.test("J34: parameters that every host refuses end the run with the server's words", async () => {
  const refuse = {
    onDial: (dial: { refuse(s: number, b: string): void }) => dial.refuse(400, "invalid collection: x"),
  };
  await using a = await startScripted(refuse);
  await using b = await startScripted(refuse);
  await using reading = run({ instances: [`ws://${a.host}`, `ws://${b.host}`], wire: "v1" });
  await assert.rejects(reading.result, (error) => {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.faults.length, 2);
    for (const fault of error.faults) assert.match(fault, /HTTP 400: invalid collection: x/);
    return true;
  });
  assert.deepEqual([a.dials.length, b.dials.length], [1, 1]);
});

Deno.test("J34: a host that refuses is left for one that accepts", async () => {
  await using a = await startScripted({ onDial: (dial) => dial.refuse(403, "no") });
  await using b = await startScripted({ onDial: (dial) => void dial.accept(v1Line(1)) });
  await using reading = run({ instances: [`ws://${a.host}`, `ws://${b.host}`], wire: "v1" });
  await reading.until(() => reading.events.length === 1);
  assert.equal(reading.source.stats.host, b.host);
});

Deno.test("J34: Retry-After is the least wait", async () => {
  const failures: unknown[] = [];
  await using server = await startSimulate({ count: 3, refuse: 503, refuseTimes: 1, retryAfter: 2 });
  await using reading = run({
    url: server.jetstream,
    backoff: (_, error) => {
      failures.push(error);
      return 5;
    },
  });
  await reading.until(() => reading.events.length === 3);
  assert.equal(failures.length, 1);
  assert.ok(failures[0] instanceof TransientError);
  assert.equal(failures[0].retryAfterMs, 2000);
  assert.match(failures[0].message, /HTTP 503: service not ready/);
});

Deno.test("J34: 404 under auto tries the other wire once", async () => {
  await using server = await startScripted({
    get: { status: 426 },
    onDial: (dial) => dial.url.pathname === "/subscribe" ? void dial.accept(v1Line(1)) : dial.refuse(404),
  });
  await using reading = run({ instances: [`ws://${server.host}`] });
  await reading.until(() => reading.events.length === 1);
  assert.deepEqual(server.dials.map((d) => d.url.pathname), [
    "/xrpc/network.bsky.jetstream.subscribeEvents",
    "/subscribe",
  ]);
});

Deno.test("J34: 404 on a wire that was asked for, or on both, is final", async () => {
  await using server = await startScripted({ onDial: (dial) => dial.refuse(404, "nothing here") });
  for (const [wire, dials] of [["v2", 1], ["auto", 3]] as const) {
    await using reading = run({ instances: [`ws://${server.host}`], wire });
    await assert.rejects(reading.result, (e) => e instanceof ConfigError && /HTTP 404: nothing here/.test(e.message));
    assert.equal(server.dials.length, dials);
  }
});

Deno.test("C3: a plain GET of the v2 path tells which wire a host has", async () => {
  const xrpc = '{"error":"ServiceUnavailable","message":"not ready"}';
  const cases = [[404, "", "v1"], [426, "", "v2"], [400, xrpc, "v2"], [503, xrpc, "v2"], [400, "Bad", "v1"], [
    200,
    "",
    "v1",
  ]];
  for (const [status, body, wire] of cases as [number, string, string][]) {
    await using server = await startScripted({ get: { status, body }, onDial: (dial) => void dial.accept() });
    await using _ = run({ instances: [`ws://${server.host}`] });
    await until(() => server.dials.length === 1);
    const expected = wire === "v1" ? "/subscribe" : "/xrpc/network.bsky.jetstream.subscribeEvents";
    assert.equal(server.dials[0]!.url.pathname, expected, `${status} ${body}`);
  }
});

Deno.test("C3: local servers of both kinds are recognised", async () => {
  for (const [kind, wire] of [["new", "v2"], ["legacy", "v1"]] as const) {
    await using server = await startSimulate({ kind, count: 5 });
    await using reading = run({ instances: [`ws://127.0.0.1:${server.port}`] });
    await reading.until(() => reading.events.length === 5);
    assert.equal(reading.events[0]!.origin.wire, wire);
    assert.equal(reading.events[0]!.origin.host, `127.0.0.1:${server.port}`);
  }
});

Deno.test("J36: a run that is stopped while nothing comes, or while nobody answers, ends at once", async () => {
  await using silent = await startSimulate({ silent: true });
  await using quiet = run({ url: silent.jetstream });
  await quiet.until(() => quiet.source.stats.connections === 1);
  assert.equal((await quiet.stop()).endedBy, "stop");

  await using refusing = await startSimulate({ refuse: 503 });
  await using refused = run({ url: refusing.jetstream, backoff: () => 60_000 });
  await until(() => refusing.counters.refused === 1);
  assert.equal((await refused.stop()).endedBy, "stop");
  assert.equal(refused.source.stats.connections, 0, "from which the command knows that it never got through");
});

Deno.test("J36: stopping a handshake that nobody answers", async () => {
  await using server = await startScripted({ onDial: () => {} });
  await using reading = run({ url: server.url });
  await until(() => server.dials.length === 1);
  assert.equal((await reading.stop()).endedBy, "stop");
});

Deno.test("the server's filter is checked again here", async () => {
  const lines = range(1, 6).map((i) => v1Line(i, { collection: i % 2 ? "app.bsky.feed.post" : "app.bsky.feed.like" }));
  await using server = await startScripted({ onDial: (dial) => void dial.accept(...lines) });
  await using reading = run({ url: server.url, collections: ["app.bsky.feed.post"] });
  await reading.until(() => reading.counters.filtered === 3);
  await reading.stop();
  assert.deepEqual(numbersOf(reading.events), [1, 3, 5]);
});
