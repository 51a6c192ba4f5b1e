import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { captureLog } from "../../tests/support/log_records.ts";
import { realTest } from "../../tests/support/real_data.ts";
import { commitEvent, EPOCH_US, readBack } from "../../tests/support/sqlite.ts";
import { tempFolder } from "../../tests/support/temp.ts";
import { bombFrame, storedFrame } from "../../tests/support/zstd_frames.ts";
import { type AnyEvent, eventId, toJson } from "../atproto/event.ts";
import { V1_DICTIONARY_ID } from "../net/zstd/ids.ts";
import type { Batch } from "../pipeline/batch.ts";
import { ConfigError } from "../pipeline/errors.ts";
import { runPipeline } from "../pipeline/pipeline.ts";
import { SIMULATE_DICTIONARY_ID, simulateDictionary } from "../simulate/dictionary.ts";
import { loadEventLines } from "../simulate/events.ts";
import { startSimulate } from "../simulate/server.ts";
import { nullSink } from "../sinks/null.ts";
import { sqliteSink } from "../sinks/sqlite.ts";
import { keepCached } from "./jetstream/dictionary_cache.ts";
import { jetstream } from "./jetstream/jetstream.ts";
import type { TapEntry } from "./tap.ts";
import { replay, type ReplayOptions } from "./replay.ts";
import { frameHead, RECORD_FORMATS } from "./replay/format.ts";
import { createRecorder, type RecorderOptions } from "./replay/recorder.ts";

/** Event `i` as a message of the v1 wire; without a time of its own it comes 500 us behind the one before. */
function line(i: number, time_us?: number): string {
  const { origin: _, ...event } = commitEvent(i, {}, time_us);
  return JSON.stringify(event);
}

function lines(count: number, from = 1): string[] {
  return Array.from({ length: count }, (_, i) => line(from + i));
}

/** What a tap shows: a number sets the clock (microseconds), a text is a message, an object a connection. */
type Step = number | string | TapEntry;

const opened = (host: string, query = ""): TapEntry => {
  return { type: "opened", url: `wss://${host}/subscribe${query}`, host, wire: "v1" };
};
const CLOSED: TapEntry = { type: "closed", code: 1006, reason: "" };

async function recordingOf(steps: readonly Step[], options: Partial<RecorderOptions> = {}): Promise<Buffer> {
  const writes: Uint8Array[] = [];
  let now = EPOCH_US;
  const recorder = createRecorder({
    output: { write: (bytes) => Promise.resolve(void writes.push(bytes)), sync: () => Promise.resolve() },
    format: "recording",
    compression: "none",
    source: "jetstream",
    now: () => now,
    ...options,
  });
  for (const step of steps) {
    if (typeof step === "number") now = step;
    else if (typeof step !== "string") recorder.add(step);
    else recorder.add({ type: "frames", frames: { data: [Buffer.from(step)], binary: [false] } });
  }
  await recorder.flush();
  return Buffer.concat(writes);
}

/** Files of these contents in a folder of their own. */
function filesOf(contents: Readonly<Record<string, string | Uint8Array>>) {
  const folder = tempFolder();
  const paths = Object.entries(contents).map(([name, content]) => {
    const path = `${folder.path}/${name}`;
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, content);
    return path;
  });
  return { paths, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

async function read(options: ReplayOptions, cursor?: string): Promise<Batch<AnyEvent>[]> {
  return await Array.fromAsync(replay(options).open({ cursor }));
}

const textsOf = (batches: readonly Batch<AnyEvent>[]) => batches.flatMap((b) => b.items.map(toJson));
const placeOf = (batch: Batch<AnyEvent> | undefined) =>
  batch?.cursor === undefined ? undefined : JSON.parse(batch.cursor);

realTest("T7: what was recorded of E in three formats, plain, gzip and zstd, gives the 152 rows of E again", [
  "expected_v1.jsonl",
], async ([path]) => {
  const text = await Deno.readTextFile(path!);
  const expected = text.trimEnd().split("\n");
  await using server = await startSimulate({ kind: "legacy", events: loadEventLines(text) });
  const taps: TapEntry[] = [];
  const done = new AbortController();
  let messages = 0;
  const source = jetstream({
    url: server.jetstream,
    collections: ["all"],
    tap(entry) {
      taps.push(entry);
      if (entry.type === "frames" && (messages += entry.frames.data.length) >= 152) done.abort();
    },
  });
  await Array.fromAsync(source.open({ stop: done.signal }));
  for (const format of RECORD_FORMATS) {
    for (const compression of ["none", "gzip", "zstd"] as const) {
      const writes: Uint8Array[] = [];
      const recorder = createRecorder({
        output: { write: (bytes) => Promise.resolve(void writes.push(bytes)), sync: () => Promise.resolve() },
        format,
        compression,
        source: "jetstream",
      });
      for (const tap of taps) recorder.add(tap);
      await recorder.flush();
      using files = filesOf({ recorded: Buffer.concat(writes) });
      using folder = tempFolder();
      const db = `${folder.path}/rows.db`;
      {
        await using sink = await sqliteSink({ path: db });
        await runPipeline({ source: replay({ files: files.paths }), sink });
      }
      const rows = readBack<{ json: string }>(db, "SELECT json FROM events ORDER BY position");
      assert.deepEqual(rows.map((row) => row.json), expected, `${format}, ${compression}`);
    }
  }
});

realTest("T9: E and G2 are recognised, and are the same 152 events", ["expected_v1.jsonl", "golden_v2.jsonl"], async (
  [e, g2],
) => {
  const v1 = (await read({ files: [e!] })).flatMap((b) => b.items);
  const v2 = (await read({ files: [g2!] })).flatMap((b) => b.items);
  assert.equal(v1.length, 152);
  assert.deepEqual(v2.map(eventId).sort(), v1.map(eventId).sort());
  assert.deepEqual(v2[0]!.origin, { source: "replay", wire: "v2", host: "golden_v2.jsonl" });
});

realTest("T9: genuine zstd messages are the lines of E, with the dictionary as a file or from the folder", [
  "v1_zstd_frames.bin",
  "legacy_subscribe.zdict",
  "expected_v1.jsonl",
], async ([bin, zdict, e]) => {
  const expected = (await Deno.readTextFile(e!)).trimEnd().split("\n");
  const dictionary = await Deno.readFile(zdict!);
  using folder = tempFolder();
  await keepCached(folder.path, { id: V1_DICTIONARY_ID, bytes: dictionary });
  for (const options of [{ dictionary }, { dictionaryFolder: folder.path }]) {
    const source = replay({ files: [bin!], ...options });
    await source.check();
    const batches = await Array.fromAsync(source.open());
    assert.deepEqual(textsOf(batches), expected);
    const middle = batches[0]!.cursorAfter!(batches[0]!.items[99]);
    assert.deepEqual(textsOf(await read({ files: [bin!], ...options }, middle)), expected.slice(100));
  }
});

realTest("T9: zstd messages of the v2 wire are recognised as such", [
  "golden_v2_zstd_frames.bin",
  "subscribe_events_20260811.zdict",
  "golden_v2.jsonl",
], async ([bin, zdict, g2]) => {
  const compressed = await read({ files: [bin!], dictionary: await Deno.readFile(zdict!) });
  assert.deepEqual(textsOf(compressed), textsOf(await read({ files: [g2!] })));
});

/** Messages that each have their length in front. */
const framed = (...messages: Buffer[]) => Buffer.concat(messages.flatMap((each) => [frameHead(each.length), each]));
const zstdLine = (i: number, id: number = SIMULATE_DICTIONARY_ID) => storedFrame(line(i), id);

Deno.test("T9: zstd messages without their dictionary are exit 2 before anything is read, naming id and option", async () => {
  using files = filesOf({ "x.bin": framed(zstdLine(1, 77)) });
  const wrong = `Cannot replay ${files.paths[0]}: it needs the zstd dictionary 77`;
  const option = "name it with --zstd-dictionary";
  using folder = tempFolder();
  const cases = [
    [{}, `${wrong}: ${option}`],
    [{ dictionaryFolder: folder.path }, `${wrong}: ${option}`],
    [{ dictionary: simulateDictionary() }, `${wrong}, not ${SIMULATE_DICTIONARY_ID}: ${option}`],
  ] as const;
  for (const [options, message] of cases) {
    await assert.rejects(replay({ files: files.paths, ...options }).check(), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.message, message);
      return true;
    });
  }
  assert.throws(() => replay({ files: files.paths, dictionary: new Uint8Array(100) }), /it is none/);
});

Deno.test("T9: in a recording, a dictionary that is missing shows at the first message that needs it", async () => {
  const frames = (message: Buffer): TapEntry => ({ type: "frames", frames: { data: [message], binary: [true] } });
  using files = filesOf({ "x.rec": await recordingOf([opened("h"), line(1), frames(zstdLine(2, 77))]) });
  const source = replay({ files: files.paths });
  await source.check();
  await assert.rejects(Array.fromAsync(source.open()), (error) => {
    return error instanceof ConfigError && /it needs the zstd dictionary 77/.test(error.message);
  });
});

Deno.test("J17: a damaged zstd message in between is poison with its bytes, the next one is read", async () => {
  const bad = [zstdLine(9, 77), zstdLine(9).subarray(0, -9), bombFrame(1025, SIMULATE_DICTIONARY_ID)];
  const notUtf8 = storedFrame("{", SIMULATE_DICTIONARY_ID);
  notUtf8[notUtf8.length - 1] = 0xff;
  using files = filesOf({
    "x.bin": framed(zstdLine(1), ...bad, notUtf8, Buffer.from(line(2)), zstdLine(3)),
  });
  const batches = await read({ files: files.paths, dictionary: simulateDictionary() });
  assert.deepEqual(textsOf(batches), lines(3));
  const poison = batches.flatMap((b) => b.poison ?? []);
  assert.deepEqual(poison.map((p) => [p.error.reason, p.raw]), [
    ["unknown_dictionary", bad[0]],
    ["bad_frame", bad[1]],
    ["oversize", bad[2]],
    ["not_utf8", notUtf8],
  ]);
  assert.deepEqual(poison.map((p) => p.detail!.entry), [2, 3, 4, 5]);
});

Deno.test("T7: a compressed stream is recorded as it comes, and replayed as it was", async () => {
  await using server = await startSimulate({ count: 300, epoch: EPOCH_US });
  const dictionary = simulateDictionary();
  for (const wire of ["jetstream", "jetstreamV2"] as const) {
    const taps: TapEntry[] = [];
    const expected: string[] = [];
    const done = new AbortController();
    const source = jetstream({
      url: server[wire],
      collections: ["all"],
      cursor: 0,
      compress: true,
      dictionary,
      tap: (entry) => void taps.push(entry),
    });
    for await (const { items } of source.open({ stop: done.signal })) {
      expected.push(...items.map(toJson));
      if (expected.length === 300) done.abort();
    }
    assert.equal(expected.length, 300);
    assert.ok(taps.every((tap) => tap.type !== "frames" || tap.frames.binary.every((binary) => binary)));
    for (const format of ["recording", "frames"] as const) {
      using files = filesOf({ recorded: await recordingOf(taps, { format }) });
      assert.deepEqual(textsOf(await read({ files: files.paths, dictionary })), expected, `${wire}, ${format}`);
    }
    await assert.rejects(recordingOf(taps, { format: "ndjson" }), ConfigError);
  }
});

Deno.test("T9: an empty file gives no events, and the source comes to its end", async () => {
  using files = filesOf({ "empty.jsonl": "" });
  const batches = await read({ files: files.paths });
  assert.deepEqual(batches.map((b) => ({ ...b, cursor: placeOf(b) })), [
    { items: [], cursor: { v: 1, loop: 1, file: 1, entry: 0, size: 0, done: true }, end: true },
  ]);
});

Deno.test("T9: all files that are missing or not recognised are named before anything is read", async () => {
  using files = filesOf({ "good.jsonl": line(1), "bad.jpg": Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1]) });
  const missing = `${files.paths[0]}.x`;
  const source = replay({ files: [...files.paths, missing, "/"] });
  await assert.rejects(source.open().getReader().read(), (error) => {
    assert.ok(error instanceof ConfigError);
    assert.deepEqual(error.faults, [
      `Cannot replay ${files.paths[1]}: it is no recording, and has neither event lines nor frames`,
      `Cannot read ${missing}: no such file`,
      "Cannot read /: it is a folder",
    ]);
    return true;
  });
});

Deno.test("T9: a broken line in between is poison that says where it was, and the rest is read", async () => {
  const bad = Buffer.concat([Buffer.from('{"x":"'), Buffer.from([0xff]), Buffer.from('"}')]);
  const content = Buffer.concat([Buffer.from(`${line(1)}\nnot json\n\n`), bad, Buffer.from(`\n[]\n${line(2)}\n`)]);
  using files = filesOf({ "x.jsonl": content });
  const batches = await read({ files: files.paths });
  assert.deepEqual(textsOf(batches), [line(1), line(2)]);
  const poison = batches.flatMap((b) => b.poison ?? []);
  assert.deepEqual(poison.map((p) => [p.error.reason, p.raw, p.detail!.file, p.detail!.line]), [
    ["not_json", "not json", "x.jsonl", 2],
    ["not_utf8", bad, "x.jsonl", 4],
    ["invalid", "[]", "x.jsonl", 5],
  ]);
  const { position, host, wire } = poison[1]!.detail!;
  assert.deepEqual([JSON.parse(position as string).entry, host, wire], [3, "x.jsonl", "v1"]);
  // Poison comes behind the items of its batch, and the position covers it.
  assert.deepEqual(batches.map((b) => [b.items.length, b.poison?.length ?? 0, placeOf(b).entry]), [
    [1, 1, 2],
    [0, 1, 4],
    [0, 1, 5],
    [1, 0, 6],
    [0, 0, 0],
  ]);
});

Deno.test("T8: a recording without its last byte lacks the last entry, and says so once", async () => {
  const bytes = await recordingOf([opened("h"), ...lines(3)]);
  const later = await recordingOf(lines(2, 2));
  const compressed = Buffer.concat([
    await recordingOf([opened("h"), line(1)], { compression: "gzip" }),
    gzipSync(later.subarray(later.indexOf("\n") + 1)),
  ]);
  for (const [cut, left] of [[bytes.subarray(0, -1), 2], [compressed.subarray(0, -30), 1]] as const) {
    await using log = await captureLog();
    using files = filesOf({ "x.rec": cut });
    const batches = await read({ files: files.paths });
    assert.deepEqual(textsOf(batches), lines(left));
    assert.deepEqual(batches.flatMap((b) => b.poison ?? []), []);
    assert.equal(batches.at(-1)!.end, true);
    assert.deepEqual(log.lines.filter((l) => l.startsWith("warning")), [
      "warning: The end of x.rec is cut off: its last entry is left out",
    ]);
  }
});

Deno.test("T8: a last line without its end counts if it is whole, else it is cut off", async () => {
  await using log = await captureLog();
  using files = filesOf({ "a.jsonl": `${line(1)}\n${line(2)}`, "b.jsonl": `${line(3)}\n${line(4).slice(0, 50)}` });
  const batches = await read({ files: files.paths });
  assert.deepEqual(textsOf(batches), lines(3));
  assert.deepEqual(batches.flatMap((b) => b.poison ?? []), []);
  assert.deepEqual(log.lines.filter((l) => /warning/.test(l)), [
    "warning: The end of b.jsonl is cut off: its last entry is left out",
  ]);
});

Deno.test("T9: damage in the middle is one dead letter, and the next file is read", async () => {
  const whole = await recordingOf([opened("h"), line(1)]);
  const damaged = Buffer.concat([whole, Buffer.alloc(40, 0xff)]);
  using files = filesOf({ "a.rec": damaged, "b.jsonl": line(2) });
  const batches = await read({ files: files.paths });
  assert.deepEqual(textsOf(batches), lines(2));
  const [poison, ...more] = batches.flatMap((b) => b.poison ?? []);
  assert.equal(poison!.error.reason, "framing");
  assert.match(poison!.error.message, /the rest of a\.rec is left out$/);
  assert.equal(more.length, 0);
});

Deno.test("replay: host and wire are those of the recording's connections", async () => {
  const v2 = {
    $type: "message",
    payload: {
      $type: "network.bsky.jetstream.subscribeEvents#account",
      account: { active: true, did: "did:plc:a", seq: 7, time: "2026-01-01T00:00:00Z" },
      did: "did:plc:a",
      seq: 9,
      time: "2026-01-01T00:00:01.000000Z",
    },
  };
  const bytes = await recordingOf([
    opened("one"),
    line(1),
    CLOSED,
    { ...opened("two"), wire: "v2" } as TapEntry,
    JSON.stringify(v2),
  ]);
  using files = filesOf({ "x.rec": bytes });
  const events = (await read({ files: files.paths })).flatMap((b) => b.items);
  assert.deepEqual(events.map((e) => [e.origin.host, e.origin.wire, e.kind]), [
    ["one", "v1", "commit"],
    ["two", "v2", "account"],
  ]);
});

Deno.test("replay: copies are left out behind a reconnect, and nowhere else", async () => {
  const SECOND = 1_000_000;
  const at = (i: number) => line(i, EPOCH_US + i * SECOND);
  const bytes = await recordingOf([
    opened("one"),
    ...[1, 2, 3, 3, 4].map(at), // no reconnect: the server's own doubles are handed on
    CLOSED,
    opened("one", `?cursor=${EPOCH_US - SECOND}`),
    ...[1, 3, 4, 5, 10, 4].map(at), // past the overlap nothing is compared any more
    CLOSED,
    opened("two", `?cursor=${EPOCH_US + 7 * SECOND}`),
    ...[6, 7, 10, 11].map(at), // 6 was never asked for
  ]);
  using files = filesOf({ "x.rec": bytes });
  const batches = await read({ files: files.paths });
  const expected = [1, 2, 3, 3, 4, 5, 10, 4, 7, 11].map(at);
  assert.deepEqual(textsOf(batches), expected);
  assert.equal(batches.reduce((n, b) => n + (b.duplicates ?? 0), 0), 5);
});

Deno.test("T11: from the position behind any event, the rest comes exactly once, copies behind reconnects included", async () => {
  const SECOND = 1_000_000;
  const at = (i: number) => line(i, EPOCH_US + i * SECOND);
  const first = await recordingOf([opened("h"), ...[1, 2, 3].map(at), CLOSED, opened("h"), ...[2, 3, 4, 5].map(at)]);
  const second = await recordingOf([opened("h"), ...[4, 5, 6, 7].map(at)], { compression: "zstd" });
  using files = filesOf({ "a.rec": first, "b.rec.zst": second, "c.jsonl": `${at(8)}\n\n${at(9)}\n` });
  const all = await read({ files: files.paths, loop: 2 });
  const expected = [...Array(2)].flatMap(() => [1, 2, 3, 4, 5, 6, 7, 8, 9].map(at));
  assert.deepEqual(textsOf(all), expected);
  let seen = 0;
  for (const batch of all) {
    for (const item of batch.items) {
      const cursor = batch.cursorAfter!(item)!;
      assert.deepEqual(textsOf(await read({ files: files.paths, loop: 2 }, cursor)), expected.slice(++seen), cursor);
    }
    if (!batch.end) {
      assert.deepEqual(textsOf(await read({ files: files.paths, loop: 2 }, batch.cursor)), expected.slice(seen));
    }
  }
  assert.equal(seen, expected.length);
});

Deno.test("T11: a resumed replay says so; one that ended begins anew, and so does --restart", async () => {
  using files = filesOf({ "x.jsonl": lines(3).join("\n") });
  const all = await read({ files: files.paths });
  const middle = all[0]!.cursorAfter!(all[0]!.items[0]);
  {
    await using log = await captureLog();
    assert.equal(textsOf(await read({ files: files.paths }, middle)).length, 2);
    assert.ok(log.lines.some((l) => /^info: Going on in .*x\.jsonl behind entry 1/.test(l)), log.lines.join("\n"));
  }
  assert.equal(textsOf(await read({ files: files.paths, restart: true }, middle)).length, 3);
  assert.equal(textsOf(await read({ files: files.paths }, all.at(-1)!.cursor)).length, 3);
});

Deno.test("replay: a position that does not fit the files is refused, with the way out", async () => {
  using files = filesOf({ "x.jsonl": lines(3).join("\n") });
  const [batch] = await read({ files: files.paths });
  const middle = batch!.cursorAfter!(batch!.items[0])!;
  const place = JSON.parse(middle);
  const wrong = [
    [middle.replace(`${place.size}`, "7"), /had 7 bytes then, and has \d+ bytes now/],
    [JSON.stringify({ ...place, file: 2 }), /it was in file 2, and only 1 are named now/],
    ["{", /it is no position in a recording/],
    ['{"v":1,"host":"h","wire":"v1","time_us":1700000000000000}', /it is no position in a recording/],
  ] as const;
  for (const [cursor, why] of wrong) {
    await assert.rejects(read({ files: files.paths }, cursor), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, why);
      assert.equal(error.hint, "Use --restart to begin anew");
      return true;
    });
    assert.equal(textsOf(await read({ files: files.paths, restart: true }, cursor)).length, 3);
  }
});

Deno.test("replay: the key is the first file's base name, behind an explicit state key", () => {
  assert.equal(replay({ files: ["a/b.rec", "c.rec"] }).key, "replay:b.rec");
  assert.equal(replay({ files: ["a/b.rec"], keyPrefix: "k" }).key, "k:replay:b.rec");
});

Deno.test("replay: standard input is read as it comes, and has no positions", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const reader = replay({ files: ["-"], stdin: readable }).open().getReader();
  const written = writer.write(new TextEncoder().encode(`${line(1)}\n`));
  const { value } = await reader.read();
  assert.deepEqual([value!.items.map(toJson), value!.cursor], [[line(1)], undefined]);
  await written;
  const rest = writer.write(new TextEncoder().encode(line(2))).then(() => writer.close());
  assert.deepEqual((await reader.read()).value!.items.map(toJson), [line(2)]);
  const { end, cursor } = (await reader.read()).value!;
  assert.deepEqual({ end, cursor }, { end: true, cursor: undefined });
  assert.equal((await reader.read()).done, true);
  await rest;
});

Deno.test("replay: stop ends a wait for standard input", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const stop = new AbortController();
  const reader = replay({ files: ["-"], stdin: readable }).open({ stop: stop.signal }).getReader();
  const waiting = reader.read();
  stop.abort();
  assert.equal((await waiting).done, true);
  await writable.getWriter().closed.catch(() => {});
});

Deno.test("replay: filters are Jetstream's, without one for collections", async () => {
  const account =
    '{"did":"did:plc:a","time_us":1767225600000000,"kind":"account","account":{"active":true,"did":"did:plc:a"}}';
  using files = filesOf({ "x.jsonl": [line(1), account].join("\n") });
  const kindsOf = async (options: Partial<ReplayOptions>) => {
    const batches = await read({ files: files.paths, ...options });
    const filtered = batches.reduce((n, b) => n + (b.filtered ?? 0), 0);
    return [...batches.flatMap((b) => b.items.map((e) => e.kind)), filtered];
  };
  assert.deepEqual(await kindsOf({}), ["commit", "account", 0]);
  assert.deepEqual(await kindsOf({ collections: ["app.bsky.graph.*"] }), ["account", 1]);
  assert.deepEqual(await kindsOf({ collections: ["all"], kinds: ["commit"] }), ["commit", 1]);
  assert.deepEqual(await kindsOf({ dids: ["did:plc:a"] }), ["account", 1]);
});

Deno.test("replay: every wrong option is named", () => {
  const wrong = { files: ["-", "-"], collections: ["*"], dids: ["x"], kinds: ["identity", "y"], speed: -1, loop: 0 };
  assert.throws(() => replay(wrong), (error) => {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.faults.length, 7);
    return true;
  });
  assert.throws(() => replay({ files: [] }), ConfigError);
  assert.throws(() => replay({ files: ["-"], loop: 2 }), ConfigError);
});

/** A clock that moves only when somebody waits. */
function fakeClock() {
  let ms = 1000;
  const sleeps: number[] = [];
  return {
    now: () => ms,
    sleep(wait: number) {
      sleeps.push(wait);
      ms += wait;
      return Promise.resolve();
    },
    elapsed: () => ms - 1000,
    sleeps,
  };
}

Deno.test("T10: a recording of 2 s takes 0.2 s at speed 10, 2 s at speed 1, no time at all flat out", async () => {
  const steps = Array.from({ length: 200 }, (_, i) => [EPOCH_US + i * 10_050, line(i)]).flat();
  using files = filesOf({ "x.rec": await recordingOf([opened("h"), ...steps, EPOCH_US + 60e6, CLOSED]) });
  for (const [speed, expected] of [[10, 200], [1, 2000], [0, 0]] as const) {
    const clock = fakeClock();
    const batches = await read({ files: files.paths, speed, clock });
    assert.equal(textsOf(batches).length, 200);
    assert.ok(Math.abs(clock.elapsed() - expected) <= 50, `${clock.elapsed()} ms at speed ${speed}`);
    assert.equal(speed === 0 ? 0 : clock.sleeps.length > 10, speed === 0 ? 0 : true);
  }
});

Deno.test("T10: lines go by their own times, and one that lies far ahead holds nothing up", async () => {
  const at = (s: number, i: number) => line(i, EPOCH_US + s * 1e6);
  const texts = [at(0, 1), at(1, 2), line(3, Date.UTC(2099, 0) * 1000), at(0.5, 4), at(2, 5)];
  using files = filesOf({ "x.jsonl": texts.join("\n") });
  const clock = fakeClock();
  const batches = await read({ files: files.paths, speed: 1, clock });
  assert.deepEqual(textsOf(batches), texts);
  assert.ok(Math.abs(clock.elapsed() - 2000) <= 50, `${clock.elapsed()} ms`);
});

Deno.test("T10: stop ends a wait, and the position is before what was waited for", async () => {
  using files = filesOf({ "x.jsonl": [line(1), line(2, EPOCH_US + 3600e6)].join("\n") });
  const stop = new AbortController();
  const reader = replay({ files: files.paths, speed: 1 }).open({ stop: stop.signal }).getReader();
  const { value } = await reader.read();
  assert.deepEqual([textsOf([value!]), placeOf(value).entry], [[line(1)], 1]);
  const waiting = reader.read();
  stop.abort();
  assert.equal((await waiting).done, true);
});

Deno.test("replay: leaving the stream early closes the file", async () => {
  using files = filesOf({ "x.jsonl.gz": gzipSync(lines(20_000).join("\n")) });
  const reader = replay({ files: files.paths }).open().getReader();
  assert.equal((await reader.read()).done, false);
  await reader.cancel(); // the sanitizer of resources sees what stays open
});

Deno.test("replay: into a sink, in and out add up, and the last position is an end", async () => {
  using files = filesOf({ "x.jsonl": [...lines(5000), "broken", line(9000)].join("\n") });
  const letters: unknown[] = [];
  await using sink = nullSink();
  const { counters, endedBy } = await runPipeline({
    source: replay({ files: files.paths, collections: ["app.bsky.feed.*"] }),
    sink,
    deadLetter: (more) => Promise.resolve(void letters.push(...more)),
  });
  assert.equal(endedBy, "source");
  assert.deepEqual([counters.received, counters.written, counters.deadLettered, letters.length], [5002, 5001, 1, 1]);
});
