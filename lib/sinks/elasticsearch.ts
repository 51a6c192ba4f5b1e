/**
 * The sink `elasticsearch`: documents by record, in layout `classic`, each there once whatever is repeated.
 *
 * @module
 */
import type { AnyEvent } from "../atproto/event.ts";
import { isWanted, type Kind, KINDS } from "../transforms/elasticsearch/kinds.ts";
import { indexBody, type IndexBodyOptions } from "../transforms/elasticsearch/mappings.ts";
import { createPostCounters } from "../transforms/posts.ts";
import { accepts, type DocumentOptions, purgeOf, toWrites } from "../transforms/elasticsearch/writes.ts";
import { type ConnectionOptions, openConnection } from "./elasticsearch/connection.ts";
import { type DrySink, makeDrySink } from "./elasticsearch/dry.ts";
import { type ElasticsearchSink, makeSink } from "./elasticsearch/sink.ts";
import { type SetupMode, start } from "./elasticsearch/start.ts";
import { type Target, type TargetOptions, targetsOf } from "./elasticsearch/targets.ts";

export type { ConnectionOptions } from "./elasticsearch/connection.ts";
export type { Credentials } from "./elasticsearch/nodes.ts";
export type { ElasticsearchFigures, ElasticsearchSink } from "./elasticsearch/sink.ts";
export type { SetupMode } from "./elasticsearch/start.ts";
export type { TargetOptions } from "./elasticsearch/targets.ts";
export type { IndexBodyOptions } from "../transforms/elasticsearch/mappings.ts";
export type { DocumentOptions } from "../transforms/elasticsearch/writes.ts";

/** Options of {@link elasticsearchSink}. */
export interface ElasticsearchSinkOptions {
  /** The server. */
  readonly connection: ConnectionOptions;
  /** What is written. */
  readonly documents: DocumentOptions;
  /** Names of indices; default: the layout's. */
  readonly targets?: TargetOptions;
  /** Settings of indices that are made; default: searchable vectors, one shard, one replica. */
  readonly indices?: IndexBodyOptions;
  /** What to do about missing indices; default `auto`: make them. */
  readonly setup?: SetupMode;
  /** The size of a bulk at most, in bytes; default 5,000,000. */
  readonly bulkBytes?: number;
  /** Bulks in flight at most; default 4. Fewer while the server has too much to do. */
  readonly concurrency?: number;
  /** Whether a post is compared with its tombstone before it is written; default: no. For creates that may come after their delete. */
  readonly checkTombstones?: boolean;
  /** How long to leave a server alone that refuses writes until somebody acts, in milliseconds; default 30,000. */
  readonly pauseMs?: number;
  /** The time between three refusals of the credentials that end the run, in milliseconds; default 10,000. */
  readonly denialMs?: number;
}

/** Whether an event leads to anything under these options: a stage before the sink leaves out those that do not. */
export function acceptsEvent(options: Pick<ElasticsearchSinkOptions, "documents">): (event: AnyEvent) => boolean {
  return accepts(options.documents);
}

/**
 * Opens a server as a sink. It takes several writes at once, and repeating any of them changes nothing.
 *
 * A server that is down does not matter here: the first write fails as transient until it is there.
 *
 * @throws {ConfigError} Where the server cannot be used: its kind, version, certificate, credentials, mappings, missing indices.
 */
export async function elasticsearchSink(options: ElasticsearchSinkOptions): Promise<ElasticsearchSink> {
  const { setup = "auto", indices = { vectors: "searchable" } } = options;
  const { bulkBytes = 5_000_000, concurrency = 4, pauseMs = 30_000, denialMs = 10_000 } = options;
  const { documents, targets, parts } = documentsOf(options);
  const connection = await openConnection(options.connection);
  try {
    return await makeSink({
      connection,
      prepare: () => start(connection, { targets, setup, bodyOf: (kind) => ({ ...indexBody(kind, indices) }) }),
      makesIndices: setup === "auto",
      ...parts,
      purgeOf: (event) => purgeOf(event, documents),
      checkTombstones: options.checkTombstones ?? false,
      bulkBytes,
      concurrency,
      pauseMs,
      denialMs,
      now: documents.now ?? Date.now,
    });
  } catch (error) {
    await connection[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * The sink without a server: documents are made, counted and forgotten.
 *
 * @throws {ConfigError} For names of indices that cannot be.
 */
export function dryElasticsearchSink(options: Pick<ElasticsearchSinkOptions, "documents" | "targets">): DrySink {
  return makeDrySink(documentsOf(options).parts);
}

/** How events become documents, and where those go. */
function documentsOf(options: Pick<ElasticsearchSinkOptions, "documents" | "targets">) {
  const { counters = createPostCounters() } = options.documents;
  const documents: DocumentOptions = { ...options.documents, counters };
  const targets = targetsOf(KINDS.filter((kind) => isWritten(kind, documents)), options.targets);
  const aliases = aliasesOf(targets, options.targets);
  return {
    documents,
    targets,
    parts: {
      toWrites: (event: AnyEvent) => toWrites(event, documents),
      indexOf: (kind: Kind) => aliases[kind],
      counters,
    },
  };
}

/** A purge leaves tombstones, whatever else is written. */
function isWritten(kind: Kind, { documents, purgeAccounts }: DocumentOptions): boolean {
  return isWanted(kind, documents) || (kind === "post_tombstones" && purgeAccounts.length > 0);
}

/** The alias of every kind: a purge takes away what other runs have written, too. */
function aliasesOf(
  written: readonly Target[],
  { prefix, names = [] }: TargetOptions = {},
): Readonly<Record<Kind, string>> {
  const aliases = KINDS.map((kind) => {
    const target = written.find((each) => each.kind === kind) ??
      targetsOf([kind], { prefix, names: names.filter((name) => name.startsWith(`${kind}=`)) })[0]!;
    return [kind, target.alias];
  });
  return Object.fromEntries(aliases);
}
