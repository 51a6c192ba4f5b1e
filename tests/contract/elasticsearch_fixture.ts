/**
 * The contract's place in an Elasticsearch. It holds no events but the documents that they lead to, so that is what a reader finds:
 * of every record the last state, in no order.
 *
 * @module
 */
import type { AnyEvent } from "../../lib/atproto/event.ts";
import type { ElasticsearchSinkOptions } from "../../lib/sinks/elasticsearch.ts";
import { SINKS, type SinkSettings } from "../../lib/sinks/registry.ts";
import { KINDS } from "../../lib/transforms/elasticsearch/kinds.ts";
import { toWrites } from "../../lib/transforms/elasticsearch/writes.ts";
import type { SharedElasticsearch } from "../support/elasticsearch.ts";
import type { SinkFixture } from "./sink_contract.ts";

/** All kinds; `indexed_at` is the same in what is written and in what is expected. */
const DOCUMENTS: ElasticsearchSinkOptions["documents"] = {
  documents: KINDS,
  deletes: "apply",
  purgeAccounts: [],
  now: () => Date.parse("2026-07-04T14:38:12.000Z"),
};

/** Indices with a prefix of their own. */
export function elasticsearchFixture({ es, prefix }: SharedElasticsearch, settings: SinkSettings): SinkFixture {
  const own = prefix();
  const elasticsearch = { connection: { nodes: [es.url] }, documents: DOCUMENTS, targets: { prefix: own } };
  return {
    open: () => SINKS.elasticsearch.open({ ...settings, elasticsearch }),
    async read() {
      const found = await es.hits(`${own}*`);
      return found.map(({ _index, _id, _source }) => line(_index, _id, _source)).sort();
    },
    expected: (events) => documentsOf(events, own),
  };
}

/** What is left when all writes were done one after the other. */
function documentsOf(events: readonly AnyEvent[], prefix: string): string[] {
  const documents = new Map<string, { version: bigint; line: string }>();
  for (const { kind, action, id, version, body } of events.flatMap((event) => toWrites(event, DOCUMENTS))) {
    const key = `${kind} ${id}`;
    if (BigInt(version) < (documents.get(key)?.version ?? 0n)) continue;
    if (action === "delete") documents.delete(key);
    else documents.set(key, { version: BigInt(version), line: line(`${prefix}${kind}_v1`, id, JSON.parse(body!)) });
  }
  return [...documents.values()].map((each) => each.line).sort();
}

function line(index: string, id: string, document: unknown): string {
  return `${index} ${id} ${JSON.stringify(document)}`;
}
