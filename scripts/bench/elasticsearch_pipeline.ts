/**
 * Documents into Elasticsearch through the library, put together as the command does it.
 *
 * @module
 */
import type { AnyEvent, CommitEvent } from "../../lib/atproto/event.ts";
import { createCounters } from "../../lib/pipeline/counters.ts";
import { runPipeline } from "../../lib/pipeline/pipeline.ts";
import { fullJitter } from "../../lib/pipeline/retry.ts";
import type { Sink } from "../../lib/pipeline/sink.ts";
import { batchStream, type Source } from "../../lib/pipeline/source.ts";
import { type ElasticsearchSink, elasticsearchSink } from "../../lib/sinks/elasticsearch.ts";
import { jetstream } from "../../lib/sources/jetstream/jetstream.ts";
import { KINDS } from "../../lib/transforms/elasticsearch/kinds.ts";
import type { LoopTarget, VectorPost } from "./elasticsearch_loop.ts";

/** Where and how the pipeline writes. */
export interface PipelineTarget extends LoopTarget {
  readonly setup: "auto" | "off";
}

/** The sink: documents of every kind, so that each generated event is one. */
export function openSink(target: PipelineTarget, posts: readonly VectorPost[] = []): Promise<ElasticsearchSink> {
  const { url, prefix, setup, concurrency } = target;
  const vectors = new Map(posts.map(({ uri, vector }) => [uri, { vectors: { all_MiniLM_L12_v2: vector } }]));
  return elasticsearchSink({
    connection: { nodes: [url] },
    documents: {
      documents: KINDS,
      deletes: "apply",
      purgeAccounts: [],
      ...(posts.length > 0 && {
        enrichmentOf: ({ did, commit }: CommitEvent) => vectors.get(`at://${did}/${commit.collection}/${commit.rkey}`),
      }),
    },
    targets: { prefix },
    indices: { vectors: "stored" },
    setup,
    concurrency,
  });
}

/** Answers how many events of a load server it has written: `events`, and what else was on its way by then. */
export function pipeJetstream(
  url: string,
  events: number,
  sink: ElasticsearchSink,
  target: PipelineTarget,
): Promise<number> {
  const source = jetstream({ url, alias: "bench", key: "bench", collections: ["all"] });
  return deliver(source, events, sink, target);
}

/** Answers how many posts it has written. */
export function pipeVectors(
  posts: readonly VectorPost[],
  sink: ElasticsearchSink,
  target: PipelineTarget,
): Promise<number> {
  return deliver(sourceOf(posts, target.size), posts.length, sink, target);
}

async function deliver(
  source: Source<AnyEvent>,
  events: number,
  sink: ElasticsearchSink,
  { size, concurrency }: PipelineTarget,
): Promise<number> {
  const counters = createCounters();
  const stop = new AbortController();
  // A record that changes twice in a batch is written once, so what was written cannot tell the end.
  const counting: Sink<AnyEvent> = {
    ...sink,
    async write(batch, how) {
      const result = await sink.write(batch, how);
      settled += batch.items.length - result.rejected.length;
      if (settled >= events) stop.abort();
      return result;
    },
  };
  let settled = 0;
  await runPipeline<AnyEvent>({
    source,
    sink: counting,
    counters,
    batchSize: size,
    concurrency,
    maxInFlight: 10_000,
    backoff: fullJitter(10),
    timeOf: (event) => event.time_us,
    stop: stop.signal,
  });
  return counters.written + counters.duplicates;
}

function sourceOf(posts: readonly VectorPost[], size: number): Source<AnyEvent> {
  return {
    key: "posts",
    open: ({ stop } = {}) =>
      batchStream<AnyEvent>(stop, async function* () {
        for (let from = 0; from < posts.length; from += size) {
          yield { items: posts.slice(from, from + size).map(eventOf), cursor: String(from) };
        }
      }),
  };
}

function eventOf({ uri, did, text, time_us }: VectorPost): CommitEvent {
  const createdAt = new Date(time_us / 1000).toISOString();
  const [collection, rkey] = uri.split("/").slice(-2);
  const record = { $type: collection!, text, createdAt };
  return {
    kind: "commit",
    did,
    time_us,
    origin: { source: "jetstream", wire: "v2", host: "bench" },
    commit: { operation: "create", collection: collection!, rkey: rkey!, record },
  };
}
