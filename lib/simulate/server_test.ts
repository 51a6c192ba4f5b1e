import assert from "node:assert/strict";
import { ConfigError } from "../pipeline/errors.ts";
import { loadEventLines } from "./events.ts";
import { type SimulateServer, startSimulate } from "./server.ts";
import { connect, dial, receive, type Refused } from "./test_client.ts";

const EPOCH = Date.UTC(2026, 0, 1) * 1000;
const timeOf = (seq: number) => EPOCH + seq * 500;
const cursorsOf = (texts: readonly string[]) => texts.map((text) => JSON.parse(text).cursor as number);
const seqsOf = (texts: readonly string[]) => texts.map((text) => JSON.parse(text).payload.seq as number | undefined);
const refusalOf = async (url: string, options = {}) => await dial(url, options) as Refused;
const didsOf = (parameter: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${parameter}=did:plc:${String(n).padStart(24, "a")}`).join("&");
const collectionsOf = (parameter: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${parameter}=a.b.c${n}`).join("&");

Deno.test("T3: two servers with one epoch send the same bytes on both wires", async () => {
  await using a = await startSimulate({ epoch: EPOCH, rng: 7 });
  await using b = await startSimulate({ epoch: EPOCH, rng: 7 });
  assert.deepEqual(await receive(a.jetstream, 2000), await receive(b.jetstream, 2000));
  const [one, two] = await Promise.all([a, b].map((s) => receive(`${s.jetstreamV2}?cursor=1`, 2000)));
  assert.deepEqual(one, two);
});

Deno.test("A5: sequence numbers are inclusive, 0 is the oldest, one beyond what was sent goes on from there", async () => {
  await using server = await startSimulate({ count: 100, epoch: EPOCH });
  for (const [cursor, first] of [["0", 1], ["1", 1], ["42", 42], ["99", 99]] as const) {
    assert.deepEqual(cursorsOf(await receive(`${server.jetstream}?cursor=${cursor}`, 2)), [first, first + 1]);
    assert.deepEqual(seqsOf(await receive(`${server.jetstreamV2}?cursor=${cursor}`, 2)), [first, first + 1]);
  }
  await using other = await startSimulate();
  assert.deepEqual(cursorsOf(await receive(`${other.jetstream}?cursor=1000`, 2)), [1000, 1001]);
  const old = JSON.parse((await receive(`${other.jetstream}?cursor=0`, 1))[0]!);
  const late = JSON.parse((await receive(`${other.jetstream}?cursor=1000`, 1))[0]!);
  assert.ok(old.cursor === 1 && old.time_us < late.time_us);
});

Deno.test("A5: without a cursor a subscriber gets what nobody has read yet", async () => {
  await using server = await startSimulate({ closeAfter: 10 });
  const next = async () => cursorsOf(await receive(server.jetstream, 11));
  assert.deepEqual(await next(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.deepEqual(await next(), [11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
});

Deno.test("A5: microseconds on each wire; later than everything is live", async () => {
  await using server = await startSimulate({ epoch: EPOCH });
  assert.deepEqual(cursorsOf(await receive(`${server.jetstream}?cursor=${timeOf(50)}`, 1)), [50]);
  assert.deepEqual(seqsOf(await receive(`${server.jetstreamV2}?cursor=${timeOf(50) + 1}`, 1)), [51]);
  await using legacy = await startSimulate({ kind: "legacy", epoch: EPOCH });
  const first = async (cursor: number | string) =>
    JSON.parse((await receive(`${legacy.jetstream}?cursor=${cursor}`, 1))[0]!);
  assert.equal((await first(timeOf(50))).time_us, timeOf(50));
  for (const oldest of [5, 0, -7]) assert.equal((await first(oldest)).time_us, timeOf(1)); // also not a sequence number
  assert.ok(!("cursor" in await first(0)));
  await using live = await startSimulate({ closeAfter: 10 });
  const sent = (await receive(live.jetstream, 10)).map((text) => JSON.parse(text));
  assert.deepEqual(cursorsOf(await receive(`${live.jetstream}?cursor=9000000000000000`, 1)), [11]);
  assert.deepEqual(cursorsOf(await receive(`${live.jetstream}?cursor=${sent[4].time_us}`, 1)), [5]);
});

Deno.test("--oldest: v1 clamps, v2 refuses a sequence number and announces a clamped time", async () => {
  await using server = await startSimulate({ epoch: EPOCH, oldest: 500 });
  for (const cursor of [0, 7, timeOf(7)]) {
    assert.deepEqual(cursorsOf(await receive(`${server.jetstream}?cursor=${cursor}`, 1)), [500]);
  }
  assert.deepEqual(seqsOf(await receive(`${server.jetstreamV2}?cursor=0`, 1)), [500]);
  assert.deepEqual(await refusalOf(`${server.jetstreamV2}?cursor=7`), {
    status: 400,
    type: "application/json",
    retryAfter: undefined,
    body:
      '{"error":"CursorTooOld","message":"subscribe: cursor too old: cursor 7 below lookback floor 500; re-backfill from your last seq"}',
  });
  const [info, event] = await receive(`${server.jetstreamV2}?cursor=${timeOf(7)}`, 2);
  assert.equal(
    info,
    '{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#info",' +
      '"message":"requested timestamp cursor below retention floor; starting at seq 500","name":"OutdatedCursor"}}',
  );
  assert.deepEqual(seqsOf([event!]), [500]);
});

Deno.test("a file begins at its first line for everybody, and ends in silence", async () => {
  const line = (n: number) =>
    `{"did":"did:plc:a","time_us":${1000 + n},"kind":"identity","identity":{"did":"did:plc:a"}}`;
  const events = loadEventLines([1, 2, 3].map(line).join("\n"));
  await using server = await startSimulate({ kind: "legacy", events });
  assert.deepEqual(await receive(server.jetstream, 3), [1, 2, 3].map(line));
  assert.deepEqual(await receive(`${server.jetstream}?cursor=1002`, 2), [2, 3].map(line));
  await using client = await connect(`${server.jetstream}?cursor=2000`); // later than the last one
  const pong = new Promise((resolve) => client.socket.once("pong", resolve));
  client.socket.ping();
  await pong;
  assert.equal(client.messages.length, 0);
});

Deno.test("A2: v1 filters; identity and account events of everybody come along", async () => {
  await using server = await startSimulate({ epoch: EPOCH });
  const url = `${server.jetstream}?cursor=0&wantedCollections=app.bsky.graph.*&wantedCollections=junk.*`;
  const kinds = new Set(
    (await receive(url, 500)).map((text) => JSON.parse(text)).map((e) => e.commit?.collection ?? e.kind),
  );
  assert.deepEqual([...kinds].sort(), ["account", "app.bsky.graph.block", "app.bsky.graph.follow", "identity"]);
  const did = JSON.parse((await receive(`${server.jetstream}?cursor=9`, 1))[0]!).did;
  const [own] = await receive(`${server.jetstream}?cursor=0&wantedDids=${did}`, 1);
  assert.equal(JSON.parse(own!).did, did);
});

Deno.test("A4: v2 filters are joined by and", async () => {
  await using server = await startSimulate({ epoch: EPOCH });
  const url = `${server.jetstreamV2}?cursor=1&kinds=commit&kinds=account&collections=app.bsky.feed.post`;
  const types = new Set(
    (await receive(url, 300)).map((text) => JSON.parse(text).payload).map((p) => p.collection ?? p.$type),
  );
  assert.deepEqual([...types].sort(), ["app.bsky.feed.post", "network.bsky.jetstream.subscribeEvents#account"]);
});

Deno.test("maxMessageSizeBytes leaves longer messages out, on v1 anything else than a number is no limit", async () => {
  await using server = await startSimulate({ epoch: EPOCH });
  const longest = async (url: string) =>
    Math.max(...(await receive(url, 400)).map((text) => new TextEncoder().encode(text).length));
  assert.ok(await longest(`${server.jetstream}?cursor=1&maxMessageSizeBytes=450`) <= 450);
  assert.ok(await longest(`${server.jetstreamV2}?cursor=1&maxMessageSizeBytes=450`) <= 450);
  for (const junk of ["", "x", "-5", "99999999999"]) {
    assert.ok(await longest(`${server.jetstream}?cursor=1&maxMessageSizeBytes=${junk}`) > 800);
  }
});

const accepted = async (url: string) => {
  const client = await dial(url);
  if ("status" in client) return `${client.status} ${client.body}`;
  await client[Symbol.asyncDispose]();
  return "ok";
};

Deno.test("J6, A2, A4: the limits of each server, with duplicates", async () => {
  await using server = await startSimulate({ count: 1 });
  await using legacy = await startSimulate({ count: 1, kind: "legacy" });
  const hundred = collectionsOf("wantedCollections", 100), dids = didsOf("wantedDids", 10_000);
  assert.equal(await accepted(`${server.jetstream}?${hundred}&wantedCollections=a.b.c1`), "ok");
  assert.match(
    await accepted(`${server.jetstream}?${hundred}&wantedCollections=a.b.d`),
    /^400 .*too many wanted collections/,
  );
  assert.equal(await accepted(`${legacy.jetstream}?${hundred}`), "ok");
  assert.match(
    await accepted(`${legacy.jetstream}?${hundred}&wantedCollections=a.b.c1`),
    /^400 .*too many wanted collections/,
  );
  assert.equal(await accepted(`${server.jetstream}?${dids}&${didsOf("wantedDids", 3)}`), "ok");
  assert.match(await accepted(`${server.jetstream}?${dids}&wantedDids=did:web:a`), /^400 .*10001 > 10000/);
  assert.match(await accepted(`${legacy.jetstream}?${dids}&${didsOf("wantedDids", 1)}`), /^400 .*too many wanted DIDs/);
  assert.equal(await accepted(`${server.jetstreamV2}?${didsOf("dids", 10_000)}`), "ok");
  assert.match(
    await accepted(`${server.jetstreamV2}?${didsOf("dids", 10_001)}`),
    /^400 .*too many dids values: 10001 /,
  );
  assert.match(
    await accepted(`${server.jetstreamV2}?${collectionsOf("collections", 101)}`),
    /^400 .*too many collections values: 101 /,
  );
  assert.match(
    await accepted(`${server.jetstreamV2}?${"kinds=commit&".repeat(5)}`),
    /^400 .*too many kinds values: 5 /,
  );
  assert.match(
    await accepted(`${server.jetstreamV2}?collections=app.*`),
    /^400 .*invalid collection wildcard: app\.\*/,
  );
  assert.equal(await accepted(`${server.jetstream}?wantedCollections=app.*`), "ok");
});

Deno.test("other paths: 404 in each server's words", async () => {
  await using server = await startSimulate();
  await using legacy = await startSimulate({ kind: "legacy" });
  const get = async (url: string) => {
    const response = await fetch(url);
    return `${response.status} ${await response.text()}`;
  };
  assert.equal(await get(`${server.url}/nothing`), "404 404 page not found");
  assert.equal(await get(legacy.jetstreamV2.replace("ws:", "http:")), '404 {"message":"Not Found"}');
  assert.equal(await get(`${legacy.url}/subscribe`), "400 Bad Request");
  assert.equal(await get(`${legacy.url}/subscribe?cursor=abc`), "400 invalid cursor: abc");
  assert.equal(
    await get(`${legacy.url}/subscribe?wantedCollections=*`),
    "400 invalid subscriber options: invalid collection: *",
  );
});

const update = (payload: unknown) => JSON.stringify({ type: "options_update", payload });

Deno.test("A2: options_update replaces the whole filter", async () => {
  await using server = await startSimulate({ rate: 2000 });
  await using client = await connect(`${server.jetstream}?wantedDids=did:plc:nobody`);
  client.socket.send('{"type":"something else"}');
  client.socket.send(update({ wantedCollections: ["app.bsky.feed.post"], maxMessageSizeBytes: 0 }));
  await client.atLeast(20);
  const kinds = client.messages.map((text) => JSON.parse(text as string)).map((e) => e.commit?.collection ?? e.kind);
  assert.ok(kinds.includes("app.bsky.feed.post") && !kinds.includes("app.bsky.feed.like"));
});

Deno.test("J10: requireHello: nothing before the first valid options_update, then from the cursor on", async () => {
  await using server = await startSimulate();
  await using client = await connect(`${server.jetstream}?requireHello=true&cursor=5`);
  const pong = new Promise((resolve) => client.socket.once("pong", resolve));
  client.socket.ping();
  await pong;
  assert.equal(client.messages.length, 0);
  const dids = Array.from({ length: 9000 }, (_, n) => `did:plc:${String(n).padStart(24, "a")}`);
  client.socket.send(update({ wantedDids: dids })); // as long as 400 kB
  client.socket.send(update({}));
  await client.atLeast(1);
  assert.ok(JSON.parse(client.messages[0] as string).cursor >= 5);
});

Deno.test("A2: bad client messages: 1007, 1008, 1009 on a new server, 1000 on a legacy one", async () => {
  await using server = await startSimulate({ rate: 10 });
  await using legacy = await startSimulate({ kind: "legacy", rate: 10 });
  const ending = async (at: SimulateServer, message: string) => {
    await using client = await connect(at.jetstream);
    client.socket.send(message);
    return await client.ended;
  };
  const bad = update({ wantedCollections: ["*"] });
  assert.deepEqual(await ending(server, "{"), { code: 1007, reason: "bad SubscriberSourcedMessage envelope" });
  assert.deepEqual(await ending(server, update({ wantedDids: 5 })), {
    code: 1007,
    reason: "bad options_update payload",
  });
  assert.deepEqual(await ending(server, bad), {
    code: 1008,
    reason: "subscribe: invalid options: invalid collection: *",
  });
  assert.equal((await ending(server, update({ wantedDids: ["x".repeat(10_000_000)] }))).code, 1009);
  assert.deepEqual(await ending(legacy, bad), {
    code: 1000,
    reason: "failed to parse subscriber options: invalid subscriber options: invalid collection: *",
  });
});

Deno.test("A4: any data message of a v2 client closes with 1008", async () => {
  await using server = await startSimulate({ rate: 10 });
  await using client = await connect(server.jetstreamV2);
  client.socket.send(update({}));
  assert.deepEqual(await client.ended, { code: 1008, reason: "unexpected data message" });
});

Deno.test("A7: pings come in time, pongs too while events flow, and stopping closes with 1001", async () => {
  const server = await startSimulate({ pingIntervalMs: 20, closeCode: 1000 });
  await using client = await connect(server.jetstreamV2);
  const pinged = new Promise((resolve) => client.socket.once("ping", resolve));
  const ponged = new Promise((resolve) => client.socket.once("pong", resolve));
  client.socket.ping();
  await Promise.all([pinged, ponged]);
  client.socket.close(1000);
  assert.equal((await client.ended).code, 1000);
  await using other = await connect(server.jetstream);
  await other.atLeast(1);
  await server[Symbol.asyncDispose]();
  await server.closed;
  assert.equal((await other.ended).code, 1001);
  assert.equal(server.counters.connections, 2);
  assert.equal(server.counters.open, 0);
});

Deno.test("v2: the subprotocol is agreed on where it is offered", async () => {
  await using server = await startSimulate();
  const key = "dGhlIHNhbXBsZSBub25jZQ==";
  using conn = await Deno.connect({ port: server.port });
  const head = ["Host: x", "Connection: Upgrade", "Upgrade: websocket", `Sec-WebSocket-Key: ${key}`];
  const lines = [
    `GET ${new URL(server.jetstreamV2).pathname} HTTP/1.1`,
    ...head,
    "Sec-WebSocket-Protocol: a, xrpc.v1.json",
  ];
  await conn.write(new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
  const chunk = new Uint8Array(300);
  const answer = new TextDecoder().decode(chunk.subarray(0, await conn.read(chunk) ?? 0));
  assert.match(
    answer,
    /^HTTP\/1\.1 101 .*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=.*Protocol: xrpc\.v1\.json/s,
  );
});

Deno.test("what is not HTTP, or too long, is answered and forgotten", async () => {
  await using server = await startSimulate();
  const answerTo = async (text: string) => {
    using conn = await Deno.connect({ port: server.port });
    await conn.write(new TextEncoder().encode(text));
    const chunk = new Uint8Array(300);
    return new TextDecoder().decode(chunk.subarray(0, await conn.read(chunk) ?? 0)).split("\r\n")[0];
  };
  assert.equal(await answerTo("hello\r\n\r\n"), "HTTP/1.1 400 Bad Request");
  assert.equal(await answerTo("GET /subscribe HTTP/1.1\r\nbad header\r\n\r\n"), "HTTP/1.1 400 Bad Request");
  using _silent = await Deno.connect({ port: server.port }); // says nothing, and does not keep the server from stopping
});

Deno.test("A7: a client that stops reading is waited for, with little under way, and then dropped", async () => {
  await using server = await startSimulate({ writeLimitMs: 300, pingIntervalMs: 100 });
  await using client = await connect(server.jetstream);
  await client.atLeast(1);
  client.socket.pause();
  while (server.counters.open > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(server.counters.bytes < 64 * 1024 * 1024, `${server.counters.bytes} bytes under way`);
  client.socket.resume();
  assert.equal((await client.ended).code, 1006);
});

Deno.test("an address that is taken is a ConfigError", async () => {
  await using server = await startSimulate();
  await assert.rejects(startSimulate({ port: server.port }), (error) => {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.message, `Cannot listen on 127.0.0.1:${server.port}: the address is in use`);
    return true;
  });
});

Deno.test("events that were encoded ahead are the same", async () => {
  await using plain = await startSimulate({ epoch: EPOCH, closeAfter: 300 });
  await using ahead = await startSimulate({ epoch: EPOCH, closeAfter: 300, encodeAhead: { wire: "v1", events: 200 } });
  assert.deepEqual(await receive(ahead.jetstream, 301), await receive(plain.jetstream, 301));
  assert.deepEqual(cursorsOf(await receive(ahead.jetstream, 1)), [301]);
});
