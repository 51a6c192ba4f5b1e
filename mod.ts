/**
 * bskyingest brings Bluesky and AT Protocol data safely into SQLite, files and pipes. This is its library; run as a program,
 * it is the command line tool.
 *
 * Sources yield batches of events with the position that becomes true once they are safe; stages filter and map them; a sink
 * makes them durable; {@link runPipeline} does the rest: retries, dead letters, back-pressure, positions, draining.
 *
 * @example All posts into a SQLite file, resuming where the last run ended
 * ```ts ignore
 * import { jetstream, runPipeline, sqliteSink } from "@org/bskyingest";
 *
 * await using sink = await sqliteSink({ path: "posts.db" });
 * await runPipeline({ source: jetstream({ collections: ["app.bsky.feed.post"] }), sink, limit: 1000 });
 * ```
 *
 * @example Stages are plain functions on events
 * ```ts
 * import { type AtEvent, filterEvents, nullSink, runPipeline, type Source } from "@org/bskyingest";
 *
 * const origin = { source: "example", wire: "v1", host: "localhost" } as const;
 * const events: AtEvent[] = ["did:plc:a", "did:plc:b"].map((did, i) => ({
 *   kind: "account", did, time_us: 1_700_000_000_000_000 + i, origin, account: { active: i === 0, did },
 * }));
 * const source: Source<AtEvent> = {
 *   key: "example",
 *   open: () => ReadableStream.from([{ items: events, cursor: "2" }]),
 * };
 * await using sink = nullSink();
 * const { counters } = await runPipeline({
 *   source,
 *   through: (batches) => batches.pipeThrough(filterEvents((e) => e.kind === "account" && e.account.active)),
 *   sink,
 * });
 * if (counters.written !== 1 || counters.filtered !== 1) throw new Error("one of two");
 * ```
 *
 * @module
 */
export * from "./lib/atproto/event.ts";
export * from "./lib/pipeline/batch.ts";
export { type Counters, createCounters, type Passed } from "./lib/pipeline/counters.ts";
export type { DeadLetter, Letter } from "./lib/pipeline/deliver.ts";
export * from "./lib/pipeline/errors.ts";
export { type PipelineOptions, type PipelineResult, runPipeline } from "./lib/pipeline/pipeline.ts";
export { DeadRatio, type DeadRatioOptions } from "./lib/pipeline/dead_ratio.ts";
export { type Backoff, fullJitter } from "./lib/pipeline/retry.ts";
export type * from "./lib/pipeline/sink.ts";
export { batchStream, type OpenOptions, type Source, type SourceStats } from "./lib/pipeline/source.ts";
export { filterEvents, mapEvents, regroup, type RegroupOptions, type Stage } from "./lib/pipeline/stages.ts";
export { type JetstreamRace, jetstreamRace, type JetstreamRaceOptions } from "./lib/sources/jetstream/race.ts";
export type { HostFigures } from "./lib/sources/merge/tally.ts";
export { createFilter, type EventFilter, type FilterOptions } from "./lib/transforms/filters.ts";
export { createValidator, validateWith, type Validator, type ValidatorOptions } from "./lib/transforms/validate.ts";
export {
  firehose,
  type FirehoseOptions,
  type HostStats,
  type LiveOptions,
  type LiveSource,
  type LiveStats,
} from "./lib/sources/firehose.ts";
export { jetstream, type JetstreamSource } from "./lib/sources/jetstream/jetstream.ts";
export type { JetstreamOptions } from "./lib/sources/jetstream/options.ts";
export type { Wire } from "./lib/sources/jetstream/url.ts";
export { labels, type LabelsOptions } from "./lib/sources/labels.ts";
export { DONE as LIST_DONE, listRepos, type ListReposOptions, type ListReposSource } from "./lib/sources/list_repos.ts";
export { type ContainerOptions, openContainer } from "./lib/sources/megastream/container.ts";
export {
  createRowCounters,
  megastreamFile,
  type MegastreamFileOptions,
  type MegastreamFileSource,
  type RowCounters,
} from "./lib/sources/megastream/file_source.ts";
export {
  type BadFileCode,
  BadFileError,
  type FileStore,
  FileVanishedError,
  type ListedFile,
  type ListOptions,
  type LocalFile,
} from "./lib/sources/megastream/files.ts";
export { localStore, type LocalStoreOptions } from "./lib/sources/megastream/local_store.ts";
export { megastreamTime } from "./lib/sources/megastream/name.ts";
export type { S3ClientOptions } from "./lib/sources/megastream/s3_client.ts";
export { s3Store, type S3StoreOptions } from "./lib/sources/megastream/s3_store.ts";
export { type TempFile, type TempFiles, tempFiles } from "./lib/sources/megastream/temp_files.ts";
export {
  type LeasedRow,
  queuePreview,
  type QueuePreviewOptions,
  type QueueSource,
  queueSource,
  type QueueSourceFigures,
  type QueueSourceOptions,
  type RowQueue,
  type StoredRow,
} from "./lib/sources/queue.ts";
export {
  type ConsumeFigures,
  type ConsumeLag,
  type RedisSource,
  redisSource,
  type RedisSourceOptions,
} from "./lib/sources/redis.ts";
export { replay, type ReplayOptions, type ReplaySource } from "./lib/sources/replay.ts";
export type { Clock } from "./lib/sources/replay/pace.ts";
export type { TapEntry } from "./lib/sources/tap.ts";
export type { CursorRow } from "./lib/state/cursors_table.ts";
export type { Frames } from "./lib/net/websocket.ts";
export {
  acceptsEvent,
  type ConnectionOptions,
  type Credentials,
  type DocumentOptions,
  type ElasticsearchFigures,
  type ElasticsearchSink,
  elasticsearchSink,
  type ElasticsearchSinkOptions,
  type IndexBodyOptions,
  type SetupMode,
  type TargetOptions,
} from "./lib/sinks/elasticsearch.ts";
export type { Kind as DocumentKind } from "./lib/transforms/elasticsearch/kinds.ts";
export { enrichmentOf } from "./lib/transforms/elasticsearch/enrichment.ts";
export { type DecodedVector, decodeVector, type VectorFault } from "./lib/transforms/embeddings/codec.ts";
export {
  CLASSIC_EMBEDDINGS,
  dimsByField,
  type Model,
  modelsOf,
  type VectorHolder,
} from "./lib/transforms/embeddings/models.ts";
export { createPostCounters, type Enrichment, type PostCounters } from "./lib/transforms/posts.ts";
export { ndjsonSink, type NdjsonSinkOptions } from "./lib/sinks/ndjson.ts";
export { nullSink } from "./lib/sinks/null.ts";
export {
  DEFAULT_QUEUE,
  type FoundQueue,
  makeQueueFolder,
  openQueue,
  type OpenQueueOptions,
  type PendingRow,
  pendingRows,
  type Queue,
  QUEUE_STATUSES,
  type QueueFigures,
  queueFile,
  type QueueListOptions,
  type QueuePosition,
  type QueueRecord,
  type QueueRow,
  type QueueSelection,
  queuesIn,
  type QueueSink,
  queueSink,
  type QueueSinkOptions,
  type QueueStats,
  type QueueStatus,
  type ReceiptOutcome,
  type ReleaseOptions,
  type TakenRow,
  type TakeOptions,
  type WaitingTakeOptions,
} from "./lib/sinks/queue.ts";
export {
  type RedisFigures,
  type RedisLinkOptions,
  type RedisSink,
  redisSink,
  type RedisSinkOptions,
  type StreamFormat,
} from "./lib/sinks/redis.ts";
export type { ConnectOptions as RedisConnectOptions } from "./lib/net/redis/connect.ts";
export { isStreamed } from "./lib/transforms/stream_events.ts";
export { type SqliteIndex, type SqliteSink, sqliteSink, type SqliteSinkOptions } from "./lib/sinks/sqlite.ts";
export { stdoutSink, type StdoutSinkOptions } from "./lib/sinks/stdout.ts";
export { type DeadLetterFile, type DeadLetterOptions, openDeadLetter } from "./lib/state/dead_letter.ts";
export { type FileCheckpointOptions, type FileCheckpoints, fileCheckpoints } from "./lib/state/file_checkpoint.ts";
export { type GapStore, openGapStore } from "./lib/state/gaps.ts";
export { acquireLock, type LockOptions } from "./lib/state/lock.ts";
export { VERSION } from "./lib/version.ts";

if (import.meta.main) await (await import("./cli/main.ts")).main(Deno.args);
