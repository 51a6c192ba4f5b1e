import assert from "node:assert/strict";
import { SINK_NAMES, SINKS, type SinkSettings } from "./registry.ts";

const settings: SinkSettings = {
  db: "a.db",
  table: "events",
  indexes: [],
  retentionMs: undefined,
  out: "a.ndjson",
};

Deno.test("the sinks as they are offered: names, batch sizes, lanes, who keeps the position", () => {
  const rows = SINK_NAMES.map((name) => {
    const { defaultBatchSize, maxConcurrency, defaultConcurrency, keepsPosition } = SINKS[name];
    return [name, defaultBatchSize, maxConcurrency, defaultConcurrency, keepsPosition];
  });
  assert.deepEqual(rows, [
    ["sqlite", 1000, 1, 1, true],
    ["elasticsearch", 100, Infinity, 4, false],
    ["redis", 500, 1, 1, true],
    ["queue", 100, 1, 1, true],
    ["ndjson", 500, 1, 1, false],
    ["stdout", 500, 1, 1, false],
    ["null", 500, Infinity, 1, false],
  ]);
});

Deno.test("stdout and null open without touching anything", async () => {
  for (const name of ["stdout", "null"] as const) {
    await using sink = await SINKS[name].open(settings);
    assert.equal(sink.name, name);
  }
});
