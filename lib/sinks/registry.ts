/**
 * All sinks: one file and one entry here each. Choices, help, completion and the contract tests are made of this.
 *
 * @module
 */
import type { AnyEvent } from "../atproto/event.ts";
import type { Sink } from "../pipeline/sink.ts";
import type { ElasticsearchSinkOptions } from "./elasticsearch.ts";
import type { QueueSinkOptions } from "./queue.ts";
import type { RedisSinkOptions } from "./redis.ts";
import type { SqliteIndex } from "./sqlite.ts";

/** What the options of all sinks come to; each sink reads its own. */
export interface SinkSettings {
  /** sqlite: the file. */
  readonly db: string;
  /** sqlite: the log's name. */
  readonly table: string;
  /** sqlite: which indices a new log gets. */
  readonly indexes: readonly SqliteIndex[];
  /** sqlite: events older than this many milliseconds are deleted. */
  readonly retentionMs: number | undefined;
  /** ndjson: the file. */
  readonly out: string;
  /** elasticsearch: all of its own. */
  readonly elasticsearch?: ElasticsearchSinkOptions;
  /** redis: all of its own. */
  readonly redis?: RedisSinkOptions;
  /** queue: all of its own. */
  readonly queue?: QueueSinkOptions;
}

/** What is known of a sink before it is opened. */
export interface SinkEntry {
  /** One line for help and completion. */
  readonly brief: string;
  /** Events of one write, unless the user says otherwise. */
  readonly defaultBatchSize: number;
  /** So many such batches go out as one write where they are there already. Default: 1. */
  readonly batchesPerWrite?: number;
  /** Writes side by side that it can take without losing its order; `Infinity`: any number. */
  readonly maxConcurrency: number;
  /** Writes side by side, unless the user says otherwise. */
  readonly defaultConcurrency: number;
  /** Whether it commits the position together with the events. */
  readonly keepsPosition: boolean;
  /** Whether it prints or drops whatever it is given, so that this need not be events. */
  readonly takesAnything: boolean;
  /** Whether an event leads to anything in this sink; those that do not are filtered. Default: all do. */
  accepts?(settings: SinkSettings): Promise<(event: AnyEvent) => boolean>;
  /** Opens it; its code is loaded only now. */
  open(settings: SinkSettings): Promise<OpenSink>;
  /** Opens what does the same but for writing, and reaches nothing. Default: what would be written is only counted. */
  openDry?(settings: SinkSettings): Promise<OpenSink>;
}

/** A sink that a user chose. */
export interface OpenSink extends Sink<AnyEvent> {
  /** What it counts besides what the pipeline does, for the summary. */
  figures?(): object;
}

const ENTRIES = {
  sqlite: {
    brief: "A SQLite file: a log of events with readable views",
    defaultBatchSize: 1000,
    maxConcurrency: 1,
    defaultConcurrency: 1,
    keepsPosition: true,
    takesAnything: false,
    open: async ({ db, table, indexes, retentionMs }) =>
      (await import("./sqlite.ts")).sqliteSink({ path: db, table, indexes, retentionMs }),
  },
  elasticsearch: {
    brief: "Elasticsearch 8 or 9: a document for each record",
    defaultBatchSize: 100,
    maxConcurrency: Infinity,
    defaultConcurrency: 4,
    keepsPosition: false,
    takesAnything: false,
    accepts: async ({ elasticsearch }) => (await import("./elasticsearch.ts")).acceptsEvent(elasticsearch!),
    open: async ({ elasticsearch }) => (await import("./elasticsearch.ts")).elasticsearchSink(elasticsearch!),
    openDry: async ({ elasticsearch }) => (await import("./elasticsearch.ts")).dryElasticsearchSink(elasticsearch!),
  },
  redis: {
    brief: "Redis streams, in the formats of two older ingesters",
    defaultBatchSize: 500,
    maxConcurrency: 1,
    defaultConcurrency: 1,
    keepsPosition: true,
    takesAnything: false,
    accepts: async ({ redis }) => (await import("./redis.ts")).acceptsEvent(redis!),
    open: async ({ redis }) => (await import("./redis.ts")).redisSink(redis!),
    openDry: async ({ redis }) => (await import("./redis.ts")).dryRedisSink(redis!),
  },
  queue: {
    brief: "A SQLite file that other programs take batches from, with leases",
    defaultBatchSize: 100,
    batchesPerWrite: 25,
    maxConcurrency: 1,
    defaultConcurrency: 1,
    keepsPosition: true,
    takesAnything: false,
    open: async ({ queue }) => (await import("./queue.ts")).queueSink(queue!),
  },
  ndjson: {
    brief: "A file with one JSON text a line; .gz and .zst compress",
    defaultBatchSize: 500,
    maxConcurrency: 1,
    defaultConcurrency: 1,
    keepsPosition: false,
    takesAnything: true,
    open: async ({ out }) => (await import("./ndjson.ts")).ndjsonSink({ path: out }),
  },
  stdout: {
    brief: "One JSON text a line on standard output",
    defaultBatchSize: 500,
    maxConcurrency: 1,
    defaultConcurrency: 1,
    keepsPosition: false,
    takesAnything: true,
    open: async () => (await import("./stdout.ts")).stdoutSink(),
  },
  null: {
    brief: "Nowhere: counts and forgets",
    defaultBatchSize: 500,
    maxConcurrency: Infinity,
    defaultConcurrency: 1,
    keepsPosition: false,
    takesAnything: true,
    open: async () => (await import("./null.ts")).nullSink(),
  },
} satisfies Record<string, SinkEntry>;

/** The name of a sink. */
export type SinkName = keyof typeof ENTRIES;

/** The sinks, by name, in the order in which they are listed to users. */
export const SINKS: Readonly<Record<SinkName, SinkEntry>> = ENTRIES;

/** All names, in the order in which they are listed to users. */
export const SINK_NAMES: readonly SinkName[] = Object.keys(ENTRIES) as SinkName[];
