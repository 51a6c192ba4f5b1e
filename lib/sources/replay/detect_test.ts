import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { storedFrame } from "../../../tests/support/zstd_frames.ts";
import { messageFrame } from "../../atproto/test_frames.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import type { Chunks } from "./chunks.ts";
import { openContent } from "./detect.ts";
import { frameHead, recordingHeader } from "./format.ts";

async function* chunksOf(bytes: Buffer): Chunks {
  yield bytes;
}

async function detect(bytes: Buffer): Promise<string> {
  const { format, relay, close } = await openContent(chunksOf(bytes), "x.bin");
  await close();
  return relay ? `${format} of frames` : format;
}

const LINE = '{"did":"did:plc:a","time_us":1,"kind":"x"}';

Deno.test("T9: files are recognised by their content, compressed or not", async () => {
  const files: [string, Buffer][] = [
    ["recording", Buffer.from(recordingHeader("jetstream", new Date(0)))],
    ["lines", Buffer.from(`${LINE}\n`)],
    ["lines", Buffer.from(LINE)],
    ["lines", Buffer.from(`\uFEFF${LINE}\n`)],
    ["lines", Buffer.from(`\n\n\n\n${LINE}\n`)],
    ["lines", Buffer.from(`   \n\t${LINE}\n`)],
    ["lines", Buffer.from('{"broken\n')],
    ["lines", Buffer.from('{"text":"bskyingest_recording is a word"}\n')],
    ["frames", Buffer.concat([frameHead(LINE.length), Buffer.from(LINE)])],
    ["frames", Buffer.concat([frameHead(0x7b), Buffer.from(LINE)])],
    ["frames", Buffer.concat([frameHead(300), Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x63])])],
    ["recording of frames", Buffer.from(recordingHeader("firehose", new Date(0)))],
    ["recording of frames", Buffer.from(recordingHeader("labeler", new Date(0)))],
    ["frames of frames", Buffer.concat([frameHead(6889), messageFrame("#commit", {}).subarray(0, 20)])],
    ["frames of frames", Buffer.concat([frameHead(17), messageFrame("#labels", {})])],
    ["empty", Buffer.alloc(0)],
  ];
  for (const [format, bytes] of files) {
    for (const compress of [(b: Buffer) => b, gzipSync, zstdCompressSync]) {
      assert.equal(await detect(compress(bytes) as Buffer), format, `${bytes}`);
    }
  }
});

Deno.test("T9: frames say which zstd dictionary their first message names", async () => {
  const frame = storedFrame(LINE, 1612007021);
  const { dictionaryId, close } = await openContent(chunksOf(Buffer.concat([frameHead(frame.length), frame])), "x.bin");
  await close();
  assert.equal(dictionaryId, 1612007021);
});

Deno.test("T9: anything else is refused, and what another version may read is named", async () => {
  const files: [RegExp, Buffer][] = [
    [/it is no recording/, Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46])],
    [/it is no recording/, Buffer.from("hello")],
    [/it is no recording/, Buffer.from("x")],
    [/frames are neither/, Buffer.from("PK\x03\x04\x14\x00")],
    [/frames are neither/, Buffer.concat([frameHead(6889), Buffer.from([0xa2, 0x61, 0x74])])],
    [/format 1 only/, Buffer.from('{"bskyingest_recording":2,"source":"jetstream"}\n')],
    [/recordings of jetstream, firehose, labeler in/, Buffer.from(recordingHeader("backfill", new Date(0)))],
    [/damaged/, Buffer.from([0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9])],
    [/damaged/, Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), Buffer.alloc(40, 0xff)])],
  ];
  for (const [why, bytes] of files) {
    await assert.rejects(detect(bytes), (error) => {
      assert.ok(error instanceof ConfigError, String(error));
      assert.match(error.message, /^Cannot replay x\.bin: /);
      assert.match(error.message, why);
      return true;
    });
  }
});
