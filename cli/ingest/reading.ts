/**
 * What an ingest command reads, and what it reads it into.
 *
 * @module
 */
import type { AnyEvent } from "../../lib/atproto/event.ts";
import type { Cursor } from "../../lib/pipeline/batch.ts";
import type { Counters } from "../../lib/pipeline/counters.ts";
import type { DeadLetter } from "../../lib/pipeline/deliver.ts";
import type { PipelineResult } from "../../lib/pipeline/pipeline.ts";
import type { CheckpointStore, Sink } from "../../lib/pipeline/sink.ts";
import type { Source, SourceStats } from "../../lib/pipeline/source.ts";
import { MICROSECONDS_FROM } from "../../lib/sources/jetstream/url.ts";
import { DONE } from "../../lib/sources/list_repos/done.ts";
import type { ProgressText } from "../progress.ts";
import { type EndedBy, readableCursor, type ReportPart } from "../report.ts";

/** Everything that a command reads, in one run of the pipeline or several. */
export interface Reading {
  /** Hosts or files, for the summary. */
  readonly name: string;
  /** The collections that it reads; undefined: any. */
  readonly collections?: readonly string[] | undefined;
  /** Whether several hosts send the same events: then each event says by which one it came. @default {false} */
  readonly copies?: boolean;
  /** Whether nothing is read again that was safe once, because whoever it is read from is told so. @default {false} */
  readonly acknowledges?: boolean;
  /** Whether a create may come after its delete. @default {false} */
  readonly late?: boolean;
  /** `--max-dead-ratio` is that of the whole run and not of its last 1,000 events. @default {false} */
  readonly ratioOfAll?: boolean;
  /** Which events count towards the limit of the run. Default: all. */
  readonly counts?: ((event: AnyEvent) => boolean) | undefined;
  /** Live figures, for the summary. */
  readonly stats?: Partial<SourceStats> | undefined;
  /** One line of progress. Default: counts and rates of events. */
  readonly progress?: ProgressText;
  /** Where its own dead letters go, in place of the file. */
  readonly deadLetters?: {
    /** The dead letter of a run, of one that takes what is not the reading's. */
    instead(others: DeadLetter): DeadLetter;
    /** How they are shown: options of `dead-letter list`. */
    readonly listedBy: string;
  };
  /** Called when the locks are held and the sink is not open yet: what it throws leaves everything as it was. */
  begin?(): Promise<void>;
  /** Reads until the end or `delivery.stop`; resolves when all of it is settled. */
  run(delivery: Delivery): Promise<PipelineResult["endedBy"]>;
  /**
   * What the summary says besides, at the end.
   *
   * @param figures What the sink has counted; undefined: nothing, or it was never opened.
   */
  report?(figures: object | undefined, ending: RunEnding): ReportPart;
}

/** What is known of a run when it is over. */
export interface RunEnding {
  readonly endedBy: EndedBy;
  /** From the program's start, in milliseconds. */
  readonly durationMs: number;
}

/** A sink that is open, and all that stands between it and a source. */
export interface Delivery {
  readonly counters: Counters;
  /** Where positions are kept: by the sink itself, or in a file. Undefined: nowhere, or the reading keeps its own. */
  readonly positions: CheckpointStore | undefined;
  /** Which events the sink holds; undefined: it cannot tell, or knows copies by their id. */
  readonly known?: Sink<AnyEvent>["known"];
  /** Nothing more is to be read. */
  readonly stop: AbortSignal;
  /** What the sink counts besides what the pipeline does. */
  figures(): object | undefined;
  /** Says where the run begins, and where it writes to. */
  announce(where: string): void;
  /**
   * One run of the pipeline, with all options of the command line; several, where the sink loses what it had confirmed.
   *
   * @param checkpoints Where the position is kept, for a sink that keeps none. Default: `positions`.
   */
  pipe(source: Source<AnyEvent>, checkpoints?: CheckpointStore): Promise<PipelineResult>;
}

/** One source, in one run of the pipeline. */
export function readSource(
  source: Source<AnyEvent>,
  { name, collections, copies = false }: Pick<Reading, "name" | "collections" | "copies">,
): Reading {
  return {
    name,
    collections,
    copies,
    stats: source.stats,
    async run(delivery) {
      delivery.announce(whereFrom(await delivery.positions?.load(source.key)));
      return (await delivery.pipe(source)).endedBy;
    },
  };
}

/** Where a run goes on, in words. */
export function whereFrom(cursor: Cursor | undefined): string {
  if (cursor === undefined) return "no saved position";
  if (cursor === DONE) return "the list was read to its end before";
  const value = readableCursor(cursor);
  // Relays count their frames, lists their pages.
  if (typeof value === "number" && value < MICROSECONDS_FROM) return `resuming behind ${value}`;
  const { time_us, done, file, entry } = (typeof value === "number" ? { time_us: value } : value) as {
    readonly time_us?: number;
    readonly done?: boolean;
    readonly file?: number;
    readonly entry?: number;
  };
  if (time_us !== undefined) return `resuming after ${new Date(time_us / 1000).toISOString()}`;
  if (done) return "beginning anew, the last run came to its end";
  return file === undefined ? `resuming after ${cursor}` : `resuming in file ${file} behind entry ${entry}`;
}
