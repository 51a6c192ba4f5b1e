import assert from "node:assert/strict";
import { SINK_NAMES, SINKS, type SinkSettings } from "./registry.ts";

const settings: SinkSettings = {
  db: "a.db",
  table: "events",
  indexes: [],
  retentionMs: undefined,
  out: "a.ndjson",
};

Deno.test("the sinks as they are offered: names, batch sizes, lanes, who keeps the position, who takes anything", () => {
  const rows = SINK_NAMES.map((name) => {
    const { defaultBatchSize, maxConcurrency, defaultConcurrency, keepsPosition, takesAnything } = SINKS[name];
    return [name, defaultBatchSize, maxConcurrency, defaultConcurrency, keepsPosition, takesAnything];
  });
  assert.deepEqual(rows, [
    ["sqlite", 1000, 1, 1, true, false],
    ["elasticsearch", 100, Infinity, 4, false, false],
    ["redis", 500, 1, 1, true, false],
    ["queue", 100, 1, 1, true, false],
    ["ndjson", 500, 1, 1, false, true],
    ["stdout", 500, 1, 1, false, true],
    ["null", 500, Infinity, 1, false, true],
  ]);
});

Deno.test("stdout and null open without touching anything", async () => {
  for (const name of ["stdout", "null"] as const) {
    await using sink = await SINKS[name].open(settings);
    assert.equal(sink.name, name);
  }
});
