import assert from "node:assert/strict";
import { openDatabase } from "../../lib/sources/megastream/database.ts";
import { memoryElasticsearch } from "../../tests/support/memory_elasticsearch.ts";
import { scriptedElasticsearch } from "../../tests/support/scripted_elasticsearch.ts";
import { tempFolder } from "../../tests/support/temp.ts";
import { writeBigFile } from "../megastream/many.ts";
import { loopRows, loopUnzip } from "./megastream_loop.ts";
import { pipeRows } from "./megastream_pipeline.ts";

const ROWS = 30;

/** Numbers as float32: the loop prints more digits of them. */
const asFloat = (_: string, value: unknown) => typeof value === "number" ? Math.fround(value) : value;

/** The documents that `write` leaves behind as text, but for when they were written. */
async function documentsBy(write: (path: string, url: string) => Promise<number>, path: string) {
  const memory = memoryElasticsearch();
  await using server = await scriptedElasticsearch(memory.script);
  assert.equal(await write(path, server.url), ROWS);
  return [...memory.documents].map(([name, { indexed_at, ...document }]) => {
    assert.equal(typeof indexed_at, "string");
    return JSON.stringify([name, document], asFloat);
  });
}

Deno.test("the loop and the pipeline write the same documents with two vectors of a Megastream file", async () => {
  using folder = tempFolder();
  const archive = `${folder.path}/${await writeBigFile(folder.path, { rows: ROWS })}`, path = `${folder.path}/x.db`;
  await loopUnzip(archive, path);
  using database = openDatabase(path);
  assert.equal(database.last, ROWS);
  const written = await documentsBy(pipeRows, path);
  assert.equal(written.length, ROWS);
  assert.deepEqual(written, await documentsBy(loopRows, path));
});
