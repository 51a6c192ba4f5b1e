import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { toJson } from "../../lib/atproto/event.ts";
import { V1_DICTIONARY_ID, V2_DICTIONARY_ID } from "../../lib/net/zstd/ids.ts";
import { readFrameHeader } from "../../lib/net/zstd/header.ts";
import { SIMULATE_DICTIONARY_ID, simulateDictionary } from "../../lib/simulate/dictionary.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import { keepCached } from "../../lib/sources/jetstream/dictionary_cache.ts";
import { idsOf, numbersOf, range, run, T0, v1Line, v2Frame } from "../support/jetstream_run.ts";
import { captureLog } from "../support/log_records.ts";
import { realTest } from "../support/real_data.ts";
import { type Dial, startScripted } from "../support/scripted_jetstream.ts";
import { tempFolder } from "../support/temp.ts";
import { bombFrame, framesOf, storedFrame, withId } from "../support/zstd_frames.ts";

const V1_DICTIONARY = "legacy_subscribe.zdict", V2_DICTIONARY = "subscribe_events_20260811.zdict";
const now = () => T0 / 1000 + 60_000;
const linesOf = async (path: string) => (await Deno.readTextFile(path)).trim().split("\n");
const dictionary = simulateDictionary();
const ID = SIMULATE_DICTIONARY_ID;
const stored = (i: number) => storedFrame(v1Line(i), ID);
const storedV2 = (i: number, id: number) => storedFrame(v2Frame(i), id);

/** Hands out dictionaries by the last part of the URL; 404 for others. */
function dictionaryServer(answers: Readonly<Record<string, Uint8Array>>) {
  const asked: string[] = [];
  const fetch: typeof globalThis.fetch = (input) => {
    const { pathname, search } = new URL(String(input));
    asked.push(pathname.replace(/.*[./]/, "") + search);
    const bytes = answers[asked.at(-1)!];
    return Promise.resolve(bytes ? new Response(Uint8Array.from(bytes)) : new Response("{}", { status: 404 }));
  };
  return { fetch, asked };
}
const noDictionaries = dictionaryServer({}).fetch;
const warnings = (lines: readonly string[]) =>
  lines.filter((line) => line.startsWith("warning: ") && /zstd/.test(line));
/** The queries of handshakes, the kinds that v2 is asked for left out. */
const parametersOf = (dials: readonly Dial[]) =>
  dials.map(({ url }) => url.search.replaceAll(/kinds=\w+&?/g, "").replace(/^\?$/, ""));

realTest("J16: 152 genuine frames through a socket are the lines of E", [
  V1_DICTIONARY,
  "v1_zstd_frames.bin",
  "expected_v1.jsonl",
], async ([zdict, bin, e]) => {
  const frames = framesOf(await Deno.readFile(bin!));
  assert.equal(frames.filter((frame) => readFrameHeader(frame).contentSize === undefined).length, 6);
  await using server = await startScripted({ onDial: (dial) => void dial.accept(...frames) });
  await using reading = run({ url: server.url, compress: true, dictionary: await Deno.readFile(zdict!) });
  await reading.until(() => reading.counters.received === 152);
  await reading.stop();
  assert.deepEqual(reading.events.map(toJson), await linesOf(e!));
  assert.deepEqual(parametersOf(server.dials), ["?compress=true"]);
  assert.equal(reading.source.stats.bytesReceived, frames.reduce((sum, { length }) => sum + length, 0));
});

realTest("J16: what a new server compresses is what it sends plain, on each wire", [
  V1_DICTIONARY,
  V2_DICTIONARY,
  "golden_v2server_v1wire_zstd.bin",
  "golden_v2_zstd_frames.bin",
  "golden_v2server_v1wire.jsonl",
], async ([v1, v2, v1Frames, v2Frames, g1]) => {
  const lines = await linesOf(g1!);
  for (const [wire, zdict, bin] of [["url", v1!, v1Frames!], ["urlV2", v2!, v2Frames!]] as const) {
    const frames = framesOf(await Deno.readFile(bin));
    await using server = await startScripted({ onDial: (dial) => void dial.accept(...frames) });
    await using reading = run({ url: server[wire], compress: true, dictionary: await Deno.readFile(zdict) });
    await reading.until(() => reading.counters.received === 152);
    await reading.stop();
    assert.deepEqual(
      new Set(reading.events.map((event) => event.seq)),
      new Set(lines.map((l) => JSON.parse(l).cursor)),
    );
    const byCursor = new Map(lines.map((line) => [JSON.parse(line).cursor, JSON.parse(line)]));
    for (const event of reading.events) assert.deepEqual(JSON.parse(toJson(event)), byCursor.get(event.seq));
  }
});

realTest("J17: a bad frame is one dead letter with its bytes, the next one is processed, memory stays", [
  V1_DICTIONARY,
  "v1_zstd_frames.bin",
  "expected_v1.jsonl",
], async ([zdict, bin, e]) => {
  const frames = framesOf(await Deno.readFile(bin!));
  const single = frames.find((frame) => (frame[4]! & 0x20) !== 0)!;
  const checksum = Buffer.from(frames[1]!);
  checksum[checksum.length - 1]! ^= 1;
  // Eight bytes of content size, in a single segment.
  const claim = Buffer.concat([
    frames[3]!.subarray(0, 4),
    Buffer.from([0b1110_0111]),
    Buffer.alloc(12),
    single.subarray(9),
  ]);
  claim.writeUInt32LE(V1_DICTIONARY_ID, 5);
  claim.writeUInt32LE(1, 13);
  const bad = [withId(single, 12345, 5), checksum, claim, frames[4]!.subarray(0, -20)];
  const all = bad.flatMap((frame, i) => [frame, frames[i]!]);
  await using server = await startScripted({ onDial: (dial) => void dial.accept(...all) });
  await using reading = run({
    url: server.url,
    compress: true,
    dictionary: await Deno.readFile(zdict!),
    fetch: noDictionaries,
  });
  await reading.until(() => reading.counters.received >= 1);
  const { rss } = Deno.memoryUsage();
  await reading.until(() => reading.counters.received === 8);
  await reading.stop();
  assert.ok(Deno.memoryUsage().rss - rss < 100 * 1024 * 1024);
  assert.deepEqual(reading.events.map(toJson), (await linesOf(e!)).slice(0, 4));
  assert.deepEqual(reading.letters.map(({ error }) => error.reason), [
    "unknown_dictionary",
    "bad_checksum",
    "oversize",
    "bad_frame",
  ]);
  assert.deepEqual(reading.letters.map(({ raw }) => Buffer.from(raw as Uint8Array)), bad);
  assert.ok(reading.letters.every(({ stage, detail }) => stage === "source" && detail!.wire === "v1"));
  assert.equal(server.dials.length, 1);
});

Deno.test("J17: a bomb is bounded by what is accepted, however large it says it is", async () => {
  const frames = [
    stored(1),
    bombFrame(1000, ID),
    storedFrame(v1Line(3).replace("event 3", "x".repeat(5000)), ID),
    stored(4),
  ];
  await using server = await startScripted({ onDial: (dial) => void dial.accept(...frames) });
  await using reading = run({ url: server.url, now, compress: true, dictionary, maxFrameBytes: 8192 });
  await reading.until(() => reading.counters.received === 4);
  await reading.stop();
  assert.deepEqual(numbersOf(reading.events), [1, 3, 4]);
  assert.deepEqual(reading.letters.map(({ error, raw }) => [error.reason, Buffer.from(raw as Uint8Array)]), [
    ["oversize", frames[1]],
  ]);
});

Deno.test("J18: text and plain binary messages on a compressed connection, zstd on a plain one", async () => {
  await using server = await startScripted({
    onDial: (dial) => {
      const socket = dial.accept(v1Line(1), stored(2), v1Line(3));
      socket.send(new TextEncoder().encode(v1Line(4)), { binary: true });
      socket.send(stored(5));
    },
  });
  for (const compress of [true, false]) {
    await using reading = run({ url: server.url, now, compress, dictionary, fetch: () => assert.fail("asked") });
    await reading.until(() => reading.counters.received === 5);
    await reading.stop();
    assert.deepEqual(numbersOf(reading.events), range(1, 5));
    assert.equal(reading.letters.length, 0);
  }
  assert.deepEqual(parametersOf(server.dials), ["?compress=true", ""]);
});

Deno.test("J18: on a plain connection the dictionary comes from the folder, or from the server by its id", async () => {
  await using server = await startScripted({ onDial: (dial) => void dial.accept(stored(1), v1Line(2), stored(3)) });
  using folder = tempFolder();
  const web = dictionaryServer({ [`getZstdDictionary?id=${ID}`]: dictionary });
  for (let i = 0; i < 2; i++) {
    await using reading = run({ url: server.url, now, dictionaryFolder: folder.path, fetch: web.fetch });
    await reading.until(() => reading.counters.received === 3);
    await reading.stop();
    assert.deepEqual(numbersOf(reading.events), [1, 2, 3]);
  }
  assert.deepEqual(web.asked, [`getZstdDictionary?id=${ID}`]);
});

Deno.test("J18: without its dictionary a message is a dead letter, and there is one warning", async () => {
  await using server = await startScripted({ onDial: (dial) => void dial.accept(stored(1), v1Line(2), stored(3)) });
  await using log = await captureLog();
  const web = dictionaryServer({});
  await using reading = run({ url: server.url, now, fetch: web.fetch });
  await reading.until(() => reading.counters.received === 3);
  reading.source.reconnect();
  await reading.until(() => reading.letters.length === 4);
  await reading.stop();
  assert.deepEqual(numbersOf(reading.events), [2]);
  assert.equal(web.asked.length, 1);
  assert.match(warnings(log.lines)[0]!, /HTTP 404\. Messages that need it cannot be read$/);
  assert.equal(warnings(log.lines).length, 1);
});

Deno.test("J18: stopped while a dictionary is looked for, what needs it is left for the next run", async () => {
  await using server = await startScripted({ onDial: (dial) => void dial.accept(v1Line(1)) });
  let asked!: () => void;
  const asking = new Promise<void>((resolve) => asked = resolve);
  const fetch: typeof globalThis.fetch = (_, init) => {
    asked();
    return new Promise((_, reject) => init!.signal!.addEventListener("abort", () => reject(init!.signal!.reason)));
  };
  await using reading = run({ url: server.url, now, fetch });
  await reading.until(() => reading.events.length === 1);
  for (const socket of server.sockets) socket.send(stored(2));
  await asking;
  assert.equal((await reading.stop()).endedBy, "stop");
  assert.deepEqual([reading.events.length, reading.letters.length], [1, 0]);
  assert.equal(reading.position()!.time_us, T0 + 1000);
});

Deno.test("J19: what the server sees: compression in its place in the query, and never deflate", async () => {
  await using server = await startScripted({
    onDial: (dial) => dial.url.pathname === "/subscribe" ? dial.accept(v1Line(1)) : dial.accept(v2Frame(1)),
  });
  const v2Dictionary = withId(dictionary, V2_DICTIONARY_ID, 4);
  const filter = { collections: ["a.b.c"], kinds: ["commit"], cursor: T0, maxMessageBytes: 9999 };
  const dids = range(1, 101).map((i) => `did:plc:${i}`);
  const cases = [
    [
      { url: server.url, dictionary, ...filter },
      /^\?wantedCollections=a\.b\.c&cursor=\d+&maxMessageSizeBytes=9999&compress=true$/,
    ],
    [{ url: server.url, dictionary, dids, collections: ["all"] }, /^\?compress=true&requireHello=true$/],
    [
      { url: server.urlV2, dictionary: v2Dictionary, ...filter },
      /^\?kinds=commit&collections=a\.b\.c&cursor=\d+&maxMessageSizeBytes=9999&zstdDictionary=20260811$/,
    ],
  ] as const;
  for (const [options, expected] of cases) {
    const { length } = server.dials;
    await using reading = run({ ...options, now, compress: true });
    await reading.until(() => reading.counters.received > 0);
    await reading.stop();
    assert.match(server.dials[length]!.url.search, expected);
    assert.equal(server.dials[length]!.headers["sec-websocket-extensions"], undefined);
  }
});

/** A v2 server that knows one dictionary. */
function knowing(id: number, onAccept: (dial: Dial, compressed: boolean) => void) {
  return (dial: Dial) => {
    const asked = dial.url.searchParams.get("zstdDictionary");
    if (asked === null || asked === String(id)) return onAccept(dial, asked !== null);
    const message = `unknown zstd dictionary id ${asked}; current dictionary id is ${id}`;
    dial.refuse(400, JSON.stringify({ error: "UnknownZstdDictionary", message }));
  };
}

Deno.test("C5: a server that does not know the dictionary is asked for its own, once, at once", async () => {
  const own = withId(dictionary, 77, 4);
  await using server = await startScripted({
    onDial: knowing(77, (dial) => void dial.accept(storedV2(1, 77), storedV2(2, 77))),
  });
  const web = dictionaryServer({ getZstdDictionary: own });
  using folder = tempFolder();
  await keepCached(folder.path, { id: 66, bytes: withId(dictionary, 66, 4) });
  const backoff = () => assert.fail("waited");
  const options = { url: server.urlV2, now, compress: true, dictionaryFolder: folder.path, fetch: web.fetch, backoff };
  for (const asked of [["?zstdDictionary=66", "?zstdDictionary=77"], ["?zstdDictionary=77"]]) {
    const { length } = server.dials;
    await using reading = run(options);
    await reading.until(() => reading.events.length === 2);
    await reading.stop();
    assert.deepEqual(parametersOf(server.dials.slice(length)), asked);
  }
  assert.deepEqual(web.asked, ["getZstdDictionary"], "the second run has it from the folder");
});

Deno.test("C5: a server that refuses its own dictionary too is read uncompressed, with one warning", async () => {
  await using server = await startScripted({
    onDial: knowing(99, (dial, compressed) => {
      assert.equal(compressed, false);
      dial.accept(v2Frame(1), v2Frame(2));
    }),
  });
  const web = dictionaryServer({ getZstdDictionary: withId(dictionary, 77, 4) });
  await using log = await captureLog();
  await using reading = run({ url: server.urlV2, now, compress: true, dictionary, fetch: web.fetch });
  await reading.until(() => reading.events.length === 2);
  reading.source.reconnect();
  await reading.until(() => server.dials.length === 4 && reading.source.stats.connected);
  await reading.stop();
  assert.deepEqual(parametersOf(server.dials), [`?zstdDictionary=${ID}`, "?zstdDictionary=77", "", "?cursor=2"]);
  assert.deepEqual(warnings(log.lines), [
    `warning: ${server.host} refuses even its own zstd dictionary, 77. Reading uncompressed`,
  ]);
});

Deno.test("C5: where no dictionary is to be had: one warning, uncompressed, and no more requests", async () => {
  for (const wire of ["url", "urlV2"] as const) {
    const message = wire === "url" ? v1Line : v2Frame;
    await using server = await startScripted({ onDial: (dial) => void dial.accept(message(1), message(2)) });
    const web = dictionaryServer({});
    await using log = await captureLog();
    await using reading = run({ url: server[wire], now, compress: true, fetch: web.fetch });
    await reading.until(() => reading.events.length === 2);
    for (const times of [2, 3]) {
      reading.source.reconnect();
      await reading.until(() => reading.source.stats.connections === times);
    }
    await reading.stop();
    assert.deepEqual(web.asked, [wire === "url" ? "zdict" : "getZstdDictionary"]);
    assert.ok(server.dials.every(({ url }) => !/zstd|compress/.test(url.search)));
    assert.match(warnings(log.lines)[0]!, /HTTP 404\. Reading uncompressed$/);
    assert.equal(warnings(log.lines).length, 1);
  }
});

Deno.test("C5: parameters of a URL ask for compression as the options do", async () => {
  await using server = await startScripted({
    onDial: (dial) => dial.url.pathname === "/subscribe" ? dial.accept(stored(1)) : dial.accept(storedV2(1, 77)),
  });
  await using v1 = run({ url: `${server.url}?compress=true&x=1`, now, dictionary });
  await v1.until(() => v1.events.length === 1);
  const web = dictionaryServer({ "getZstdDictionary?id=77": withId(dictionary, 77, 4) });
  await using v2 = run({ url: `${server.urlV2}?zstdDictionary=77`, now, fetch: web.fetch });
  await v2.until(() => v2.events.length === 1);
  assert.deepEqual(parametersOf(server.dials), ["?compress=true&x=1", "?zstdDictionary=77"]);
});

realTest("C5: from a v1 host to a v2 one in mid-stream, each with its own dictionary", [
  V1_DICTIONARY,
  V2_DICTIONARY,
  "v1_zstd_frames.bin",
  "golden_v2_zstd_frames.bin",
], async ([v1Dictionary, v2Dictionary, v1, v2]) => {
  const v1Frames = framesOf(await Deno.readFile(v1!)), v2Frames = framesOf(await Deno.readFile(v2!));
  await using first = await startScripted({
    onDial: (dial) => dial.index === 0 ? dial.accept(...v1Frames.slice(0, 70)).close(1001) : dial.refuse(403, "gone"),
  });
  await using second = await startScripted({ get: { status: 426 }, onDial: (dial) => void dial.accept(...v2Frames) });
  const web = dictionaryServer({
    zdict: await Deno.readFile(v1Dictionary!),
    getZstdDictionary: await Deno.readFile(v2Dictionary!),
  });
  await using reading = run({
    instances: [`ws://${first.host}`, `ws://${second.host}`],
    compress: true,
    fetch: web.fetch,
  });
  await reading.until(() => reading.counters.received >= 70 + 152);
  await reading.stop();
  // The two files are of different days, so nothing of the second one is taken for a copy.
  assert.deepEqual(reading.events.map(({ origin }) => origin.wire), [
    ...Array(70).fill("v1"),
    ...Array(152).fill("v2"),
  ]);
  assert.equal(new Set(idsOf(reading.events)).size, 152);
  assert.equal(reading.letters.length, 0);
  assert.deepEqual(web.asked, ["zdict", "getZstdDictionary"]);
  assert.equal(second.dials.at(-1)!.url.searchParams.get("zstdDictionary"), "20260811");
});

Deno.test("J41: the prefilter reads what was decompressed, bytes count as they came", async () => {
  const frames = range(1, 200).map((i) => {
    return storedFrame(v1Line(i, { collection: i % 3 ? "app.bsky.feed.like" : "app.bsky.feed.post" }), ID);
  });
  await using server = await startScripted({ onDial: (dial) => void dial.accept(...frames) });
  await using reading = run({ url: server.url, now, compress: true, dictionary, collections: ["app.bsky.feed.post"] });
  await reading.until(() => reading.counters.received === 200);
  await reading.stop();
  assert.deepEqual(numbersOf(reading.events), range(1, 200).filter((i) => i % 3 === 0));
  assert.equal(reading.counters.filtered, reading.counters.received - reading.events.length);
  assert.equal(reading.source.stats.bytesReceived, frames.reduce((sum, { length }) => sum + length, 0));
});

Deno.test("a simulated server gives the same events compressed and not, on each wire, in less than half the bytes", async () => {
  for (const wire of ["jetstream", "jetstreamV2"] as const) {
    const runs: { json: string[]; bytes: number }[] = [];
    for (const compress of [false, true]) {
      await using server = await startSimulate({ count: 2000, epoch: T0 });
      const web = dictionaryServer({});
      await using reading = run({ url: server[wire], cursor: 0, compress, dictionary, fetch: web.fetch });
      await reading.until(() => reading.counters.received === 2000);
      await reading.stop();
      runs.push({ json: reading.events.map(toJson), bytes: reading.source.stats.bytesReceived });
      assert.deepEqual([reading.letters.length, web.asked], [0, []]);
    }
    assert.deepEqual(runs[0]!.json, runs[1]!.json, wire);
    assert.ok(runs[1]!.bytes < runs[0]!.bytes / 2, wire);
  }
});
