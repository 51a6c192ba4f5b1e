/**
 * The rows of a Megastream file through the library, put together as the command does it.
 *
 * @module
 */
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { createCounters } from "../../lib/pipeline/counters.ts";
import { runPipeline } from "../../lib/pipeline/pipeline.ts";
import { fullJitter } from "../../lib/pipeline/retry.ts";
import { elasticsearchSink } from "../../lib/sinks/elasticsearch.ts";
import { megastreamFile } from "../../lib/sources/megastream/file_source.ts";
import { enrichmentOf } from "../../lib/transforms/elasticsearch/enrichment.ts";
import { CLASSIC_EMBEDDINGS, modelsOf } from "../../lib/transforms/embeddings/models.ts";
import { createPostCounters } from "../../lib/transforms/posts.ts";

/** Writes in flight, and documents of one, as the command has them. */
const CONCURRENCY = 4, BATCH_SIZE = 500;

/** Answers how many posts it has written; all of them must have both vectors. */
export async function pipeRows(path: string, url: string): Promise<number> {
  const postCounters = createPostCounters(), counters = createCounters();
  await using sink = await elasticsearchSink({
    connection: { nodes: [url] },
    documents: {
      documents: ["posts"],
      deletes: "apply",
      purgeAccounts: ["deleted"],
      enrichmentOf: enrichmentOf(modelsOf(CLASSIC_EMBEDDINGS), postCounters),
      counters: postCounters,
    },
    setup: "off",
    concurrency: CONCURRENCY,
  });
  await runPipeline<AnyEvent>({
    source: megastreamFile({ path, name: "bench.db.zip", fileTimeUs: Date.now() * 1000 }),
    sink,
    counters,
    batchSize: BATCH_SIZE,
    concurrency: CONCURRENCY,
    backoff: fullJitter(10),
    timeOf: (event) => event.time_us,
  });
  if (postCounters.vectorsDropped.size > 0) throw new Error("Cannot measure this: vectors were dropped");
  return counters.written + counters.duplicates;
}
