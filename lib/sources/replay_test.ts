import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { captureLog } from "../../tests/support/log_records.ts";
import { realTest } from "../../tests/support/real_data.ts";
import { EPOCH_US, readBack } from "../../tests/support/sqlite.ts";
import { tempFolder } from "../../tests/support/temp.ts";
import { bombFrame, storedFrame } from "../../tests/support/zstd_frames.ts";
import { eventId, toJson } from "../atproto/event.ts";
import { V1_DICTIONARY_ID } from "../net/zstd/ids.ts";
import { ConfigError } from "../pipeline/errors.ts";
import { runPipeline } from "../pipeline/pipeline.ts";
import { SIMULATE_DICTIONARY_ID, simulateDictionary } from "../simulate/dictionary.ts";
import { loadEventLines } from "../simulate/events.ts";
import { startSimulate } from "../simulate/server.ts";
import { sqliteSink } from "../sinks/sqlite.ts";
import { keepCached } from "./jetstream/dictionary_cache.ts";
import { jetstream } from "./jetstream/jetstream.ts";
import type { TapEntry } from "./tap.ts";
import { replay } from "./replay.ts";
import { frameHead, RECORD_FORMATS } from "./replay/format.ts";
import { createRecorder } from "./replay/recorder.ts";
import { filesOf, line, lines, opened, placeOf, read, recordingOf, textsOf } from "../../tests/support/recordings.ts";

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
