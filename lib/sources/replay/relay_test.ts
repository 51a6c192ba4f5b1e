import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { zstdCompressSync } from "node:zlib";
import { commit as commitFrame } from "../../../tests/support/live_run.ts";
import { captureLog } from "../../../tests/support/log_records.ts";
import { realTest } from "../../../tests/support/real_data.ts";
import { tempFolder } from "../../../tests/support/temp.ts";
import { type AnyEvent, type AtEvent, type CommitEvent, toJson } from "../../atproto/event.ts";
import { DID, framesOfFile, fromHex, messageFrame, TIME } from "../../atproto/test_frames.ts";
import type { Batch } from "../../pipeline/batch.ts";
import { replay, type ReplayOptions } from "../replay.ts";
import type { TapEntry } from "../tap.ts";
import { frameHead, type RecordFormat } from "./format.ts";
import { createRecorder } from "./recorder.ts";

/** A recording, or another form, of frames (`opened` and `closed` entries among them), each received 100 ms after the one before. */
async function recorded(source: string, steps: readonly (Uint8Array | TapEntry)[], format: RecordFormat = "recording") {
  const writes: Uint8Array[] = [];
  let now = Date.parse(TIME) * 1000;
  const recorder = createRecorder({
    output: { write: (bytes) => Promise.resolve(void writes.push(bytes)), sync: () => Promise.resolve() },
    format,
    compression: "none",
    source,
    now: () => now += 100_000,
  });
  for (const step of steps) {
    const isFrame = step instanceof Uint8Array;
    recorder.add(isFrame ? { type: "frames", frames: { data: [Buffer.from(step)], binary: [true] } } : step);
  }
  await recorder.flush();
  return Buffer.concat(writes);
}

const opened = (host: string, path = "com.atproto.sync.subscribeRepos"): TapEntry => {
  return { type: "opened", url: `wss://${host}/xrpc/${path}`, host, wire: "relay" };
};
const CLOSED: TapEntry = { type: "closed", code: 1006, reason: "" };
const framed = (...frames: Uint8Array[]) => Buffer.concat(frames.flatMap((each) => [frameHead(each.length), each]));
const posts = (...seqs: number[]) => seqs.map((seq) => commitFrame(seq));
const labels = (seq: number, ...vals: (string | undefined)[]) =>
  messageFrame("#labels", { seq, labels: vals.map((val) => ({ src: DID, uri: DID, val, cts: TIME })) });

function filesOf(...contents: Uint8Array[]) {
  const folder = tempFolder();
  const paths = contents.map((content, i) => {
    Deno.writeFileSync(`${folder.path}/${i}.rec`, content);
    return `${folder.path}/${i}.rec`;
  });
  return { paths, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

async function read(contents: readonly Uint8Array[], options: Partial<ReplayOptions> = {}) {
  using files = filesOf(...contents);
  const batches: Batch<AnyEvent>[] = await Array.fromAsync(replay({ files: files.paths, ...options }).open());
  const sum = (of: (batch: Batch<AnyEvent>) => number | undefined) => batches.reduce((n, b) => n + (of(b) ?? 0), 0);
  return {
    batches,
    events: batches.flatMap(({ items }) => items),
    poison: batches.flatMap(({ poison = [] }) => poison),
    filtered: sum((batch) => batch.filtered),
    duplicates: sum((batch) => batch.duplicates),
  };
}

const seqsOf = (events: readonly AnyEvent[]) => events.map((event) => (event as AtEvent).seq);

realTest("T9, F2, F3: the real frames are 152 events in their order, of which filters leave what they should", [
  "frames.bin.zst",
  "expected_v1.jsonl",
], async ([frames, expected]) => {
  const file = await Deno.readFile(frames!);
  const { events, batches, poison } = await read([file]);
  const bodies = (texts: readonly string[]) =>
    texts.map((text) => JSON.parse(text)).map(({ did, kind, commit }) => ({ did, kind, commit }));
  const lines = (await Deno.readTextFile(expected!)).trimEnd().split("\n");
  assert.deepEqual(bodies(events.map(toJson)), bodies(lines));
  assert.deepEqual([events.length, poison, JSON.parse(batches.at(-1)!.cursor!).done], [152, [], true]);
  assert.deepEqual(events[0]!.origin, { source: "replay", wire: "relay", host: "0.rec" });
  for (
    const [options, count, filtered] of [
      [{ collections: ["app.bsky.*", "chat.bsky.*"] }, 151, 1],
      [{ collections: ["fm.teal.*"] }, 3, 149],
      [{ operations: ["delete"] }, 6, 146],
      [{ kinds: ["account"] }, 1, 151],
      [{ dids: [(events[0] as AtEvent).did], verify: "none" as const }, 1, 151],
    ] as const
  ) {
    const chosen = await read([file], options);
    assert.deepEqual([chosen.events.length, chosen.filtered], [count, filtered], JSON.stringify(options));
  }
});

realTest("T11: from the position behind any event, the rest of the real frames comes exactly once", [
  "frames.bin.zst",
], async ([path]) => {
  const frames = framesOfFile(path!);
  const content = await recorded("firehose", [
    opened("h"),
    ...frames.slice(0, 80),
    CLOSED,
    opened("h"),
    ...frames.slice(79),
  ]);
  using files = filesOf(content, zstdCompressSync(framed(...posts(1))));
  const all: Batch<AnyEvent>[] = await Array.fromAsync(replay({ files: files.paths }).open());
  const expected = all.flatMap(({ items }) => items.map(toJson));
  assert.equal(expected.length, 153);
  let seen = 0, cut = 0;
  for (const batch of all) {
    for (const [i, item] of batch.items.entries()) {
      seen++;
      const cursor = batch.cursorAfter!(item);
      const next = batch.items[i + 1] as AtEvent | undefined;
      const inside = next !== undefined && next.seq === (item as AtEvent).seq;
      assert.deepEqual([cursor === undefined, batch.joined!(item, next)], [inside, inside]);
      if (cursor === undefined || seen % 15 !== 0) continue;
      cut++;
      const rest: Batch<AnyEvent>[] = await Array.fromAsync(replay({ files: files.paths }).open({ cursor }));
      assert.deepEqual(rest.flatMap(({ items }) => items.map(toJson)), expected.slice(seen));
    }
  }
  assert(cut >= 8);
});

Deno.test("T7: a recording of frames gives host and order, a file of frames its name", async () => {
  const steps = [opened("a.test"), ...posts(5, 6), CLOSED];
  const whole = await read([await recorded("firehose", steps)]);
  assert.deepEqual(
    whole.events.map(({ origin }) => origin),
    Array(2).fill({ source: "replay", wire: "relay", host: "a.test" }),
  );
  const frames = await read([await recorded("firehose", steps, "frames")]);
  assert.deepEqual(frames.events.map(toJson), whole.events.map(toJson));
  assert.equal(frames.events[0]!.origin.host, "0.rec");
  const [event] = frames.events as [CommitEvent];
  assert.equal(event.relay!.time, TIME);
});

Deno.test("the frame that a server sends again behind a reconnect is a copy, over files too; nothing else is", async () => {
  const first = [
    opened("a"),
    ...posts(5, 6, 6, 5),
    CLOSED,
    opened("a"),
    ...posts(5, 5, 7),
    CLOSED,
    opened("b"),
    ...posts(7),
  ];
  const second = [opened("a"), ...posts(7, 8)];
  const contents = [await recorded("firehose", first), await recorded("firehose", second)];
  const { events, duplicates } = await read(contents);
  assert.deepEqual(seqsOf(events), [5, 6, 6, 5, 5, 7, 7, 8]);
  assert.equal(duplicates, 2);
  const twice = await read(contents, { loop: 2 });
  assert.equal(twice.events.length, 16);
});

Deno.test("labels: a file of them is one, whatever else is in it; collections and kinds do not restrict them", async () => {
  const info = messageFrame("#info", { name: "OutdatedCursor" });
  const content = framed(info, labels(3, "spam", undefined, "rude"), ...posts(4), labels(5));
  const { events, poison, filtered } = await read([content], { collections: ["a.b.c"], kinds: ["commit"] });
  assert.deepEqual(events.map((event) => event.kind === "label" && event.label.val), ["spam", "rude"]);
  assert.equal(filtered, 0);
  const [{ error, detail }] = poison as [typeof poison[0]];
  const { position, ...where } = detail!;
  assert.equal(error.reason, "label-field");
  assert.deepEqual(where, { host: "0.rec", wire: "relay", file: "0.rec", entry: 2, seq: 3, label: 1 });
  assert.equal(JSON.parse(position as string).entry, 1);
  const recording = [opened("l", "com.atproto.label.subscribeLabels"), info, labels(3, "spam")];
  assert.equal((await read([await recorded("labeler", recording)])).events.length, 1);
});

realTest("T9: a single genuine label frame", ["synthetic_frames.json"], async ([path]) => {
  const hex: Record<string, string> = JSON.parse(await Deno.readTextFile(path!));
  const { events } = await read([framed(fromHex(hex.label_real_signed!))]);
  assert.deepEqual(events.map(({ kind }) => kind), ["label"]);
});

Deno.test("broken frames and operations are poison that says where, the others live; positions wait for the dead letter", async () => {
  const lost = commitFrame(8, [{ record: { text: "a" } }, { record: { text: "b" }, lost: true }, { action: "delete" }]);
  const broken = fromHex("a2ff");
  const { batches, poison, events } = await read([framed(...posts(7), lost, broken, Buffer.from("text"), ...posts(9))]);
  assert.deepEqual(seqsOf(events), [7, 8, 8, 9]);
  assert.deepEqual(
    poison.map(({ error, raw, detail }) => [error.reason, Buffer.from(raw!), detail!.entry, detail!.op]),
    [
      ["op-block", Buffer.from(lost), 2, 1],
      [poison[1]!.error.reason, Buffer.from(broken), 3, undefined],
      ["frame-text", Buffer.from("text"), 4, undefined],
    ],
  );
  assert.match(poison[1]!.error.reason, /^(cbor|frame)-/);
  const [batch] = batches;
  assert.deepEqual(batch!.items.map((item) => batch!.cursorAfter!(item) === undefined), [false, true, true]);
});

Deno.test("frames that hold no events are ignored, and named once", async () => {
  await using log = await captureLog();
  const error = Buffer.concat([fromHex("a1 62 6f70 20"), fromHex("a1 65 6572726f72 64 426f6f6d")]);
  const ignored = fromHex("a1 62 6f70 21 a0");
  const news = messageFrame("#news", { seq: 9 });
  const source = [
    ...posts(7),
    news,
    news,
    error,
    ignored,
    messageFrame("#handle", { seq: 10, did: DID, time: TIME, handle: "a.b" }),
  ];
  const { events, poison } = await read([framed(...source)]);
  assert.deepEqual([seqsOf(events), poison], [[7], []]);
  const named = log.lines.flatMap((line) => /Ignoring messages that are no events: (.*)/.exec(line)?.[1] ?? []);
  assert.deepEqual(named, ["#news", "error Boom", "op -2", "#handle"]);
  assert.equal((await read([framed(...source)], { handles: true })).events[1]!.kind, "identity");
});

Deno.test("T10: frames go at the speed at which they came, in a file of frames at that of their times", async () => {
  const at = (seq: number, ms: number) =>
    commitFrame(seq, undefined, { time: new Date(Date.parse(TIME) + ms).toISOString() });
  const frames = [at(1, 0), messageFrame("#news", { seq: 2 }), at(3, 400), at(4, 1000)];
  for (const [format, expected] of [["recording", 300], ["frames", 1000]] as const) {
    let ms = 0;
    const sleep = (wait: number) => Promise.resolve(void (ms += wait));
    const clock = { now: () => ms, sleep };
    const content = await recorded("firehose", format === "recording" ? [opened("h"), ...frames] : frames, format);
    const { events } = await read([content], { speed: 1, clock });
    assert.equal(events.length, 3);
    assert(Math.abs(ms - expected) < 50, `${ms} ms of ${expected}`);
  }
});

Deno.test("a recording of frames whose connection is none of a relay is refused entry by entry, not as a whole", async () => {
  const wrong = { ...opened("a"), wire: "v1" } as TapEntry;
  const { poison, events } = await read([await recorded("firehose", [wrong, ...posts(5)])]);
  assert.deepEqual([poison.map(({ error }) => error.reason), seqsOf(events)], [["invalid"], [5]]);
});
