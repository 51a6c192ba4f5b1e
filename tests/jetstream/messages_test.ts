import assert from "node:assert/strict";
import { toJson } from "../../lib/atproto/event.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import { numbersOf, range, run, T0, v1Line, v2Frame } from "../support/jetstream_run.ts";
import { startScripted } from "../support/scripted_jetstream.ts";

const now = () => T0 / 1000 + 60_000;

Deno.test("J20: broken messages go to the dead letter with their position, the next event is stored", async () => {
  const broken = [
    ...["not json", "[]", "123", "null", '""', "{}", '{"kind":"commit"}'],
    v1Line(9).replace(/"commit":\{.*$/, '"commit":null}'),
    v1Line(9).replace(/"time_us":\d+/, '"time_us":"1783175888000000"'),
  ];
  const notUtf8 = new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]);
  await using server = await startScripted({
    onDial: (dial) => {
      const socket = dial.accept(v1Line(1), ...broken);
      socket.send(notUtf8, { binary: false });
      socket.send(v1Line(2));
    },
  });
  await using reading = run({ url: server.url, now });
  await reading.until(() => reading.events.length === 2);
  await reading.stop();
  assert.deepEqual(numbersOf(reading.events), [1, 2]);
  assert.equal(server.dials.length, 1);
  assert.deepEqual(reading.letters.map((l) => l.error.reason), [
    "not_json",
    ...Array(8).fill("invalid"),
    "not_utf8",
  ]);
  for (const [i, letter] of reading.letters.entries()) {
    assert.equal(letter.stage, "source");
    assert.deepEqual([letter.detail!.host, letter.detail!.wire], [server.host, "v1"]);
    assert.equal(JSON.parse(letter.detail!.position as string).time_us, T0 + 1000);
    if (i < 9) assert.equal(letter.raw, broken[i]);
    else assert.deepEqual(new Uint8Array(letter.raw as Uint8Array), notUtf8);
  }
  assert.equal(reading.counters.received, 12);
});

Deno.test("J20: every tenth message of a stream broken, on both wires: the sums are right and the stream goes on", async () => {
  for (const wire of ["jetstream", "jetstreamV2"] as const) {
    await using server = await startSimulate({ count: 1000, damage: 10 });
    await using reading = run({ url: server[wire], cursor: 1 });
    await reading.until(() => reading.counters.written + reading.counters.deadLettered === 1000);
    await reading.stop();
    assert.equal(reading.counters.deadLettered, 100, wire);
    assert.equal(reading.letters.length, 100, wire);
    assert.equal(reading.source.stats.connections, 1, wire);
  }
});

Deno.test("J20: a broken message before any event has no position, and nothing is saved for it", async () => {
  await using server = await startScripted({ onDial: (dial) => void dial.accept("not json") });
  await using reading = run({ url: server.url, now });
  await reading.until(() => reading.letters.length === 1);
  await reading.stop();
  assert.equal(reading.letters[0]!.detail!.position, null);
  assert.equal(reading.checkpoints.saved, undefined);
});

Deno.test("J21: unknown kinds are ignored and counted, and the position moves past them", async () => {
  const head = `{"did":"did:plc:a","time_us":${T0 + 9000},"kind":`;
  await using v1 = await startScripted({
    onDial: (dial) => void dial.accept(v1Line(1), `${head}"sync","sync":{}}`, `${head}"new"}`, `${head}"new"}`),
  });
  await using first = run({ url: v1.url, now });
  await first.until(() => first.position()?.time_us === T0 + 9000);
  await first.stop();
  assert.deepEqual([first.events.length, first.letters.length, first.source.stats.ignored], [1, 0, 3]);

  const payload = (members: string) =>
    `{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#${members}}}`;
  const unknown = [
    payload('new","seq":5,"time":"2026-07-04T14:38:09.000000Z"'),
    payload('info","name":"Weather","message":"fine"'),
  ];
  await using v2 = await startScripted({
    onDial: (dial) => void dial.accept(v2Frame(1), ...unknown, '{"$type":"later"}'),
  });
  await using second = run({ url: v2.urlV2, now });
  await second.until(() => second.source.stats.ignored === 3);
  await second.until(() => second.position()?.seq === 5);
  await second.stop();
  assert.deepEqual([second.events.length, second.letters.length, second.gaps.length], [1, 0, 0]);
});

Deno.test("J41: a text that looks like another collection, or like none, never decides", async () => {
  const post = "app.bsky.feed.post", like = "app.bsky.feed.like";
  const swap = (line: string) => { // the same members in another order, with white space
    const { commit, ...rest } = JSON.parse(line);
    const { collection, record, ...others } = commit;
    return JSON.stringify({ commit: { record, ...others, collection }, ...rest }, null, 1);
  };
  const lines = range(1, 400).map((i) => {
    const collection = i % 3 === 0 ? post : like;
    const other = collection === post ? like : post;
    const text = `"collection":"${other}" ${JSON.stringify(`"commit":{"collection":"${other}"`)} {"kind":"identity"}`;
    const line = v1Line(i, { collection, ...(i % 2 && { seq: i }) })
      .replace(`"event ${i}"`, JSON.stringify(text))
      .replace('"record":{', `"record":{"collection":"${other}","commit":{"collection":"${other}"},"kind":"account",`);
    return i % 5 === 0 ? swap(line) : i % 7 === 0 ? line.replace(post, "app.bsky.feed.p\\u006fst") : line;
  });
  const identity = `{"did":"did:plc:00000401","time_us":${
    T0 + 401_000
  },"kind":"identity","identity":{"collection":"${like}"}}`;
  await using server = await startScripted({ onDial: (dial) => void dial.accept(...lines, identity) });
  await using reading = run({ url: server.url, now, collections: [post] });
  await reading.until(() => reading.counters.received === 401);
  await reading.stop();
  const wanted = lines.filter((line) => JSON.parse(line).commit.collection === post);
  assert.deepEqual(reading.events.map(toJson), [...wanted, identity]);
  assert.equal(reading.counters.filtered, 400 - wanted.length);
  assert.equal(reading.position()?.time_us, T0 + 401_000);
});

Deno.test("J22: large, deep and odd events are stored as they came", async () => {
  const record = (json: string) => v1Line(5).replace(/"record":\{[^}]*\}/, `"record":${json}`);
  const lines = [
    record(JSON.stringify({ text: "x".repeat(1_100_000) })),
    record(`${'{"a":'.repeat(10_001)}1${"}".repeat(10_001)}`),
    record('{"text":"a\\u2028b\u2028c\u{1F600}"}'),
    record('{"text":"\\ud800"}'),
    `{"did":"did:plc:a","time_us":${T0},"kind":"identity","identity":{"did":"did:plc:a","seq":1,"time":"t"}}`,
    `{"did":"did:plc:a","time_us":${T0},"kind":"commit","commit":{"rev":"3k","operation":"delete","collection":"a.b.c","rkey":"x:y.z"}}`,
  ];
  await using server = await startScripted({
    onDial: (dial) => {
      const socket = dial.accept(...lines);
      socket.send(new TextEncoder().encode(v1Line(7)), { binary: true });
    },
  });
  await using reading = run({ url: server.url, now });
  await reading.until(() => reading.events.length === 7);
  await reading.stop();
  assert.ok(reading.events.every((event, i) => toJson(event) === [...lines, v1Line(7)][i]));
  assert.equal(reading.letters.length, 0);
});

Deno.test("J23: a message of 33 MiB costs one dead letter, and the server is asked to leave such ones out", async () => {
  const large = v1Line(5).replace("event 5", "x".repeat(33 * 1024 * 1024));
  await using server = await startScripted({
    onDial: (dial) => {
      const limit = Number(dial.url.searchParams.get("maxMessageSizeBytes") ?? Infinity);
      const lines = [...range(1, 4).map((i) => v1Line(i)), large, ...range(6, 9).map((i) => v1Line(i))];
      dial.accept(...lines.filter((line) => line.length <= limit));
    },
  });
  await using reading = run({ url: server.url, now });
  await reading.until(() => reading.events.length >= 8);
  await reading.stop();
  assert.deepEqual(numbersOf(reading.events), [1, 2, 3, 4, 6, 7, 8, 9]);
  assert.deepEqual(server.dials.map((d) => d.url.searchParams.get("maxMessageSizeBytes")), [null, "33554432"]);
  assert.deepEqual(reading.letters.map((l) => l.error.reason), ["oversize"]);
  assert.equal(JSON.parse(reading.letters[0]!.detail!.position as string).time_us, T0 + 4000);
});

Deno.test("J23: a server that sends what is too large again and again ends the run at the third time", async () => {
  const large = v1Line(5).replace("event 5", "x".repeat(5000));
  await using server = await startScripted({ onDial: (dial) => void dial.accept(v1Line(1), large, v1Line(6)) });
  await using reading = run({ url: server.url, now, maxFrameBytes: 4096 });
  await assert.rejects(reading.result, /messages above 4096 bytes come again at the same position/);
  assert.equal(server.dials.length, 3);
  assert.deepEqual(numbersOf(reading.events), [1]);
});
