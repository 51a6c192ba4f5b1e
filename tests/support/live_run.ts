/**
 * Runs of sources of numbered frames and of lists into a sink that remembers everything, for tests through real sockets.
 *
 * @module
 */
import type { AnyEvent, AtEvent } from "../../lib/atproto/event.ts";
import { commitBody, messageFrame, type TestOp } from "../../lib/atproto/test_frames.ts";
import type { Cursor, Gap } from "../../lib/pipeline/batch.ts";
import { type Counters, createCounters } from "../../lib/pipeline/counters.ts";
import type { Letter } from "../../lib/pipeline/deliver.ts";
import { type PipelineOptions, runPipeline } from "../../lib/pipeline/pipeline.ts";
import type { SinkBatch } from "../../lib/pipeline/sink.ts";
import type { Source } from "../../lib/pipeline/source.ts";
import { firehose, type FirehoseOptions, type LiveSource } from "../../lib/sources/firehose.ts";
import { type MemoryStore, memoryStore } from "./pipeline_ends.ts";
import { controlRun, type RunControl } from "./run_control.ts";

/** A run that goes on until it is stopped, ends or fails. */
export interface LiveRun<S extends Source<AnyEvent>> extends RunControl {
  readonly source: S;
  readonly counters: Counters;
  /** Everything that was written, in order. */
  readonly events: readonly AnyEvent[];
  /** The writes that it came in. */
  readonly writes: readonly SinkBatch<AnyEvent>[];
  readonly letters: readonly Letter[];
  readonly gaps: readonly Gap[];
  readonly store: MemoryStore;
  /** The saved position of the source's own key. */
  readonly cursor: Cursor | undefined;
}

/** How to run. */
export interface LiveRunOptions extends Partial<Omit<PipelineOptions<AnyEvent, AnyEvent>, "source">> {
  /** Positions of earlier runs, by key. */
  readonly saved?: Readonly<Record<string, Cursor>>;
  /** Positions that outlive a run. */
  readonly store?: MemoryStore;
  /** Each write waits for it. */
  readonly gate?: () => Promise<void>;
}

/** Runs a source; writes and saves without waiting. */
export function runSource<S extends Source<AnyEvent>>(source: S, how: LiveRunOptions = {}): LiveRun<S> {
  const { saved = {}, gate, store = memoryStore(), ...options } = how;
  for (const [key, cursor] of Object.entries(saved)) store.positions.set(key, cursor);
  const events: AnyEvent[] = [], writes: SinkBatch<AnyEvent>[] = [], letters: Letter[] = [], gaps: Gap[] = [];
  const counters = createCounters();
  const stop = new AbortController();
  const result = runPipeline<AnyEvent>({
    source,
    sink: {
      name: "memory",
      async write(batch) {
        await gate?.();
        writes.push(batch);
        events.push(...batch.items);
        return { rejected: [] };
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
    checkpoints: store,
    checkpointMs: 1,
    batchMs: 1,
    counters,
    deadLetter: (dead) => Promise.resolve(void letters.push(...dead)),
    recordGaps: (_, met) => Promise.resolve(void gaps.push(...met)),
    stop: stop.signal,
    ...options,
  });
  return {
    ...controlRun(result, stop),
    source,
    counters,
    events,
    writes,
    letters,
    gaps,
    store,
    get cursor() {
      return store.positions.get(source.key);
    },
  };
}

/** Runs the firehose of one server, named `host` in positions; it dials again after 5 ms. */
export function runFirehose(
  server: { readonly host: string },
  options: FirehoseOptions = {},
  how: LiveRunOptions = {},
): LiveRun<LiveSource> {
  return runSource(firehose({ hosts: [`ws://${server.host}`], alias: "host", backoff: () => 5, ...options }), how);
}

/** Where {@link runFirehose} saves its position. */
export const KEY = "firehose_live:cursor:host";

/** The saved position of {@link runFirehose}. */
export const at = (cursor: Cursor): LiveRunOptions => ({ saved: { [KEY]: cursor } });

/** A commit of one post, or of what is named. */
export function commit(
  seq: number,
  ops: readonly TestOp[] = [{ record: { text: `post ${seq}` } }],
  change: Record<string, unknown> = {},
): Uint8Array {
  return messageFrame("#commit", commitBody(ops, { seq, ...change }));
}

/** Commits with the numbers from `first` to `last`. */
export const commits = (first: number, last: number): Uint8Array[] =>
  Array.from({ length: last - first + 1 }, (_, i) => commit(first + i));

/** The numbers of events. */
export const seqsOf = (events: readonly AnyEvent[]): (number | undefined)[] =>
  events.map((event) => (event as AtEvent).seq);
