/**
 * Files as `replay` reads them, for the fuzzer.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { replay } from "../lib/sources/replay.ts";
import { frameHead } from "../lib/sources/replay/format.ts";
import { createRecorder } from "../lib/sources/replay/recorder.ts";
import { commitEvents } from "../tests/support/sqlite.ts";
import { checkEvent, withFile } from "./fuzz_files.ts";
import { labelSamples, relaySamples } from "./fuzz_frames.ts";

const LINES = commitEvents(20).map(({ origin: _, ...event }) => JSON.stringify(event));

async function recording(): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const recorder = createRecorder({
    output: { write: (bytes) => Promise.resolve(void parts.push(bytes)), sync: () => Promise.resolve() },
    format: "recording",
    compression: "none",
    source: "jetstream",
    now: () => 1783175888085434,
  });
  for (const some of [LINES, LINES.slice(10)]) {
    recorder.add({ type: "opened", url: "wss://localhost/subscribe", host: "localhost", wire: "v1" });
    recorder.add({
      type: "frames",
      frames: { data: some.map((line) => Buffer.from(line)), binary: some.map(() => false) },
    });
    recorder.add({ type: "closed", code: 1006, reason: "" });
  }
  await recorder.flush();
  return Buffer.concat(parts);
}

const framed = (frames: readonly Uint8Array[]) =>
  Buffer.concat(frames.flatMap((frame) => [frameHead(frame.length), frame]));

/** Good files of every kind, plain and compressed. */
export async function recordingSamples(): Promise<Uint8Array[]> {
  const lines = Buffer.from(`${LINES.join("\n")}\n`);
  const files = [await recording(), lines, framed(relaySamples()), framed(labelSamples())];
  return [...files, gzipSync(lines), zstdCompressSync(files[0]!), gzipSync(files[2]!)].map((bytes) =>
    Uint8Array.from(bytes)
  );
}

/** A few bytes of zlib can be a million bad lines, each of which is dealt with in its turn: only the first ones are. */
const MOST_LINES = 10_000;

/** Reads a file to its end. What in it cannot be read is dead; what is no file of these kinds is refused. */
export async function readRecording(input: Uint8Array): Promise<void> {
  await withFile(input, async (path) => {
    const source = replay({ files: [path] });
    await source.check();
    let lines = 0;
    for await (const { items, poison = [] } of source.open()) {
      items.forEach(checkEvent);
      for (const { detail } of poison) JSON.stringify(detail);
      if ((lines += items.length + poison.length) > MOST_LINES) break;
    }
  });
}
