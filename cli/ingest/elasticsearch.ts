/**
 * What the options of `elasticsearch` come to.
 *
 * @module
 */
import type { ElasticsearchSinkOptions } from "../../lib/sinks/elasticsearch.ts";
import type { ConnectionOptions } from "../../lib/sinks/elasticsearch/connection.ts";
import { enrichmentOf } from "../../lib/transforms/elasticsearch/enrichment.ts";
import { dimsByField, modelsOf } from "../../lib/transforms/embeddings/models.ts";
import { createPostCounters } from "../../lib/transforms/posts.ts";
import { fileError } from "../../lib/state/files.ts";
import { type Kind, kindsOfCollections } from "../../lib/transforms/elasticsearch/kinds.ts";
import type { Values } from "../kit/declaration.ts";
import type { ReadingFacts } from "./sink_settings.ts";
import type { connectionOptions, elasticsearchOptions } from "../options/elasticsearch.ts";

/**
 * How to reach the server.
 *
 * @throws {ConfigError} If the file of the certificates cannot be read.
 */
export function connectionOf(values: Values<typeof connectionOptions>): ConnectionOptions {
  return {
    nodes: values.elasticsearchUrl,
    apiKey: values.elasticsearchApiKey,
    user: values.elasticsearchUser,
    password: values.elasticsearchPassword,
    caCert: values.caCert === undefined ? undefined : readCertificates(values.caCert),
    skipTlsVerify: values.skipTlsVerify,
    timeoutMs: values.elasticsearchTimeout,
  };
}

function readCertificates(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw fileError("read", path, error);
  }
}

/** The kinds that `--documents` names; undefined: the layout's. */
export function documentsOf({ documents }: { readonly documents: readonly Kind[] }): readonly Kind[] | undefined {
  return documents.length === 0 ? undefined : documents;
}

/**
 * The options of the sink.
 *
 * No index is made for what cannot come. A live stream replays its deletes after the creates; where that is not so, posts are
 * compared with tombstones.
 *
 * @throws {ConfigError} If the file of the certificates cannot be read, and for a model that cannot be.
 */
export function elasticsearchOf(
  values: Values<typeof elasticsearchOptions>,
  { concurrency, collections, late = false }: ReadingFacts,
): ElasticsearchSinkOptions {
  const documents = documentsOf(values) ?? (collections && kindsOfCollections(collections));
  const models = modelsOf(values.embeddings);
  const counters = createPostCounters();
  return {
    connection: { ...connectionOf(values), gzip: values.elasticsearchGzip },
    documents: {
      ...(documents !== undefined && { documents }),
      deletes: values.deletes,
      purgeAccounts: values.purgeAccounts.filter((status) => status !== "none"),
      enrichmentOf: enrichmentOf(models, counters),
      counters,
    },
    targets: { prefix: values.indexPrefix, names: values.index },
    indices: { vectors: values.vectors, embeddings: dimsByField(models) },
    setup: values.setup,
    bulkBytes: values.bulkBytes,
    concurrency,
    checkTombstones: values.checkTombstones === "always" || (late && values.checkTombstones === "auto"),
  };
}
