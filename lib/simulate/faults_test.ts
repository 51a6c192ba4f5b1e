import assert from "node:assert/strict";
import { DAMAGES, type Faults } from "./faults.ts";
import { createPace } from "./feed.ts";
import { startSimulate } from "./server.ts";
import { connect, dial, receive, type Refused } from "./test_client.ts";

const EPOCH = Date.UTC(2026, 0, 1) * 1000;

Deno.test("T5: --close-after: exactly so many events, then a cut, or the close frame that was asked for", async () => {
  const ending = async (faults: Faults) => {
    await using server = await startSimulate(faults);
    await using client = await connect(server.jetstream);
    return { ...await client.ended, events: client.messages.length };
  };
  assert.deepEqual(await ending({ closeAfter: 7 }), { code: 1006, reason: "", events: 7 });
  assert.deepEqual(await ending({ closeAfter: 0 }), { code: 1006, reason: "", events: 0 });
  assert.deepEqual(await ending({ closeAfter: 3, closeCode: 1008, closeReason: "bad option" }), {
    code: 1008,
    reason: "bad option",
    events: 3,
  });
});

Deno.test("T5: --close-after counts no event that a resume by time asks for again", async () => {
  for (const kind of ["legacy", "new"] as const) {
    await using server = await startSimulate({ kind, epoch: EPOCH, closeAfter: 10 });
    const counts = [];
    for (let i = 0; i < 3; i++) {
      await using client = await connect(`${server.jetstream}?cursor=${EPOCH + 500}`);
      await client.ended;
      counts.push(client.messages.length);
    }
    assert.deepEqual(counts, [10, 20, 30]);
  }
});

Deno.test("T5: --stall-after: nothing more, but the connection lives", async () => {
  await using server = await startSimulate({ stallAfter: 5 });
  await using client = await connect(server.jetstream);
  await client.atLeast(5);
  const pong = new Promise((resolve) => client.socket.once("pong", resolve));
  client.socket.ping();
  await pong;
  assert.equal(client.messages.length, 5);
  assert.equal(server.counters.open, 1);
});

Deno.test("T5: --refuse: so many handshakes, with Retry-After; a plain GET uses up none of them", async () => {
  await using server = await startSimulate({ refuse: 503, refuseTimes: 2, retryAfter: 4 });
  const words = "service not ready: bootstrap in progress";
  assert.equal(await (await fetch(`${server.url}/subscribe`)).text(), words);
  const refusal = await dial(server.jetstreamV2) as Refused;
  assert.deepEqual(refusal, {
    status: 503,
    type: "application/json",
    retryAfter: "4",
    body: JSON.stringify({ error: "ServiceUnavailable", message: words }),
  });
  assert.equal((await dial(server.jetstream) as Refused).status, 503);
  await using client = await connect(server.jetstream);
  await client.atLeast(1);
  assert.equal(server.counters.refused, 2);
});

Deno.test("T5: --error-frame: after N events, with the next sequence number as advice, then the end", async () => {
  await using server = await startSimulate({ errorFrame: { after: 7, name: "ConsumerTooSlow" } });
  await using client = await connect(server.jetstreamV2);
  assert.equal((await client.ended).code, 1006);
  assert.equal(client.messages.length, 8);
  assert.equal(
    client.messages[7],
    '{"$type":"error","error":"ConsumerTooSlow","message":"reading below the floor rate 110117 events behind the tip; reconnect with cursor=8"}',
  );
});

Deno.test("T5, J20: --damage: every N-th message is broken, in each of ten ways, the others are whole", async () => {
  await using good = await startSimulate({ epoch: EPOCH, closeAfter: 30 });
  await using bad = await startSimulate({ epoch: EPOCH, closeAfter: 30, damage: 3 });
  for (const wire of ["jetstream", "jetstreamV2"] as const) {
    const url = (server: typeof good) => `${server[wire]}?cursor=1`;
    const [whole, broken] = [await receive(url(good), 31), await receive(url(bad), 31)];
    const changed = broken.flatMap((text, n) => text === whole[n] ? [] : [n]);
    assert.deepEqual(changed, [2, 5, 8, 11, 14, 17, 20, 23, 26, 29]);
    assert.deepEqual(changed.slice(0, 7).map((n) => broken[n]), [
      "not json",
      "[]",
      "123",
      "null",
      '""',
      "{}",
      '{"kind":"commit"}',
    ]);
    const [commit, time] = [broken[23]!, broken[26]!].map((text) => JSON.parse(text)).map((e) => e.payload ?? e);
    assert.equal(wire === "jetstream" ? commit.commit : commit.collection, null);
    assert.equal(wire === "jetstream" ? time.time_us : time.time, "now");
  }
  assert.throws(() => new TextDecoder("utf-8", { fatal: true }).decode(DAMAGES[9]!('{"did":1}', "v1") as Uint8Array));
});

Deno.test("faults can be scripted connection by connection", async () => {
  const script: Faults[] = [
    { refuse: 500 },
    { raw: ['{"x":1}', Uint8Array.of(1, 2)], closeAfter: 2, closeCode: 1001 },
    { startAt: 3 },
  ];
  const seen: string[] = [];
  await using server = await startSimulate({
    onRequest: ({ url, headers, n }) => {
      seen.push(`${n} ${url.search} ${headers.get("user-agent") ?? "-"}`);
      return script[n - 1];
    },
  });
  assert.equal((await dial(`${server.jetstream}?cursor=1`) as Refused).status, 500);
  await using second = await connect(`${server.jetstream}?cursor=2`);
  assert.equal((await second.ended).code, 1001);
  assert.deepEqual(second.messages, ['{"x":1}', Uint8Array.of(1, 2)]);
  assert.equal(JSON.parse((await receive(`${server.jetstream}?cursor=500`, 1))[0]!).cursor, 3);
  assert.deepEqual(seen, ["1 ?cursor=1 -", "2 ?cursor=2 -", "3 ?cursor=500 -"]);
});

Deno.test("J33: pings only, no pong, nothing at all", async () => {
  const faults: Faults[] = [{ pingsOnly: true }, { noPong: true, stallAfter: 1 }, { silent: true }];
  await using server = await startSimulate({ pingIntervalMs: 20, onRequest: ({ n }) => faults[n - 1] });
  const heard = async () => {
    const client = await connect(server.jetstream);
    const got = new Set<string>();
    client.socket.on("ping", () => got.add("ping")).on("pong", () => got.add("pong")).on(
      "message",
      () => got.add("event"),
    );
    client.socket.ping();
    const enough = Promise.withResolvers<void>();
    const timer = setInterval(() => enough.resolve(), 150); // seven times the interval of the pings
    await enough.promise;
    clearInterval(timer);
    await client[Symbol.asyncDispose]();
    return [...got].sort();
  };
  assert.deepEqual(await heard(), ["ping", "pong"]);
  assert.deepEqual(await heard(), ["event", "ping"]);
  assert.deepEqual(await heard(), []);
});

Deno.test("T6: --rate: within 10 % on a real socket", async () => {
  await using server = await startSimulate({ rate: 2000 });
  await using client = await connect(server.jetstream);
  await client.atLeast(1);
  const from = client.messages.length, since = performance.now();
  await client.atLeast(from + 2000);
  const rate = 2000 / ((performance.now() - since) / 1000);
  assert.ok(Math.abs(rate / 2000 - 1) < 0.1, `${rate} events/s`);
});

Deno.test("pace: exact over time, no more than a second made up for, and slow rates wait long", () => {
  let clock = 0;
  const pace = createPace(100, () => clock);
  let sent = 0;
  for (; clock < 10_000; clock += 7) {
    const { events } = pace.due();
    pace.count(events);
    sent += events;
  }
  assert.ok(Math.abs(sent - 1000) <= 1, `${sent} events`);
  clock += 60_000;
  assert.equal(pace.due().events, 100);
  const slow = createPace(0.5, () => clock);
  assert.deepEqual(slow.due(), { events: 0, wait: 2000 });
  assert.deepEqual(createPace(0).due(), { events: Infinity, wait: 0 });
});
