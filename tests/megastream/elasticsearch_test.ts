import assert from "node:assert/strict";
import { type Hit, sharedElasticsearch } from "../support/elasticsearch.ts";
import { placeIn } from "../support/elasticsearch_replay.ts";
import { deadRows, FIXTURES, golden, type GoldenRow, megastream, statePath } from "../support/megastream.ts";
import { type ServiceName, serviceTest } from "../support/services.ts";
import { inFolder } from "../support/temp.ts";

interface GoldenDocument {
  readonly index: string;
  readonly id: string;
  readonly source: Readonly<Record<string, unknown>>;
}

const NEEDS: readonly ServiceName[] = ["elasticsearch"];
const shared = sharedElasticsearch();
const DOCUMENTS = golden<GoldenDocument>("golden_classic.ndjson");
const ROWS = golden<GoldenRow>("golden_rows.ndjson");

const byPlace = (a: GoldenDocument, b: GoldenDocument) => `${a.index} ${a.id}` < `${b.index} ${b.id}` ? -1 : 1;

/** All documents, in the order of the golden file, without when they were written. */
function documentsOf(hits: readonly Hit[], prefix: string): GoldenDocument[] {
  return hits.map(({ _index, _id, _source: { indexed_at, ...source } }) => {
    assert.equal(new Date(String(indexed_at)).toISOString(), indexed_at);
    return { index: _index.slice(prefix.length).replace(/_v1$/, ""), id: _id, source };
  }).sort(byPlace);
}

/** What changes when anything is written. */
async function versions(index: string): Promise<unknown[]> {
  const body = { size: 10_000, version: true, seq_no_primary_term: true, _source: false, sort: ["_index", "_doc"] };
  const { hits } = await shared.es.json("POST", `/${index}/_search`, body);
  return hits.hits.map((hit: Record<string, unknown>) => [hit["_index"], hit["_id"], hit["_version"], hit["_seq_no"]]);
}

serviceTest(
  "once, a folder into Elasticsearch: the golden documents, and still they when all is read again",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const { args, prefix } = placeIn(shared);
      const indices = `${prefix}*`;
      const env = { LOCAL_SQLITE_DB_PATH: FIXTURES };
      const first = await megastream(folder, args, 3, env);
      assert.deepEqual(documentsOf(await shared.es.hits(indices), prefix), DOCUMENTS.toSorted(byPlace));

      const { files, rows, written, filtered, duplicates, dead_lettered } = first;
      assert.deepEqual([files.processed, rows], [16, ROWS.length]);
      assert.equal(written + duplicates, ROWS.filter(({ what }) => what).length);
      assert.deepEqual([filtered, dead_lettered], [
        ROWS.filter(({ skip }) => skip).length,
        ROWS.filter(({ reject }) => reject).length,
      ]);
      const dead = ROWS.filter(({ reject }) => reject).map(({ file, row, reject }) => [file, row, reject]);
      assert.deepEqual(deadRows(folder).map(({ file, row, reason }) => [file, row, reason]), dead);
      const flags = (flag: string) => ROWS.filter(({ created_at_flag }) => created_at_flag === flag).length;
      assert.deepEqual(first.created_at, { repaired: flags("repaired"), fallback: flags("fallback") });
      const dropped: Record<string, Record<string, number>> = {};
      for (const [model, reason] of ROWS.flatMap(({ vectors_dropped = {} }) => Object.entries(vectors_dropped))) {
        if (!/^all-MiniLM/.test(model)) continue;
        const reasons = dropped[model] ??= {};
        reasons[reason] = (reasons[reason] ?? 0) + 1;
      }
      assert.deepEqual(first.vectors_dropped, dropped);

      const before = await versions(indices);
      assert.equal(before.length, DOCUMENTS.length);
      const second = await megastream(folder, args, 0, env);
      assert.deepEqual([second.files.eligible, second.written], [0, 0]);
      await shared.es.json("POST", `/${indices}/_refresh`);
      assert.deepEqual(await versions(indices), before);

      Deno.removeSync(statePath(folder, "elasticsearch"));
      const third = await megastream(folder, args, 3, env);
      assert.equal(third.rows, ROWS.length);
      assert.deepEqual(documentsOf(await shared.es.hits(indices), prefix), DOCUMENTS.toSorted(byPlace));
    }),
);
