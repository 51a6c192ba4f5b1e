import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { PoisonError } from "../../pipeline/errors.ts";
import type { Chunks } from "./chunks.ts";
import { type Entries, type Entry, frameEntries, lineEntries, recordingEntries } from "./entries.ts";
import { ENTRY, entryHead, frameHead } from "./format.ts";

async function* inPieces(bytes: Buffer, size: number): Chunks {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(entries: Entries): Promise<{ entries: Entry[]; reason: string | undefined }> {
  const all: Entry[] = [];
  try {
    for await (const group of entries) all.push(...group);
    return { entries: all, reason: undefined };
  } catch (error) {
    assert.ok(error instanceof PoisonError, String(error));
    return { entries: all, reason: error.reason };
  }
}

Deno.test("T9: lines: numbers count empty lines, ends of either kind, the last one may lack its end", async () => {
  const bytes = Buffer.from('{"a":1}\n\n  \r\n{"b":"\u00e9\uFFFD"}\r\n{"c":3}');
  for (const size of [1, 7, 1000]) {
    assert.deepEqual(await collect(lineEntries(inPieces(bytes, size))), {
      reason: undefined,
      entries: [
        { number: 1, type: "message", data: '{"a":1}' },
        { number: 4, type: "message", data: '{"b":"\u00e9\uFFFD"}' },
        { number: 5, type: "message", data: '{"c":3}', unfinished: true },
      ],
    });
  }
});

Deno.test("J20: a line that is not UTF-8 stays bytes, its neighbours are text", async () => {
  const bad = Buffer.from([0x7b, 0xff, 0x7d]);
  const bytes = Buffer.concat([Buffer.from("{}\n"), bad, Buffer.from("\n[]\n")]);
  const { entries } = await collect(lineEntries(inPieces(bytes, 1000)));
  assert.deepEqual(entries.map((e) => e.data), ["{}", bad, "[]"]);
});

Deno.test("T7: entries of a recording and frames come out as they went in, however they are cut into chunks", async () => {
  const messages = fc.array(
    fc.record({ text: fc.string({ maxLength: 60 }), at: fc.integer({ min: 0, max: 2 ** 52 }) }),
  );
  await fc.assert(
    fc.asyncProperty(messages, fc.integer({ min: 1, max: 100 }), async (list, size) => {
      const bodies = list.map(({ text }) => Buffer.from(text));
      const recording = Buffer.concat(
        list.flatMap(({ at }, i) => [entryHead(bodies[i]!.length, ENTRY.text, at), bodies[i]!]),
      );
      const expected = list.map(({ at }, i) => ({ number: i + 1, type: "message", at, data: bodies[i]!.toString() }));
      assert.deepEqual((await collect(recordingEntries(inPieces(recording, size)))).entries, expected);
      const frames = Buffer.concat(bodies.flatMap((body) => [frameHead(body.length), body]));
      const { entries } = await collect(frameEntries(inPieces(frames, size)));
      assert.deepEqual(entries.map((e) => e.data), expected.map((e) => e.data));
    }),
    { numRuns: 50 },
  );
});

Deno.test("T8: a last entry that is not whole ends the file as cut, at whatever byte", async () => {
  const entry = (text: string) => [entryHead(text.length, ENTRY.text, 1), Buffer.from(text)];
  const whole = Buffer.concat([...entry("one"), ...entry("two")]);
  const bytes = Buffer.concat([whole, ...entry("three")]);
  for (let length = whole.length + 1; length < bytes.length; length++) {
    const { entries, reason } = await collect(recordingEntries(inPieces(bytes.subarray(0, length), 11)));
    assert.deepEqual({ data: entries.map((e) => e.data), reason }, { data: ["one", "two"], reason: "cut" });
  }
});

Deno.test("T9: a length that cannot be is damage, and takes no memory", async () => {
  const bytes = Buffer.concat([frameHead(2), Buffer.from("{}"), frameHead(0xfffffff0), Buffer.from("{}")]);
  const { entries, reason } = await collect(frameEntries(inPieces(bytes, 1000)));
  assert.deepEqual({ data: entries.map((e) => e.data), reason }, { data: ["{}"], reason: "framing" });
});

Deno.test("T9: a line without an end is given up before it takes all memory", async () => {
  const chunk = Buffer.alloc(8 * 1024 * 1024, 0x20);
  let given = 0;
  const endless = async function* (): Chunks {
    for (;;) given += chunk.length, yield chunk;
  };
  const { entries, reason } = await collect(lineEntries(endless()));
  assert.deepEqual({ entries, reason }, { entries: [], reason: "oversize" });
  assert.ok(given < 160 * 1024 * 1024);
});
