import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gunzipSync } from "node:zlib";
import { ConfigError } from "../../pipeline/errors.ts";
import type { TapEntry } from "../tap.ts";
import { createRecorder, type RecorderOptions } from "./recorder.ts";

const AT = 1_767_225_600_123_456;

function record(options: Partial<RecorderOptions>) {
  const writes: Uint8Array[] = [];
  let syncs = 0;
  const output = {
    write: (bytes: Uint8Array) => Promise.resolve(void writes.push(bytes)),
    sync: () => Promise.resolve(void syncs++),
  };
  const recorder = createRecorder({
    output,
    format: "recording",
    compression: "none",
    source: "jetstream",
    now: () => AT,
    ...options,
  });
  return { recorder, writes, syncs: () => syncs, text: () => Buffer.concat(writes) };
}

function frames(...messages: (string | Buffer)[]): TapEntry {
  const data = messages.map((message) => Buffer.from(message as string));
  return { type: "frames", frames: { data, binary: messages.map((message) => typeof message !== "string") } };
}

const OPENED: TapEntry = {
  type: "opened",
  url: "wss://u:secret@h.example/subscribe?cursor=5",
  host: "h.example",
  wire: "v1",
};

Deno.test("T7: a recording is its header line and entries of length, type, time and message", async () => {
  const { recorder, text, syncs } = record({});
  recorder.add(OPENED);
  recorder.add(frames("{}", Buffer.from([1, 2])));
  recorder.add({ type: "closed", code: 1006, reason: "gone" });
  await recorder.flush();
  const entry = (type: number, message: Buffer) => {
    const head = Buffer.alloc(13);
    head.writeUInt32LE(message.length, 0);
    head[4] = type;
    head.writeBigUInt64LE(BigInt(AT), 5);
    return Buffer.concat([head, message]);
  };
  const opened = { url: "wss://h.example/subscribe?cursor=5", host: "h.example", wire: "v1" };
  const expected = Buffer.concat([
    Buffer.from('{"bskyingest_recording":1,"source":"jetstream","started_at":"2026-01-01T00:00:00.123Z"}\n'),
    entry(2, Buffer.from(JSON.stringify(opened))),
    entry(0, Buffer.from("{}")),
    entry(1, Buffer.from([1, 2])),
    entry(3, Buffer.from('{"code":1006,"reason":"gone"}')),
  ]);
  assert.deepEqual(text(), expected);
  assert.equal(syncs(), 1);
  assert.deepEqual([recorder.messages, recorder.messageBytes, recorder.bytesWritten], [2, 4, expected.length]);
});

Deno.test("T7: frames and lines hold messages alone", async () => {
  const asFrames = record({ format: "frames" });
  asFrames.recorder.add(OPENED);
  asFrames.recorder.add(frames("{}", Buffer.from([7])));
  await asFrames.recorder.flush();
  assert.deepEqual(asFrames.text(), Buffer.from([2, 0, 0, 0, 0x7b, 0x7d, 1, 0, 0, 0, 7]));
  const asLines = record({ format: "ndjson" });
  asLines.recorder.add(OPENED);
  asLines.recorder.add(frames("{}", "[]"));
  await asLines.recorder.flush();
  assert.equal(asLines.text().toString(), "{}\n[]\n");
});

Deno.test("T7: a message that is no line is refused as one, with the way out", () => {
  for (const message of ["a\nb", Buffer.from("{}")]) {
    const { recorder } = record({ format: "ndjson" });
    assert.throws(() => recorder.add(frames(message)), (error) => {
      return error instanceof ConfigError && error.hint === "Use --format recording";
    });
  }
});

Deno.test("T8: each flush ends a compressed member: what was flushed is whole, whatever becomes of the rest", async () => {
  const { recorder, writes, syncs } = record({ format: "ndjson", compression: "gzip" });
  recorder.add(frames("1"));
  await recorder.flush();
  await recorder.flush(); // nothing came: nothing is written
  recorder.add(frames("2"));
  await recorder.flush();
  assert.deepEqual(writes.map((bytes) => gunzipSync(bytes).toString()), ["1\n", "2\n"]);
  assert.equal(syncs(), 2);
});

Deno.test("T8: a flush is one zstd frame, so that a cut last byte costs what it holds and no empty frame", async () => {
  const { recorder, writes } = record({ compression: "zstd" });
  recorder.add(frames(...Array.from({ length: 20_000 }, (_, i) => `${i} ${Math.sin(i)}`)));
  await recorder.flush();
  const [bytes] = writes.map((each) => Buffer.from(each));
  assert.equal(bytes!.lastIndexOf(Buffer.from([0x28, 0xb5, 0x2f, 0xfd])), 0);
});

Deno.test("record -n: no message is taken beyond the limit", async () => {
  const { recorder, text } = record({ format: "ndjson", limit: 3 });
  recorder.add(frames("1", "2"));
  assert.equal(recorder.full, false);
  recorder.add(frames("3", "4"));
  recorder.add(frames("5"));
  assert.equal(recorder.full, true);
  await recorder.flush();
  assert.equal(text().toString(), "1\n2\n3\n");
});
