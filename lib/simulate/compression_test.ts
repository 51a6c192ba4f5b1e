import assert from "node:assert/strict";
import { readFrameHeader } from "../net/zstd/header.ts";
import { ConfigError } from "../pipeline/errors.ts";
import { SIMULATE_DICTIONARY_ID, simulateDictionary } from "./dictionary.ts";
import { type SimulateOptions, type SimulateServer, startSimulate } from "./server.ts";
import {
  connect,
  decodeFrames,
  dial,
  type DialOptions,
  receive,
  receiveFrames,
  type Refused,
  type TestClient,
} from "./test_client.ts";

const EPOCH = Date.UTC(2026, 0, 1) * 1000;
const V1 = "compress=true", V2 = `zstdDictionary=${SIMULATE_DICTIONARY_ID}`;
const v1 = (server: SimulateServer, query: string) => `${server.jetstream}?${query}`;
const v2 = (server: SimulateServer, query: string) => `${server.jetstreamV2}?${query}`;
const decode = (frames: readonly Uint8Array[]) => decodeFrames(frames, simulateDictionary());
const received = async (url: string, count: number) => await decode(await receiveFrames(url, count));
const bytesIn = (texts: readonly string[]) =>
  texts.reduce((sum, text) => sum + new TextEncoder().encode(text).length, 0);

Deno.test("the dictionary has the id that it is named by, and is small", () => {
  const bytes = simulateDictionary();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  assert.deepEqual([view.getUint32(0, true), view.getUint32(4, true)], [0xec30a437, SIMULATE_DICTIONARY_ID]);
  assert.ok(bytes.length <= 32 * 1024 && SIMULATE_DICTIONARY_ID >= 32_768 && SIMULATE_DICTIONARY_ID < 2 ** 31);
});

Deno.test("T3, A6: compressed and plain streams are the same events, on each wire of each server", async () => {
  const cases: [kind: "new" | "legacy", plain: typeof v1, query: string, cursor: number][] = [
    ["new", v1, V1, 1],
    ["new", v2, V2, 1],
    ["legacy", v1, V1, EPOCH],
  ];
  for (const [kind, url, query, cursor] of cases) {
    await using server = await startSimulate({ kind, epoch: EPOCH });
    const plain = await receive(url(server, `cursor=${cursor}`), 3000);
    const frames = await receiveFrames(url(server, `cursor=${cursor}&${query}`), 3000);
    assert.deepEqual(await decode(frames), plain);
    const share = frames.reduce((sum, frame) => sum + frame.length, 0) / bytesIn(plain);
    console.log(`${kind} ${query}: ${(share * 100).toFixed(1)} % of the plain messages`);
  }
});

Deno.test("A6: a frame names dictionary and checksum, and its content size from 256 bytes on", async () => {
  await using server = await startSimulate({ kind: "legacy", epoch: EPOCH });
  const frames = await receiveFrames(v1(server, `${V1}&cursor=0`), 1000);
  const sizes = (await decode(frames)).map((text) => bytesIn([text]));
  frames.forEach((frame, n) => {
    const { dictionaryId, checksum, contentSize } = readFrameHeader(frame);
    const expected = sizes[n]! < 256 ? undefined : sizes[n];
    assert.deepEqual([dictionaryId, checksum, contentSize], [SIMULATE_DICTIONARY_ID, true, expected]);
  });
  assert.ok(sizes.some((size) => size < 256) && sizes.some((size) => size > 256));
});

Deno.test("A2: the header Socket-Encoding: zstd is v1's other switch; v2 refuses both", async () => {
  const headers = { "Socket-Encoding": "zstd" };
  for (const kind of ["new", "legacy"] as const) {
    await using server = await startSimulate({ kind, epoch: EPOCH });
    const [frame] = await receiveFrames(server.jetstream, 1, { headers });
    assert.match((await decode([frame!]))[0]!, /^\{"did":/);
    await using off = await connect(v1(server, "compress=1"));
    await off.atLeast(1);
    assert.equal(typeof off.messages[0], "string");
  }
  await using server = await startSimulate();
  for (const [url, options] of [[v2(server, V1), {}], [server.jetstreamV2, { headers }]] as const) {
    assert.match((await dial(url, options) as Refused).body, /this endpoint uses zstdDictionary=\\u003cid\\u003e/);
  }
});

Deno.test("J19: zstd with an offered permessage-deflate is refused by a new server's v1 wire only", async () => {
  const seen: [deflate: boolean, query: string][] = [];
  const onRequest: SimulateOptions["onRequest"] = ({ url, headers }) => {
    seen.push([(headers.get("sec-websocket-extensions") ?? "").includes("permessage-deflate"), url.search]);
  };
  await using server = await startSimulate({ onRequest });
  await using legacy = await startSimulate({ kind: "legacy", onRequest });
  const statusOf = async (url: string, options: DialOptions) => {
    const client = await dial(url, options);
    if ("status" in client) return `${client.status} ${client.body.slice(0, 29)}`;
    await using open = client as TestClient;
    return open.socket.extensions;
  };
  const deflate = { deflate: true };
  assert.equal(await statusOf(v1(server, V1), deflate), "400 choose one compression scheme");
  assert.equal(await statusOf(v1(server, V1), {}), "");
  assert.equal(await statusOf(v2(server, V2), deflate), "");
  assert.equal(await statusOf(v1(legacy, V1), deflate), "");
  assert.deepEqual(seen, [[true, `?${V1}`], [false, `?${V1}`], [true, `?${V2}`], [true, `?${V1}`]]);
});

Deno.test("A4, A6: an unknown dictionary is refused with the current id, and can be had by it", async () => {
  await using server = await startSimulate();
  const current = `current dictionary id is ${SIMULATE_DICTIONARY_ID}`;
  const refused = await dial(v2(server, "zstdDictionary=20260811")) as Refused;
  assert.equal(refused.status, 400);
  assert.deepEqual(JSON.parse(refused.body), {
    error: "UnknownZstdDictionary",
    message: `unknown zstd dictionary id 20260811; ${current} (fetch it via getZstdDictionary and reconnect)`,
  });
  const get = (query: string) => fetch(`${server.url}/xrpc/network.bsky.jetstream.getZstdDictionary${query}`);
  for (const query of ["", `?id=${SIMULATE_DICTIONARY_ID}`]) {
    const response = await get(query);
    assert.deepEqual(new Uint8Array(await response.arrayBuffer()), simulateDictionary());
    assert.equal(response.headers.get("x-zstd-dictionary-id"), String(SIMULATE_DICTIONARY_ID));
  }
  const missing = await get("?id=20260811");
  assert.equal(missing.status, 404);
  const message = `no dictionary with id 20260811; ${current}`;
  assert.deepEqual(await missing.json(), { error: "DictionaryNotFound", message });
  const junk = await get("?id=x");
  assert.deepEqual([junk.status, (await junk.json()).error], [400, "InvalidRequest"]);
  await using legacy = await startSimulate({ kind: "legacy" });
  const none = await fetch(`${legacy.url}/xrpc/network.bsky.jetstream.getZstdDictionary`);
  assert.deepEqual([none.status, await none.json()], [404, { message: "Not Found" }]);
});

Deno.test("maxMessageSizeBytes: a new server measures the message, a legacy one the frame that it sends", async () => {
  const limit = 450;
  await using server = await startSimulate({ epoch: EPOCH });
  for (const url of [v1(server, V1), v2(server, V2)]) {
    const texts = await received(`${url}&cursor=1&maxMessageSizeBytes=${limit}`, 100);
    assert.ok(Math.max(...texts.map((text) => bytesIn([text]))) <= limit);
  }
  await using legacy = await startSimulate({ kind: "legacy", epoch: EPOCH });
  const ask = `${v1(legacy, V1)}&cursor=0`;
  const all = await receiveFrames(ask, 500);
  const median = all.map((frame) => frame.length).sort((a, b) => a - b)[250]!;
  const short = all.filter((frame) => frame.length <= median);
  assert.deepEqual(await receiveFrames(`${ask}&maxMessageSizeBytes=${median}`, short.length), short);
  assert.ok((await decode(short)).some((text) => bytesIn([text]) > median));
});

Deno.test("A6: info and error frames are compressed too", async () => {
  const errorFrame = { after: 2, name: "ConsumerTooSlow" };
  await using server = await startSimulate({ epoch: EPOCH, oldest: 500, errorFrame });
  await using client = await connect(v2(server, `${V2}&cursor=${EPOCH}`));
  assert.equal((await client.ended).code, 1006);
  const [info, first, second, error] = (await decode(client.messages as Uint8Array[])).map((text) => JSON.parse(text));
  assert.equal(info.payload.name, "OutdatedCursor");
  assert.deepEqual([first.payload.seq, second.payload.seq], [500, 501]);
  assert.match(error.message, /reconnect with cursor=502$/);
});

Deno.test("T5, J20: --damage breaks the same messages of a compressed stream, within whole frames", async () => {
  const faults = { epoch: EPOCH, damage: 2, closeAfter: 40 };
  await using server = await startSimulate(faults);
  const lossy = (texts: readonly string[]) => texts.map((text) => text.replaceAll("\ufffd", "?"));
  for (const [url, query] of [[v1, V1], [v2, V2]] as const) {
    const plain = await receive(url(server, "cursor=1"), 41);
    assert.equal(plain.length, 40);
    assert.deepEqual(lossy(await received(url(server, `cursor=1&${query}`), 41)), lossy(plain));
  }
});

Deno.test("J18: raw messages are never compressed: text on a compressed connection, binary on a plain one", async () => {
  await using server = await startSimulate({ raw: ["{}", Uint8Array.of(1, 2)], closeAfter: 2 });
  for (const url of [server.jetstream, v1(server, V1), v2(server, V2)]) {
    await using client = await connect(url);
    await client.ended;
    assert.deepEqual(client.messages, ["{}", Uint8Array.of(1, 2)]);
  }
});

Deno.test("events that were encoded ahead are the same, compressed or not", async () => {
  await using plain = await startSimulate({ epoch: EPOCH });
  for (const compress of [true, false]) {
    const encodeAhead = { wire: "v2", events: 200, compress } as const;
    await using ahead = await startSimulate({ epoch: EPOCH, encodeAhead });
    const expected = await receive(v2(plain, "cursor=1"), 300);
    assert.deepEqual(await received(v2(ahead, `${V2}&cursor=1`), 300), expected);
    assert.deepEqual(await receive(v2(ahead, "cursor=1"), 300), expected);
  }
});

Deno.test("many compressed clients at once share one codec", async () => {
  await using server = await startSimulate({ epoch: EPOCH });
  const streams = await Promise.all(
    Array.from(
      { length: 6 },
      (_, n) => received(n % 2 ? v2(server, `${V2}&cursor=1`) : v1(server, `${V1}&cursor=1`), 500),
    ),
  );
  streams.slice(2).forEach((stream, n) => assert.deepEqual(stream, streams[n % 2]));
});

Deno.test("a dictionary that is none is a ConfigError at once", async () => {
  await assert.rejects(startSimulate({ dictionary: new Uint8Array(100) }), (error: unknown) => {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.message, "Cannot use zstd dictionary: it does not begin with 37 A4 30 EC");
    return true;
  });
});
