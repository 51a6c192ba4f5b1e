import assert from "node:assert/strict";
import type { AnyEvent } from "../atproto/event.ts";
import { SINK_NAMES, type SinkEntry, SINKS, type SinkSettings, type WebhookSettings } from "./registry.ts";

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
    ["webhook", 500, 1, 1, true, false],
    ["ndjson", 500, 1, 1, false, true],
    ["stdout", 500, 1, 1, false, true],
    ["null", 500, Infinity, 1, false, true],
  ]);
});

Deno.test("a webhook that takes single events gets them soon; arrays are filled, for all requests that can be under way", () => {
  const grouping = (webhook: Partial<WebhookSettings>) =>
    (SINKS.webhook as SinkEntry).grouping!({ ...settings, webhook: webhook as WebhookSettings });
  assert.deepEqual(grouping({ batch: 1, batchMs: 5000 }), { size: 500, multiple: 10, ms: 100 });
  assert.deepEqual(grouping({ batch: 50, batchMs: 200 }), { size: 400, multiple: 13, ms: 200 });
  assert.deepEqual(grouping({ batch: 1000, concurrency: 256 }), { size: 5000, multiple: 1, ms: 1000 });
});

Deno.test("a webhook is sent commits unless other kinds are asked for, and what is no event of the network", async () => {
  const accepts = async (onlyCommits: boolean) => {
    const webhook = { onlyCommits } as WebhookSettings;
    const accept = await (SINKS.webhook as SinkEntry).accepts!({ ...settings, webhook });
    const kinds = ["commit", "identity", "account", "sync", "label", "repo"];
    return kinds.filter((kind) => accept({ kind } as AnyEvent));
  };
  assert.deepEqual(await accepts(true), ["commit", "label", "repo"]);
  assert.equal((await accepts(false)).length, 6);
});

Deno.test("stdout and null open without touching anything", async () => {
  for (const name of ["stdout", "null"] as const) {
    await using sink = await SINKS[name].open(settings);
    assert.equal(sink.name, name);
  }
});
