/**
 * Recordings for tests, and what a replay makes of them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { commitEvent, EPOCH_US } from "./sqlite.ts";
import { tempFolder } from "./temp.ts";
import { type AnyEvent, toJson } from "../../lib/atproto/event.ts";
import type { Batch } from "../../lib/pipeline/batch.ts";
import type { TapEntry } from "../../lib/sources/tap.ts";
import { replay, type ReplayOptions } from "../../lib/sources/replay.ts";
import { createRecorder, type RecorderOptions } from "../../lib/sources/replay/recorder.ts";

/** Event `i` as a message of the v1 wire; without a time of its own it comes 500 us behind the one before. */
export function line(i: number, time_us?: number): string {
  const { origin: _, ...event } = commitEvent(i, {}, time_us);
  return JSON.stringify(event);
}

/** Events `from` and those after it, as messages. */
export function lines(count: number, from = 1): string[] {
  return Array.from({ length: count }, (_, i) => line(from + i));
}

/** What a tap shows: a number sets the clock (microseconds), a text is a message, an object a connection. */
export type Step = number | string | TapEntry;

/** A connection to a host begins. */
export const opened = (host: string, query = ""): TapEntry => {
  return { type: "opened", url: `wss://${host}/subscribe${query}`, host, wire: "v1" };
};
/** A connection breaks. */
export const CLOSED: TapEntry = { type: "closed", code: 1006, reason: "" };

/** The bytes of a recording. */
export async function recordingOf(steps: readonly Step[], options: Partial<RecorderOptions> = {}): Promise<Buffer> {
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
export function filesOf(contents: Readonly<Record<string, string | Uint8Array>>) {
  const folder = tempFolder();
  const paths = Object.entries(contents).map(([name, content]) => {
    const path = `${folder.path}/${name}`;
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, content);
    return path;
  });
  return { paths, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

/** All batches of a replay. */
export async function read(options: ReplayOptions, cursor?: string): Promise<Batch<AnyEvent>[]> {
  return await Array.fromAsync(replay(options).open({ cursor }));
}

/** The JSON texts of all events. */
export const textsOf = (batches: readonly Batch<AnyEvent>[]) => batches.flatMap((b) => b.items.map(toJson));
/** What the position behind a batch says. */
export const placeOf = (batch: Batch<AnyEvent> | undefined) =>
  batch?.cursor === undefined ? undefined : JSON.parse(batch.cursor);
