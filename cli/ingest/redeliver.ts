/**
 * Dead letters through the pipeline: read again, filtered, written, and marked once that is durable.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { AnyEvent } from "../../lib/atproto/event.ts";
import type { Counters } from "../../lib/pipeline/counters.ts";
import { messageOf, TransientError } from "../../lib/pipeline/errors.ts";
import { type PipelineOptions, runPipeline } from "../../lib/pipeline/pipeline.ts";
import type { Sink } from "../../lib/pipeline/sink.ts";
import { type DeadEntry, deadLetters, type DeadLettersOptions } from "../../lib/sources/dead_letters.ts";
import type { DeadLetterSnapshot } from "../../lib/state/dead_letter_reader.ts";
import type { Retries } from "../../lib/state/dead_letter_retry.ts";
import { DONE, type Marker, marker, placeAt, recover, selected, type Selection } from "./retry_selection.ts";

const log = getLogger(["bskyingest", "retry"]);

/** What stops a run: see `PipelineOptions`. */
export interface StopSignals {
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
}

/** What {@link redeliver} works with. */
export interface Redelivery {
  readonly snapshot: DeadLetterSnapshot;
  /** Undefined in a dry run: nothing is marked, and what fails again is only counted. */
  readonly retries: Retries | undefined;
  readonly selection: Selection;
  /** Under which a sink that keeps positions keeps how far it has come. */
  readonly key: string;
  readonly sink: Sink<AnyEvent>;
  readonly source: Omit<DeadLettersOptions, "key" | "entries" | "cursorAt" | "checkpoints">;
  readonly through?: NonNullable<PipelineOptions<AnyEvent, AnyEvent>["through"]>;
  readonly delivery: Pick<
    PipelineOptions<AnyEvent, AnyEvent>,
    "checkpointMs" | "batchMs" | "concurrency" | "maxInFlight" | "backoff"
  >;
  readonly counters: Counters;
  readonly signals: StopSignals;
}

/**
 * Brings the selected entries to the sink, oldest first. A kill at any moment loses nothing. Nothing is doubled either where the
 * sink commits positions together with events; elsewhere it may be what was in flight, and in one checkpoint interval.
 *
 * @throws What `runPipeline` throws.
 */
export async function redeliver(options: Redelivery): Promise<void> {
  const { snapshot, retries, selection, key, sink, counters, signals } = options;
  const marks = retries && marker(retries, signals.kill);
  const written = retries ? await recover(snapshot, await sink.checkpoints?.load(key)) : new Set<string>();
  await retries?.mark([...written], { signal: signals.kill });
  counters.received += written.size;
  counters.duplicates += written.size;
  const source = deadLetters({
    ...options.source,
    key,
    entries: () => others(written, selected(snapshot, selection), marks),
    cursorAt: ({ id }) => placeAt(id, selection),
    ...(marks && { checkpoints: marks.checkpoints }),
  });
  await runPipeline<AnyEvent>({
    source,
    ...(options.through && { through: options.through }),
    sink,
    counters,
    ...signals,
    ...options.delivery,
    batchSize: options.source.batchSize,
    async deadLetter(letters, { signal }) {
      const failed = letters.map((letter) => ({ ...source.entryOf(letter), letter }));
      await retries?.replace(failed, { signal });
      for (const { entry, part } of failed) if (!part) marks?.replaced(entry.id);
    },
    timeOf: (event) => event.time_us,
    collectionOf: (event) => event.kind === "commit" ? event.commit.collection : undefined,
  });
  if (retries) await forget(sink, key);
}

/** All marks are durable: what the sink remembers is of no use any more, nor of harm where it cannot be told. */
async function forget(sink: Sink<AnyEvent>, key: string): Promise<void> {
  try {
    await sink.checkpoints?.save(key, DONE, true);
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
    log.debug("Position {key} stays as it is: {error}", { key, error: messageOf(error) });
  }
}

/** Those that are not written yet, noted as they go. */
async function* others(written: ReadonlySet<string>, entries: AsyncIterable<DeadEntry>, marks: Marker | undefined) {
  for await (const entry of entries) {
    if (written.has(entry.id)) continue;
    marks?.handOn(entry.id);
    yield entry;
  }
}
