/**
 * Runs of the Jetstream source into a sink that remembers everything, for tests through real sockets.
 *
 * @module
 */
import { type AtEvent, eventId } from "../../lib/atproto/event.ts";
import type { Cursor, Gap } from "../../lib/pipeline/batch.ts";
import { type Counters, createCounters } from "../../lib/pipeline/counters.ts";
import type { Letter } from "../../lib/pipeline/deliver.ts";
import { type PipelineOptions, runPipeline } from "../../lib/pipeline/pipeline.ts";
import type { CheckpointStore } from "../../lib/pipeline/sink.ts";
import { jetstream, type JetstreamSource } from "../../lib/sources/jetstream/jetstream.ts";
import type { JetstreamOptions } from "../../lib/sources/jetstream/options.ts";
import { parsePosition, type Position } from "../../lib/sources/jetstream/position.ts";
import { controlRun, type RunControl } from "./run_control.ts";

/** Positions that outlive a run. */
export interface MemoryCheckpoints extends CheckpointStore {
  saved: Cursor | undefined;
}

/** A store of the one position. */
export function memoryCheckpoints(saved?: Cursor | Position): MemoryCheckpoints {
  const store: MemoryCheckpoints = {
    saved: typeof saved === "object" ? JSON.stringify(saved) : saved,
    load: () => Promise.resolve(store.saved),
    save: (_, cursor) => Promise.resolve(void (store.saved = cursor)),
  };
  return store;
}

/** A position at a host, without more than its time. */
export const at = (host: string, position: Partial<Position>): Position => ({
  v: 1,
  host,
  wire: "v1",
  time_us: T0,
  ...position,
});

/** How to run. */
export interface RunOptions {
  readonly checkpoints?: MemoryCheckpoints;
  readonly onGap?: "warn" | "fail";
  readonly limit?: number;
  /** Each write waits for it. */
  readonly gate?: () => Promise<void>;
  readonly pipeline?: Partial<PipelineOptions<AtEvent, AtEvent>>;
}

/** A run that goes on until it is stopped, ends or fails. */
export interface Run extends RunControl {
  readonly source: JetstreamSource;
  readonly counters: Counters;
  /** Everything that was written, in order. */
  readonly events: readonly AtEvent[];
  readonly letters: readonly Letter[];
  readonly gaps: readonly Gap[];
  readonly checkpoints: MemoryCheckpoints;
  /** The saved position, read; undefined: none yet. */
  position(): Position | undefined;
}

/** Quick defaults: dials again after 5 ms, writes and saves without waiting. */
export function run(options: JetstreamOptions, how: RunOptions = {}): Run {
  const { checkpoints = memoryCheckpoints(), gate } = how;
  const source = jetstream({ collections: ["all"], backoff: () => 5, ...options });
  const events: AtEvent[] = [], letters: Letter[] = [], gaps: Gap[] = [];
  const counters = createCounters();
  const stop = new AbortController();
  const result = runPipeline<AtEvent>({
    source,
    sink: {
      name: "memory",
      async write({ items }) {
        await gate?.();
        events.push(...items);
        return { rejected: [] };
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
    checkpoints,
    checkpointMs: 1,
    batchMs: 1,
    counters,
    deadLetter: (dead) => Promise.resolve(void letters.push(...dead)),
    recordGaps: (_, met) => Promise.resolve(void gaps.push(...met)),
    stop: stop.signal,
    ...(how.onGap && { onGap: how.onGap }),
    ...(how.limit && { limit: how.limit }),
    ...how.pipeline,
  });
  return {
    ...controlRun(result, stop),
    source,
    counters,
    events,
    letters,
    gaps,
    checkpoints,
    position: () => checkpoints.saved === undefined ? undefined : parsePosition(checkpoints.saved),
  };
}

/** The ids of events, in order. */
export const idsOf = (events: readonly AtEvent[]): string[] => events.map(eventId);

/** 2026-07-04T14:38:08Z in microseconds: the time of generated lines and of most real ones. */
export const T0 = 1783175888000000;

/** What is particular about a generated event. */
export interface LineOptions {
  /** Microseconds. @default {T0 + i * 1000} */
  readonly time?: number;
  /** The `cursor` that new servers add. */
  readonly seq?: number;
  readonly collection?: string;
}

/** The text of the i-th generated commit on the v1 wire. */
export function v1Line(i: number, { time = T0 + i * 1000, seq, collection = "app.bsky.feed.post" }: LineOptions = {}) {
  const { did, ...commit } = commitOf(i, collection);
  return JSON.stringify({ did, time_us: time, cursor: seq, kind: "commit", commit });
}

/** The same event on the v2 wire, where it has the sequence number `i` unless told otherwise. */
export function v2Frame(
  i: number,
  { time = T0 + i * 1000, seq = i, collection = "app.bsky.feed.post" }: LineOptions = {},
) {
  const text = `${new Date(Math.floor(time / 1000)).toISOString().slice(0, -1)}${
    String(time % 1000).padStart(3, "0")
  }Z`;
  const $type = "network.bsky.jetstream.subscribeEvents#commit";
  return JSON.stringify({ $type: "message", payload: { $type, ...commitOf(i, collection), seq, time: text } });
}

function commitOf(i: number, collection: string) {
  const name = String(i).padStart(8, "0");
  return {
    did: `did:plc:${name}`,
    rev: `3k${name}`,
    operation: "create",
    collection,
    rkey: name,
    record: { text: `event ${i}` },
    cid: `bafy${name}`,
  };
}

/** The numbers of generated events. */
export const numbersOf = (events: readonly AtEvent[]): number[] => events.map(({ did }) => Number(did.slice(8)));

/** The numbers from `first` to `last`. */
export const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);
