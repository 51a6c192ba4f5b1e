import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { runLoop } from "./jetstream_loop.ts";
import { runCase } from "./jetstream_pipeline.ts";
import { drainRate, startLoad } from "./load.ts";

const EVENTS = 3000;

function rowsOf(path: string) {
  using db = new DatabaseSync(path, { readOnly: true });
  return db.prepare("SELECT position, did, time_us, kind, collection, operation, rkey, rev, cid, seq, json FROM events")
    .all();
}

Deno.test("the reference loop and the pipeline write the same rows, filtered by the client or not", async () => {
  await using server = await startLoad(EVENTS);
  const { load } = server;
  assert.equal(load.events, EVENTS);
  assert.ok(await drainRate(load) > 0);
  const folder = await Deno.makeTempDir();
  try {
    for (const [filter, items, rows] of [[false, EVENTS, EVENTS], [true, load.lastWanted, load.wanted]] as const) {
      const [byLoop, byPipeline] = [`${folder}/loop_${filter}.db`, `${folder}/pipeline_${filter}.db`];
      const indexes = ["time"] as const;
      assert.equal((await runLoop({ load, path: byLoop, indexes, filter })).items, items);
      assert.equal((await runCase({ load, path: byPipeline, indexes, filter })).items, items);
      const written = rowsOf(byPipeline);
      assert.equal(written.length, rows);
      assert.deepEqual(written, rowsOf(byLoop));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the load server sends from a cursor on", async () => {
  await using server = await startLoad(EVENTS);
  const { load } = server;
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/late.db`;
    await runLoop({ load: { ...load, url: `${load.url}?cursor=${EVENTS - 2}`, events: 3 }, path });
    assert.deepEqual(rowsOf(path).map(({ seq }) => seq), [EVENTS - 2, EVENTS - 1, EVENTS]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
